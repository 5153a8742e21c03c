"""Prediction tables: what they hold, killed and resumed, refused, from an export alone, in SQLite."""

import importlib.util
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch, StoreMismatch
from blocks.evaluate import metrics, predict_table
from blocks.evaluate.tables import predict_table as writing
from blocks.evaluate.tables.prediction_table import PredictionTable
from blocks.evaluate.tables.sqlite import SqliteTable
from blocks.evaluate.tables.table_description import Description

SCRIPT = Path(__file__).with_name("table_to_kill.py")


def test_a_table_joins_its_source_one_to_one(fitted, table, tmp_path):
    splits = blocks.read(table).split(train=0.7, test=0.3, key="id")
    written = fitted.predict_table(splits, tmp_path / "t.parquet", keys=["id", "city"])
    assert written.schema.names[:4] == ["id", "city", "split", "target_label"]
    found = written.to_table()
    assert sorted(found["id"].to_pylist()) == table["id"].to_pylist()
    for name, part in splits.items():
        own = found.filter(pa.compute.field("split") == name)
        assert own["id"].equals(part.to_table()["id"])
    joined = found.select(["id", "target_label"]).join(table.select(["id", "label"]), "id")
    assert joined["label"].equals(joined["target_label"])
    expected = fitted.predict(table)
    order = found["id"].to_numpy()
    np.testing.assert_allclose(
        np.stack(found["probabilities"].to_pylist()), expected["probabilities"][order], rtol=1e-5, atol=1e-7
    )
    assert found["label"].to_pylist() == expected["label"][order].tolist()


def test_splits_are_anything_that_read_takes(fitted, table, tmp_path):
    pq.write_table(table, tmp_path / "rows.parquet")
    arrays = {name: table[name] for name in table.schema.names}
    splits = {"arrays": arrays, "file": str(tmp_path / "rows.parquet"), "table": table}
    written = fitted.predict_table(splits, tmp_path / "t.parquet").to_table()
    parts = [written.filter(pa.compute.field("split") == name).drop(["split"]) for name in splits]
    assert [len(part) for part in parts] == [len(table)] * 3
    assert parts[0].equals(parts[1])
    assert parts[1].equals(parts[2])
    with pytest.raises(
        InvalidArgument, match=r'Rows are a dict of splits, {"test": rows}, or rows alone. Received: {}.'
    ):
        metrics(fitted, data={})


def test_what_is_judged_is_what_was_predicted(fitted, table, tmp_path):
    written = fitted.predict_table(table, tmp_path / "t.parquet", keys=["id", "city"], split="all of it")
    assert set(written.to_table()["split"].to_pylist()) == {"all of it"}
    by_table = metrics(written, by="city")
    assert metrics(fitted, data=table, by="city").equals(by_table)
    assert metrics(str(tmp_path / "t.parquet"), by="city").equals(by_table)
    assert metrics(written.to_table().replace_schema_metadata(written.schema.metadata), by="city").equals(by_table)
    found = dict(zip(by_table["metric"].to_pylist(), by_table["value"].to_pylist(), strict=True))
    answers = fitted.predict(table)
    overall = {row["metric"]: row["value"] for row in by_table.to_pylist() if row["group"] == "all"}
    assert overall["accuracy"] == np.mean(answers["label"] == table["label"].to_numpy(zero_copy_only=False))
    assert found


def test_an_export_alone_gives_the_same_table(fitted, exported, table, tmp_path):
    ours = fitted.predict_table(table, tmp_path / "a.parquet", keys=["id"]).to_table()
    theirs = predict_table(exported, table, tmp_path / "b.parquet", keys=["id"]).to_table()
    assert theirs.schema.names == ours.schema.names
    assert theirs.drop(["probabilities", "confidence"]).equals(ours.drop(["probabilities", "confidence"]))
    np.testing.assert_allclose(
        np.stack(theirs["probabilities"].to_pylist()), np.stack(ours["probabilities"].to_pylist()), rtol=1e-5, atol=1e-7
    )


