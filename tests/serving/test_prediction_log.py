"""The prediction log: what was asked and answered, in bounds, and nothing unless it is asked for."""

import asyncio
import re
import threading
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import InvalidArgument
from blocks.serving import PredictionLog, model_server, prediction_log
from tests.serving.conftest import mixed_rows, request

PREDICT = "/v1/models/income:predict"


@pytest.fixture
def logging_app(mixed_app, mixed_export, tmp_path, monkeypatch):
    # loaded once for all of these tests
    monkeypatch.setattr(model_server, "ModelVersions", lambda name, *others: mixed_app.server.models[name])
    made = []

    def make(**options):
        made.append(blocks.serving.app({"income": mixed_export.parent}, log=PredictionLog(tmp_path / "log", **options)))
        return made[-1]

    yield make
    for application in made:
        application.server.stop()


def files(folder):
    return sorted(folder.rglob("*.parquet"), key=lambda file: file.name)


def logged(folder):
    return pa.Table.from_batches(list(blocks.read(folder).chunks(10_000)))


def counted(application, outcome):
    text = asyncio.run(request(application, "GET", "/metrics"))[2].decode()
    found = re.search(rf'blocks_log_rows_total{{model="income",outcome="{outcome}"}} (\S+)', text)
    return float(found[1]) if found else 0


def test_rows_and_answers_are_those_of_the_requests(ask, logging_app, json_rows, tmp_path):
    application = logging_app(share=1, keys=["id"])
    begin = datetime.now(UTC)
    rows = [{**row, "id": f"é{i}"} for i, row in enumerate(json_rows[:6])]
    answers = ask(application, "POST", PREDICT, {"instances": rows[:3]})[1]["predictions"]
    answers.append(ask(application, "POST", "/income", {**rows[3], "id": 2**60})[1])
    columns = {name: [row[name] for row in rows[4:]] for name in rows[0]}
    found = ask(application, "POST", PREDICT, {"inputs": columns})[1]["outputs"]
    answers += [dict(zip(found, one, strict=True)) for one in zip(*found.values(), strict=True)]
    application.server.stop()
    table = logged(tmp_path / "log")
    assert table["id"].to_pylist() == ["é0", "é1", "é2", str(2**60), "é4", "é5"]
    asked = mixed_rows().drop_columns(["label"]).slice(0, 6)
    assert table.select(asked.column_names).to_pylist() == asked.to_pylist()
    assert [table.schema.field(name).type for name in ("member", "shop id", "at")] == [
        pa.bool_(), pa.int64(), pa.timestamp("us", "UTC"),
    ]  # fmt: skip
    assert table["label"].to_pylist() == [one["label"] for one in answers]
    np.testing.assert_allclose(table["probabilities"].to_pylist(), [one["probabilities"] for one in answers], atol=1e-6)
    assert set(table["model"].to_pylist()) == {"income"}
    assert set(table["version"].to_pylist()) == {1}
    assert all(begin <= at <= datetime.now(UTC) for at in table["time"].to_pylist())
    assert counted(application, "written") == 6
    assert all(file.stat().st_mode & 0o077 == 0 for file in files(tmp_path / "log"))


