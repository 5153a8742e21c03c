"""Recording: what a run's folder says of what was done, as it comes; by an independent JSON Schema validator too."""

import json
import os
import signal
import subprocess
import sys

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import blocks
from blocks import feature_extractors, preprocessors, regressors
from blocks.errors import BlocksWarning, InvalidArgument, MalformedData
from blocks.runs.run_record import find_run, schema


def small_model(seed=0):
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    return blocks.Model(columns, feature_extractors.MLP([4]), regressors.Mean("y"), seed=seed)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    x = np.linspace(-1, 1, 400)
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(pa.table({"id": np.arange(400), "x": x, "y": 2 * x}), path)
    return path


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    """A run of the whole road, and the model that it made."""
    folder = tmp_path_factory.mktemp("whole")
    with blocks.runs.record(folder / "runs", {"epochs": 2, "seed": 0}, name="first") as run:
        splits = blocks.read(file).split(train=0.8, valid=0.2, key="id")
        model = small_model()
        model.adapt(splits["train"])
        store = model.precompute(splits, folder / "store")
        model.fit(store["train"], validation_data=store["valid"], epochs=2, batch_size=64, verbose=0)
        judged = model.evaluate(store["valid"])
        model.save(folder / "model.keras")
        run.log({"extra": 1.5})
    return blocks.runs.open_run(run.folder), model, judged, folder


def test_a_run_says_what_it_was_in_order(whole, file):
    run, model, judged, _ = whole
    assert run.state == "finished"
    jsonschema.validate(json.loads((run.folder / "run.json").read_text()), schema())
    names = [stage["name"] for stage in run.gathered["stages"]]
    assert names == ["data", "splits", "preprocessor", "splits", "store", "weights", "metrics"]
    assert list(run.gathered["inputs"]) == [str(file)]
    assert run.gathered["seeds"] == [{"step": "fit", "model": 0, "order": 0}]
    assert run.metrics["valid/loss"] == judged["loss"]
    assert run.metrics["extra"] == 1.5
    assert run.metrics["val_loss"] == model.history.history["val_loss"][-1]
    epochs = [event["metrics"]["loss"] for event in run.events if event["event"] == "epoch"]
    assert epochs == model.history.history["loss"]
    assert run.content["environment"]["packages"]["keras"]


def test_a_saved_model_is_kept_by_content(whole):
    run, _, _, folder = whole
    digest, size = run.gathered["artefacts"]["model.keras"]["files"]["model.keras"]
    kept = run.folder.parent / "objects" / digest[:2] / digest[2:]
    assert kept.read_bytes() == (folder / "model.keras").read_bytes()
    assert size == kept.stat().st_size


def test_another_run_of_the_same_comes_to_the_same(whole, file, tmp_path):
    """From a copy of the file, of another time of change, in another place."""
    run = whole[0]
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(file.read_bytes())
    with blocks.runs.record(tmp_path / "runs", {"epochs": 2, "seed": 0}) as again:
        splits = blocks.read(copy).split(train=0.8, valid=0.2, key="id")
        model = small_model()
        model.adapt(splits["train"])
        store = model.precompute(splits, tmp_path / "store")
        model.fit(store["train"], validation_data=store["valid"], epochs=2, batch_size=64, verbose=0)
        model.evaluate(store["valid"])
        again.log({"extra": 1.5})
    assert blocks.runs.open_run(again.folder).gathered["stages"] == run.gathered["stages"]


def test_a_failed_run_says_why_and_the_error_goes_on(tmp_path):
    with pytest.raises(ZeroDivisionError), blocks.runs.record(tmp_path) as run:
        1 / 0  # noqa: B018
    found = blocks.runs.open_run(run.folder)
    assert (found.state, found.content["error"]["type"]) == ("failed", "ZeroDivisionError")
    with pytest.raises(KeyboardInterrupt), blocks.runs.record(tmp_path) as run:
        raise KeyboardInterrupt
    assert blocks.runs.open_run(run.folder).state == "interrupted"