def test_a_killed_table_resumes(tmp_path):
    spec = importlib.util.spec_from_file_location("table_to_kill", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path, aside, twin = tmp_path / "t.parquet", tmp_path / "t.parquet.partial", tmp_path / "twin.parquet"
    killed = subprocess.run([sys.executable, str(SCRIPT), str(path), "2"], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not path.exists()
    parts = sorted(aside.glob("*.arrow"))
    assert len(parts) == 2
    shutil.copytree(aside, tmp_path / "twin.parquet.partial")
    rows = module.rows().to_table()
    done = module.write(path)
    assert not aside.exists()
    assert done.to_table()["id"].equals(rows["id"])
    never = module.write(tmp_path / "never.parquet")
    assert (tmp_path / "never.parquet").read_bytes() == path.read_bytes()
    assert metrics(never).equals(metrics(done))
    # what was there is taken up: with a chunk changed, the table holds the change
    part = tmp_path / "twin.parquet.partial" / parts[0].name
    with pa.ipc.open_file(part) as file:
        held = file.read_all()
    with pa.ipc.new_file(part, held.schema) as file:
        file.write_table(held.set_column(0, held.schema.field("id"), pa.array([-1] * 100)))
    with pytest.warns(BlocksWarning, match="99 of the first 400 rows repeat one"):
        again = module.write(twin)
    assert again.to_table()["id"].to_pylist() == [-1] * 100 + rows["id"].to_pylist()[100:]


def test_a_finished_table_is_left_and_another_refused(fitted, table, tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    fitted.predict_table(table, path, keys=["id"])
    before = path.stat().st_mtime_ns
    fitted.predict_table(table, path, keys=["id"])
    assert path.stat().st_mtime_ns == before
    with pytest.raises(StoreMismatch, match=r"t.parquet is of another source\. .*overwrite=True"):
        fitted.predict_table(table.slice(0, 9), path, keys=["id"])
    with pytest.raises(StoreMismatch, match="of another keys"):
        fitted.predict_table(table, path)
    other = fitted.replace(postprocessors=[])
    with pytest.raises(StoreMismatch, match="of another model"):
        other.predict_table(table, path, keys=["id"])
    pq.write_table(table, tmp_path / "other.parquet")
    with pytest.raises(StoreMismatch, match=r"other\.parquet is no prediction table of blocks"):
        fitted.predict_table(table, tmp_path / "other.parquet", keys=["id"])
    small = fitted.predict_table(table.slice(0, 9), path, keys=["id"], overwrite=True)
    assert small.count() == 9

    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing.ParquetTable, "finish", fail)
    with pytest.raises(KeyboardInterrupt):
        fitted.predict_table(table, tmp_path / "half.parquet", keys=["id"])
    monkeypatch.undo()
    with pytest.raises(StoreMismatch, match=r"half\.parquet\.partial is of another model, source"):
        other.predict_table(table.slice(0, 9), tmp_path / "half.parquet", keys=["id"])
    replaced = other.predict_table(table.slice(0, 9), tmp_path / "half.parquet", keys=["id"], overwrite=True)
    assert replaced.count() == 9


def test_unusable_targets_stay_as_null_and_are_counted(fitted, table, tmp_path):
    label = table["label"].to_pylist()
    label[:3] = ["never seen", None, "yes"]
    odd = table.set_column(table.schema.get_field_index("label"), "label", pa.array(label))
    with pytest.warns(BlocksWarning, match=r"Of 400 rows in the table: 2 unusable_targets\[label\]"):
        written = fitted.predict_table(odd, tmp_path / "t.parquet")
    assert written.to_table()["target_label"].to_pylist()[:3] == [None, None, "yes"]
    assert Description.of_schema(written.schema).counts["left_out"] == {"unusable_targets[label]": 2}
    with pytest.warns(BlocksWarning, match="2 unusable_targets"):
        assert metrics(written, metrics=["accuracy"])["rows"].to_pylist() == [398]


def test_without_targets_and_with_repeated_keys(fitted, table, tmp_path):
    less = table.drop(["label"])
    with pytest.raises(SchemaMismatch, match="targets=False leaves it out"):
        fitted.predict_table(less, tmp_path / "t.parquet")
    with pytest.warns(BlocksWarning, match="The keys city do not tell all rows apart"):
        written = fitted.predict_table(less, tmp_path / "t.parquet", keys=["city"], targets=False)
    assert written.schema.names == ["city", "confidence", "label", "probabilities"]


def test_sqlite_holds_the_same(fitted, table, tmp_path):
    extra = table.append_column("when", pa.array(range(400)).cast(pa.timestamp("us")))
    extra = extra.append_column("day", pa.array(range(400), pa.int32()).cast(pa.date32()))
    keys = ["id", "is it?", "city", "when", "day"]
    with warnings.catch_warnings():
        parquet = fitted.predict_table(extra, tmp_path / "t.parquet", keys=keys)
        sqlite = fitted.predict_table(extra, tmp_path / "t.sqlite", keys=keys)
    assert sqlite.schema.equals(parquet.schema, check_metadata=True)
    assert sqlite.to_table().equals(parquet.to_table())
    assert metrics(tmp_path / "t.sqlite").equals(metrics(parquet))
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        assert connection.execute('select count("probabilities[1]") from predictions').fetchone() == (400,)
    connection.close()
    (tmp_path / "bad.db").write_bytes(b"no database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(MalformedData, match=r"bad\.db is no prediction table"):
        SqliteTable(tmp_path / "bad.db")


def test_what_is_refused(fitted, table, tmp_path):
    named = table.append_column("confidence", table["id"])
    with pytest.raises(InvalidArgument, match="A key has no answer's name"):
        fitted.predict_table(named, tmp_path / "t.parquet", keys=["confidence"])
    with pytest.raises(InvalidArgument, match="split= names the rows of one source"):
        fitted.predict_table(blocks.read(table).split(a=0.5, b=0.5), tmp_path / "t.parquet", split="a")
    with pytest.raises(InvalidArgument, match=r"Rows are answered by a blocks\.Model"):
        predict_table(3, table, tmp_path / "t.parquet")
    with pytest.raises(InvalidArgument, match="give data="):
        metrics(fitted)
    with pytest.raises(InvalidArgument, match="chunk_rows must be a whole number, at least 1"):
        predict_table(fitted, table, tmp_path / "t.parquet", chunk_rows=0)


def test_groups_of_columns_that_the_table_lacks_are_those_of_its_rows(tmp_path):
    rows = {"id": np.arange(300), "x": np.linspace(-1, 1, 300), "y": np.arange(300) % 2, "city": ["a", "b", "c"] * 100}
    columns = blocks.preprocessors.Columns({"x": blocks.preprocessors.Standardize()})
    model = blocks.Model(columns, blocks.feature_extractors.MLP([4]), blocks.classifiers.Softmax("y"), seed=0)
    model.adapt(rows)
    splits = blocks.read(rows).split(train=0.5, test=0.5, key="id")
    told = blocks.evaluate.metrics(
        model.predict_table(splits, tmp_path / "told.parquet", keys=["id", "city"]), by=["city"]
    )
    table = model.predict_table(splits, tmp_path / "table.parquet", keys=["id"])
    assert "city" not in table.schema.names
    for chunk_rows in (7, 1000):
        assert blocks.evaluate.metrics(table, by=["city"], chunk_rows=chunk_rows).equals(told)
    with pytest.raises(SchemaMismatch, match=r"predict_table\(keys=.*no column 'city'"):
        blocks.evaluate.metrics(tmp_path / "table.parquet", by=["city"])
    table = PredictionTable(table, table.description, rows_of=[splits["train"]])
    with pytest.raises(SchemaMismatch, match=r"sources of other lengths, for city. Write the table again"):
        blocks.evaluate.metrics(table, by=["city"])


def test_a_file_of_another_format_is_refused(fitted, table, tmp_path):
    with pytest.raises(InvalidArgument, match=r"A table is a file .parquet, .* Received: '.*t.csv'"):
        fitted.predict_table(table, tmp_path / "t.csv", keys=["id"])