def test_the_open_inference_protocol_carries_keys(ask, logging_app, json_rows, tmp_path):
    application = logging_app(share=1, keys=["id"])
    datatypes = {"age": "FP64", "height": "FP32", "member": "FP64", "shop id": "INT64", "city": "BYTES", "at": "INT64"}
    at = [int(datetime.fromisoformat(row["at"]).timestamp() * 1e6) for row in json_rows[:2]]
    data = {name: [row[name] for row in json_rows[:2]] for name in datatypes} | {"at": at}
    inputs = [{"name": n, "datatype": kind, "shape": [2], "data": data[n]} for n, kind in datatypes.items()]
    key = {"name": "id", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    status, answer = ask(application, "POST", "/v2/models/income/infer", {"inputs": [*inputs, key]})
    assert status == 200, answer
    assert ask(application, "POST", "/v2/models/income/infer", {"inputs": inputs})[0] == 200
    application.server.stop()
    assert logged(tmp_path / "log")["id"].to_pylist() == ["a", "b", None, None]


def test_drift_and_metrics_read_it(ask, logging_app, json_rows, mixed_export, tmp_path):
    application = logging_app(share=1, keys=["id"])
    rows = [{**row, "id": i} for i, row in enumerate(json_rows)]
    ask(application, "POST", PREDICT, {"instances": rows})
    application.server.stop()
    found = blocks.evaluate.drift(mixed_export, tmp_path / "log").to_pylist()
    assert {one["column"] for one in found} == {"age", "height", "member", "shop id", "city", "at"}
    assert not any(one["alarm"] for one in found)  # the rows of training, as they were: types, texts, nulls
    # the truth comes later, by key
    truth = pa.table({"id": [str(i) for i in range(len(rows))], "bought": mixed_rows()["label"]})
    log = pq.read_table(files(tmp_path / "log")[0])
    joined = log.append_column("bought", truth["bought"])
    accuracy = next(
        one for one in blocks.evaluate.metrics(joined, target="bought", bootstrap=0).to_pylist()
        if one["metric"] == "accuracy"
    )  # fmt: skip
    expected = np.mean(np.array(log["label"]) == np.array(truth["bought"]))
    assert accuracy["value"] == pytest.approx(expected)


def test_drifted_requests_alarm(ask, logging_app, json_rows, mixed_export, tmp_path):
    application = logging_app(share=1)
    ask(application, "POST", PREDICT, {"instances": [{**row, "age": 90.0, "city": "Bergen"} for row in json_rows]})
    application.server.stop()
    found = blocks.evaluate.drift(mixed_export, tmp_path / "log").to_pylist()
    assert {one["column"] for one in found if one["alarm"]} == {"age", "city"}


def test_the_share_is_of_rows(ask, logging_app, json_rows, tmp_path):
    application = logging_app(share=0.25)
    for _ in range(20):
        ask(application, "POST", PREDICT, {"instances": json_rows})
    application.server.stop()
    asked = 20 * len(json_rows)
    found = len(logged(tmp_path / "log"))
    assert abs(found - asked / 4) < 6 * (asked * 0.25 * 0.75) ** 0.5
    assert counted(application, "written") == found


def test_what_does_not_fit_in_memory_is_dropped_and_counted(ask, logging_app, json_rows, tmp_path, monkeypatch):
    application = logging_app(share=1, memory_bytes=200_000)
    writing, goes_on, write = threading.Event(), threading.Event(), pq.write_table

    def slow(*arguments, **more):
        writing.set()
        assert goes_on.wait(60)
        write(*arguments, **more)

    monkeypatch.setattr(prediction_log.pq, "write_table", slow)
    statuses = []
    for _ in range(12):  # 12 * 240 rows of more than 100 bytes
        statuses.append(ask(application, "POST", PREDICT, {"instances": json_rows})[0])
    assert writing.wait(60)
    goes_on.set()
    application.server.stop()
    assert set(statuses) == {200}  # no request waits for the log
    dropped = counted(application, "dropped")
    assert dropped >= 240
    assert counted(application, "written") + dropped == 12 * 240
    assert len(logged(tmp_path / "log")) == 12 * 240 - dropped


def test_files_are_rotated_and_the_oldest_go(ask, logging_app, json_rows, tmp_path):
    application = logging_app(share=1, file_rows=240, max_bytes=60_000)
    log = tmp_path / "log"
    for i in range(12):
        ask(application, "POST", PREDICT, {"instances": [{**row, "age": float(i)} for row in json_rows]})
        while counted(application, "written") < 240 * (i + 1):  # by the other thread
            threading.Event().wait(0.01)
    kept = files(log)
    application.server.stop()
    assert files(log) == kept
    assert 1 <= len(kept) < 12
    assert sum(file.stat().st_size for file in kept) <= 60_000
    ages = [pq.read_table(file, columns=["age"])["age"][0].as_py() for file in kept]
    assert ages == list(range(12 - len(kept), 12))


def test_files_are_written_after_their_time(ask, logging_app, json_rows, tmp_path):
    application = logging_app(share=1, file_seconds=0.05)
    ask(application, "POST", PREDICT, {"instances": json_rows[:2]})
    end = threading.Event()
    for _ in range(1000):
        if counted(application, "written") == 2:
            break
        end.wait(0.01)
    assert [len(pq.read_table(file)) for file in files(tmp_path / "log")] == [2]


def test_a_disk_that_refuses_hurts_no_request(ask, logging_app, json_rows, tmp_path, monkeypatch, caplog):
    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prediction_log.pq, "write_table", full)
    application = logging_app(share=1)
    assert ask(application, "POST", PREDICT, {"instances": json_rows[:2]})[0] == 200
    application.server.stop()
    assert counted(application, "failed") == 2
    assert [one.message for one in caplog.records] == ["predictions not logged"]
    assert list((tmp_path / "log").rglob("*.*")) == []


def test_nothing_is_written_or_taken_without_the_option(ask, mixed_app, json_rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ask(mixed_app, "POST", PREDICT, {"instances": json_rows})[0] == 200
    assert list(tmp_path.iterdir()) == []
    for path, body in ((PREDICT, {"instances": [{**json_rows[0], "id": 1}]}), ("/income", {**json_rows[0], "id": 1})):
        status, answer = ask(mixed_app, "POST", path, body)
        assert (status, "Received also: 'id'" in answer["error"]) == (400, True)


def test_keys_that_were_not_chosen_are_refused_and_rejected_requests_not_logged(ask, logging_app, json_rows, tmp_path):
    application = logging_app(share=1, keys=["id"])
    row = json_rows[0]
    for bad in ({**row, "name": "x"}, {**row, "id": 1.5}, {**row, "id": "x" * 300}, {**row, "age": "x", "id": 1}):
        assert ask(application, "POST", "/income", bad)[0] == 400
    assert ask(application, "POST", PREDICT, {"instances": [row], "signature_name": "transform_features"})[0] == 200
    application.server.stop()
    assert files(tmp_path / "log") == []
    described = ask(application, "GET", "/openapi.json")[1]["components"]["schemas"]["income.row"]
    assert "id" in described["properties"]
    assert "id" not in described["required"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 1.5}, "share is a number above 0 and at most 1"),
        ({"keys": "id"}, "keys is a list of names"),
        ({"keys": ["time"]}, "none is model, version, time"),
        ({"file_seconds": 0}, "file_seconds is a number above 0"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(InvalidArgument, match=said):
        PredictionLog("log", **options)


def test_names_and_folders_that_a_log_cannot_have(mixed_export, tmp_path):
    for name in ("..", "_income", "a=b"):
        with pytest.raises(InvalidArgument, match="has a folder of its name"):
            blocks.serving.app({name: mixed_export}, log=PredictionLog(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match="logged in a folder"):
        blocks.serving.app({"income": mixed_export}, log=PredictionLog(tmp_path / "file"))


def test_words_of_the_command(capsys):
    from blocks.cli.main import main

    assert main(["serve", "a", "--log-keys", "id"]) == 2
    assert "go with --log" in capsys.readouterr().err