def test_a_killed_run_reads_as_killed_and_a_running_one_as_running(tmp_path):
    code = f"""
import os, sys, blocks
run = blocks.runs.record({str(tmp_path)!r}).__enter__()
run.log({{"loss": float("nan")}})
print(run.folder, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        folder = process.stdout.readline().strip()
        assert blocks.runs.open_run(folder).state == "running"
        with pytest.raises(InvalidArgument, match="goes on"):
            blocks.runs.record(tmp_path, resumes=os.path.basename(folder))
        process.send_signal(signal.SIGKILL)
    with open(f"{folder}/events.jsonl", "a") as torn:
        torn.write('{"event": "metrics", "metr')
    found = blocks.runs.open_run(folder)
    assert found.state == "killed"
    assert found.content["entry"] is None, "nothing begins text of -c again"
    assert np.isnan(found.metrics["loss"])
    content = json.loads((found.folder / "run.json").read_text())
    content["process"]["host"] = "another"
    (found.folder / "run.json").write_text(json.dumps(content))
    assert blocks.runs.open_run(folder).state == "elsewhere"


def test_a_disk_that_is_full_stops_the_record_alone(tmp_path, monkeypatch):
    with blocks.runs.record(tmp_path) as run:
        monkeypatch.setattr(run._log, "append", lambda event: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.warns(BlocksWarning, match="recorded no further"):
            run.log({"loss": 1.0})
        run.log({"loss": 2.0})
    assert blocks.runs.open_run(run.folder).metrics == {}


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="is no run"):
        blocks.runs.open_run(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "run.json").write_text('{"version": 1}')
    with pytest.raises(MalformedData, match="none that blocks wrote"):
        blocks.runs.open_run(tmp_path / "x")
    assert blocks.runs.list_runs(tmp_path) == []
    with pytest.raises(InvalidArgument, match="No run"):
        find_run(tmp_path, "2026")
    with pytest.raises(InvalidArgument, match="module:function"):
        blocks.runs.record(tmp_path, entry="no entry")
    with pytest.raises(InvalidArgument, match="dict of numbers"), blocks.runs.record(tmp_path) as run:
        run.log([1])


def test_tensorboards_events_are_written(file, tmp_path):
    model = small_model()
    model.adapt(file)
    with blocks.runs.record(tmp_path) as run:
        history = model.fit(file, epochs=2, batch_size=64, verbose=0, callbacks=[run.tensorboard()])
    [written] = (run.folder / "tensorboard" / "train").glob("events.out.tfevents.*")
    events = [tf.compat.v1.Event.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(str(written))]
    said = [(event.step, one) for event in events for one in event.summary.value if one.tag == "epoch_loss"]
    assert [step for step, _ in said] == [0, 1]
    values = [float(tf.make_ndarray(one.tensor)) for _, one in said]
    np.testing.assert_allclose(values, history.history["loss"], rtol=1e-6)


def test_mlflow_reads_what_was_written(file, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'ml-blocks[mlflow]'")
    uri, model = f"sqlite:///{tmp_path}/mlflow.db", small_model()
    model.adapt(file)
    with blocks.runs.record(tmp_path / "runs", {"fit": {"epochs": 2}}, name="first") as run:
        history = model.fit(file, epochs=2, batch_size=64, verbose=0, callbacks=[run.mlflow(uri)])
    client = mlflow.MlflowClient(uri)
    [found] = client.search_runs([client.get_experiment_by_name("blocks").experiment_id])
    assert (found.info.run_name, found.info.status, found.data.tags["blocks.run"]) == ("first", "FINISHED", run.id)
    assert found.data.params == {"fit.epochs": "2"}
    logged = [one.value for one in client.get_metric_history(found.info.run_id, "loss")]
    assert logged == history.history["loss"]


def test_without_mlflow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with blocks.runs.record(tmp_path) as run, pytest.raises(ImportError, match=r"ml-blocks\[mlflow\]"):
        run.mlflow("sqlite:///x.db")
