"""Batch scoring: from any source to any target, equal to the model's own answers, by the artefact alone."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.cli.main import main
from blocks.errors import InvalidArgument
from blocks.evaluate.tables.write_answers import write_answers

pytestmark = pytest.mark.filterwarnings("ignore:.*elsewhere pass.*:blocks.errors.BlocksWarning")


@pytest.fixture(scope="module")
def rows(table):
    return table.slice(0, 300)


@pytest.fixture(scope="module")
def expected(fitted, rows):
    return fitted.predict(rows)


def flat(table, expected):
    assert table["label"].to_pylist() == expected["label"].tolist()
    for place, name in enumerate(["no\n", "yes"]):
        found = table[f"probabilities_{name}"].to_numpy()
        np.testing.assert_allclose(found, expected["probabilities"][:, place], atol=1e-6)


def test_parquet_is_a_prediction_table(exported, rows, expected, tmp_path, capsys):
    pq.write_table(rows.drop_columns(["label"]), tmp_path / "new.parquet")
    words = ["predict", str(exported), str(tmp_path / "new.parquet"), str(tmp_path / "out.parquet"), "--keys", "id"]
    assert main(words) == 0
    assert "300 rows, columns id, " in capsys.readouterr().out
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == rows["id"].to_pylist()
    assert table["label"].to_pylist() == expected["label"].tolist()
    found = np.reshape(table["probabilities"].combine_chunks().flatten().to_numpy(), (-1, 2))
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-6)


@pytest.mark.parametrize("target", ["out.csv", "out.jsonl", "out.arrow"])
def test_other_files_have_a_column_for_each_value(exported, rows, expected, tmp_path, target):
    written = write_answers(exported, rows, tmp_path / target, keys=["id"])
    table = written.to_table()
    assert table["id"].to_pylist() == rows["id"].to_pylist()
    flat(table, expected)


def test_databases(exported, rows, expected, tmp_path):
    source = blocks.read(rows).write(f"sqlite:///{tmp_path}/shop.db", table="people")
    assert source.count() == 300
    words = [str(exported), f"sqlite:///{tmp_path}/shop.db", f"sqlite:///{tmp_path}/answers.sqlite3"]
    assert main(["predict", *words, "--table", "people", "--out-table", "answers", "--keys", "id"]) == 0
    table = blocks.read(f"sqlite:///{tmp_path}/answers.sqlite3", table="answers").to_table()
    flat(table.sort_by("id"), {name: values[np.argsort(rows["id"].to_numpy())] for name, values in expected.items()})


def test_chunks_change_nothing(exported, rows, expected):
    from blocks.data.split_rows import as_splits
    from blocks.evaluate.answering import as_predictor
    from blocks.evaluate.tables.answered_rows import AnsweredRows
    from blocks.evaluate.tables.flat_answers import FlatAnswers

    source = FlatAnswers(AnsweredRows(as_predictor(exported), as_splits(rows, None), keys=["id"], targets=True))
    whole = pa.Table.from_batches(source.chunks(10_000))
    for size in (1, 7, 128):
        parts = pa.Table.from_batches(source.chunks(size))
        assert parts.drop_columns(
            [name for name in parts.schema.names if "prob" in name or name == "confidence"]
        ).equals(whole.drop_columns([name for name in whole.schema.names if "prob" in name or name == "confidence"]))
        flat(parts, expected)


def test_a_column_that_is_missing(exported, rows, tmp_path, capsys):
    pc.write_csv(rows.select(["id", "age"]), tmp_path / "new.csv")
    assert main(["predict", str(exported), str(tmp_path / "new.csv"), str(tmp_path / "out.csv")]) == 1
    assert "city" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_the_artefact_is_enough(exported, rows, tmp_path):
    """In a process of its own, with a copy of the export alone."""
    pq.write_table(rows.drop_columns(["label"]), tmp_path / "new.parquet")
    command = [sys.executable, "-m", "blocks", "predict", exported, tmp_path / "new.parquet", tmp_path / "out.jsonl"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert blocks.read(tmp_path / "out.jsonl").count() == 300


def test_a_key_of_lists_is_refused_before_anything_is_written(exported, rows, tmp_path):
    lists = rows.append_column("tags", pa.array([["a"]] * len(rows)))
    with pytest.raises(InvalidArgument, match="Received: 'tags', of lists"):
        write_answers(exported, lists, tmp_path / "out.parquet", keys=["tags"])
    assert list(tmp_path.iterdir()) == []
