"""Batch scoring: from any source to any target, equal to the model's own answers, by the artefact alone."""

import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.cli.main import main
from blocks.errors import InvalidArgument, SchemaMismatch, StoreMismatch, WriteError
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


ALONE = """
import sys
TRAINING = ["lime", "sklearn"] + ["blocks." + one for one in ("model", "training", "testing", "baselines", "reporting")]
class Kept:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in TRAINING):
            raise ImportError(name + " is of training")
sys.meta_path.insert(0, Kept())
from blocks.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_artefact_is_enough(exported, rows, tmp_path):
    """In a process that cannot import what trains, with a copy of the export alone."""
    pq.write_table(rows.drop_columns(["label"]), tmp_path / "new.parquet")
    shutil.copytree(exported, tmp_path / "copy")
    command = [sys.executable, "-c", ALONE, "predict", tmp_path / "copy", tmp_path / "new.parquet"]
    command += [tmp_path / "out.jsonl"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert blocks.read(tmp_path / "out.jsonl").count() == 300


def test_a_key_of_lists_is_refused_before_anything_is_written(exported, rows, tmp_path):
    lists = rows.append_column("tags", pa.array([["a"]] * len(rows)))
    with pytest.raises(InvalidArgument, match="Received: 'tags', of lists"):
        write_answers(exported, lists, tmp_path / "out.parquet", keys=["tags"])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def several():
    """Two heads over a number, a window and a text, with a conformal set, labels and quantiles; and its rows."""
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    windows = random.normal(size=(200, 4))
    windows[3, 1] = np.nan
    rows = {"id": np.arange(200), "x": x, "w": windows, "city": np.resize(np.array(["a", "", 'b,"c"'], object), 200)}
    rows |= {"y": np.where(x + random.normal(size=200) > 0, "yes", "no"), "price": 2 * x}
    columns = {"x": preprocessors.Standardize(), "w": preprocessors.Standardize(), "city": preprocessors.Vocabulary()}
    model = blocks.Model(
        preprocessors.Columns(columns),
        feature_extractors.MLP([8]),
        {"buy": classifiers.Softmax("y"), "cost": regressors.Quantiles("price", (0.1, 0.9))},
        postprocessors={"buy": [postprocessors.ConformalSet(coverage=0.9), postprocessors.Labels()]},
        seed=0,
    )
    model.adapt(rows)
    model.fit(rows, epochs=1, verbose=0)
    model.calibrate(rows, allow_training_rows=True)
    return model, blocks.read(rows)


@pytest.fixture(scope="module")
def several_exported(several, tmp_path_factory):
    path = tmp_path_factory.mktemp("several") / "1"
    several[0].export(path)
    return path


def test_heads_sets_quantiles_and_windows(several, several_exported, tmp_path):
    """Lists in Parquet; in CSV a column by class or level. Labels and sets equal, numbers within 1e-6."""
    model, rows = several
    expected = model.predict(rows, verbose=0)
    lists = write_answers(several_exported, rows, tmp_path / "out.parquet", keys=["id"]).to_table()
    flat = write_answers(several_exported, rows, tmp_path / "out.csv", keys=["id"]).to_table()
    assert set(lists.schema.names) == {"id", *expected}
    parts = {"buy_probabilities": ["no", "yes"], "buy_prediction_set": ["no", "yes"], "cost_quantiles": [0.1, 0.9]}
    assert set(flat.schema.names) == {
        "id", *(expected.keys() - parts), *(f"{name}_{part}" for name in parts for part in parts[name])
    }  # fmt: skip
    for name, values in expected.items():
        by_column = [flat[f"{name}_{part}"] for part in parts.get(name, ())] or [flat[name]]
        for found in (lists[name].to_pylist(), list(zip(*(column.to_pylist() for column in by_column), strict=True))):
            found = np.asarray(found).reshape(values.shape)
            if values.dtype.kind == "f":
                np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-6)
            else:
                assert found.tolist() == values.tolist()


def test_features_are_those_of_the_model_bit_for_bit(several, several_exported):
    """Texts by their distinct values, in any encoding and chunk, enter the SavedModel as each by itself does."""
    from blocks.export.exported_predictor import ExportedPredictor

    model, rows = several
    predictor = ExportedPredictor(several_exported)
    predictor._serve = predictor._model.signatures["transform_features"]
    chunk = next(rows.chunks(200))
    coded = chunk.set_column(3, "city", chunk["city"].dictionary_encode())
    expected = model.transform(chunk)
    for found in (predictor.answers(chunk), predictor.answers(coded), predictor.answers(chunk.slice(0, 2))):
        for name, values in expected.items():
            assert found[name].tobytes() == values[: len(found[name])].tobytes()


@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.arrow", "out.jsonl", "out.h5", "out.db"])
def test_no_rows_give_an_empty_table_with_all_columns(several, several_exported, target, tmp_path):
    rows = several[1].to_table()
    whole = write_answers(several_exported, rows.slice(0, 5), tmp_path / f"five.{target}", keys=["id"])
    empty = write_answers(several_exported, rows.slice(0, 0), tmp_path / target, keys=["id"])
    assert empty.count() == 0
    assert empty.schema.remove_metadata() == whole.schema.remove_metadata()


def test_keys_are_columns_that_no_answer_is_called_by(exported, rows, tmp_path):
    with pytest.raises(SchemaMismatch, match="there is no column 'nokey'"):
        write_answers(exported, rows, tmp_path / "out.csv", keys=["nokey"])
    with pytest.raises(InvalidArgument, match=r"Received: 'label'\. Rename it"):
        write_answers(exported, rows, tmp_path / "out.csv", keys=["label"])
    named = rows.append_column("probabilities_yes", rows["id"])
    written = write_answers(exported, named, tmp_path / "out.csv", keys=["probabilities_yes"]).to_table()
    assert written["probabilities_yes"].to_pylist() == rows["id"].to_pylist()
    assert "probabilities_yes_2" in written.schema.names


def test_targets_are_kept_when_asked_for(exported, rows, tmp_path):
    written = write_answers(exported, rows, tmp_path / "with.csv", targets=True).to_table()
    assert written["target_label"].to_pylist() == rows["label"].to_pylist()
    assert "target_label" not in write_answers(exported, rows, tmp_path / "without.csv").schema.names
    with pytest.raises(SchemaMismatch, match=r"The target .*there is no column 'label'"):
        write_answers(exported, rows.drop_columns(["label"]), tmp_path / "out.csv", targets=True)


def test_rejects_of_a_csv(exported, rows, tmp_path, capsys):
    pc.write_csv(
        rows.drop_columns(["label", "city"]).append_column("city", pa.array(["rome"] * 300)), tmp_path / "n.csv"
    )
    lines = (tmp_path / "n.csv").read_text().splitlines()
    (tmp_path / "n.csv").write_text("\n".join([*lines[:100], "1,2", *lines[100:]]) + "\n")
    words = ["predict", str(exported), str(tmp_path / "n.csv"), str(tmp_path / "out.csv"), "--keys", "id"]
    assert main(words) == 1
    assert "line 101" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert main([*words, "--rejects", str(tmp_path / "bad.parquet")]) == 0
    assert "300 rows" in (said := capsys.readouterr().out)
    assert "1 bad rows in" in said
    assert blocks.read(tmp_path / "bad.parquet").count() == 1


def test_answers_never_replace_rows(exported, rows, tmp_path, capsys):
    pq.write_table(rows, tmp_path / "a.parquet")
    before = (tmp_path / "a.parquet").read_bytes()
    uri = f"sqlite:///{tmp_path}/shop.db"
    for words in (
        [tmp_path / "a.parquet", tmp_path / "x" / ".." / "a.parquet", "--overwrite"],
        [tmp_path, tmp_path / "out.parquet"],
        [tmp_path / "*.parquet", tmp_path / "out.parquet"],
        [uri, uri, "--table", "people", "--out-table", "people", "--overwrite"],
    ):
        assert main(["predict", str(exported), *map(str, words)]) == 1
        assert "Answers are written apart from the rows" in capsys.readouterr().err
    assert (tmp_path / "a.parquet").read_bytes() == before


def test_what_is_there_or_cannot_be_written_is_said(exported, rows, tmp_path):
    for name, error in (("out.csv", InvalidArgument), ("out.parquet", StoreMismatch)):
        write_answers(exported, rows, tmp_path / name, keys=["id"])
        with pytest.raises(error, match="overwrite=True"):
            write_answers(exported, rows.slice(0, 9), tmp_path / name, keys=["id"])
        assert write_answers(exported, rows.slice(0, 9), tmp_path / name, overwrite=True).count() == 9
    with pytest.raises(WriteError, match="its folder does not exist"):
        write_answers(exported, rows, tmp_path / "nowhere" / "out.csv")
    with pytest.raises(InvalidArgument, match=r"A prediction table is a file by itself.*table='t'"):
        write_answers(exported, rows, tmp_path / "t.db", table="t")
    (tmp_path / "file").write_text("")
    for name in ("out.csv", "out.parquet"):
        with pytest.raises(WriteError, match="writing"):
            write_answers(exported, rows, tmp_path / "file" / name)
