"""What few rows hold stays out of every file that was not asked for rows, where the columns' blocks were inferred."""

import zipfile

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import Resume, classifiers, feature_extractors, postprocessors
from blocks.preprocessors import MultiHot
from blocks.preprocessors.columns.infer import MIN_ROWS

ROWS = 240


def rows():
    """Columns of which every one holds strings of fewer than five rows, beside frequent ones."""
    place = np.arange(ROWS)
    rare = [f"zqvzq{i // (MIN_ROWS - 1):03d}" for i in range(ROWS)]  # each in four rows
    return pa.table(
        {
            "note": [f"the {word} met {word} of town{i % 6} and {word} {word} {word}" for i, word in enumerate(rare)],
            "city": [word if i % 4 else f"oslo{i % 3}" for i, word in enumerate(rare)],
            "tags": [[word] * 6 + [f"tag{i % 4}"] for i, word in enumerate(rare)],
            "person": [f"zqvzqperson {i}" for i in range(ROWS)],
            "amount": np.random.default_rng(0).normal(size=ROWS),
            "y": np.where(place % 2, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of everything that a model on auto writes, archives unpacked."""
    folder = tmp_path_factory.mktemp("private")
    table = rows()
    model = blocks.Model(
        feature_extractor=feature_extractors.MLP([4]),
        head=classifiers.Softmax("y"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(table)
    for form in ("hdf5", "tfrecord"):
        store = model.precompute({"train": table}, folder / form, format=form, verbose=False)
    model.fit(store["train"], epochs=1, verbose=0, callbacks=[Resume(folder / "resume")])
    model.calibrate(store["train"], allow_training_rows=True)
    model.save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        archive.extractall(folder / "unpacked")
    model.export(folder / "export")
    blocks.report(model, {"train": table}, folder / "report.html", rows=False)
    (folder / "words.txt").write_text(model.describe() + repr(model) + str(model.preprocessor.describe()))
    return folder


def found(folder, word):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in paths if word in path.read_bytes().lower()}


def test_no_file_holds_what_fewer_than_five_rows_do(files):
    assert found(files, b"zqvzq") == set()


def test_what_many_rows_hold_is_there_so_that_the_search_could_have_found_it(files):
    for word in (b"oslo1", b"tag1"):
        assert {path.partition("/")[0] for path in found(files, word)} >= {"unpacked", "export"}
    assert "report.json" in found(files, b"oslo1")
    assert {"hdf5/manifest.json", "tfrecord/manifest.json"} <= found(files, b"tag1")
    text = (files / "words.txt").read_text()
    assert text.count("what stands in fewer than 5 rows is not learned (min_count)") == 2
    assert "n-grams of fewer than 5 rows are 0 (min_rows)" in text
    assert not found(files, b"town1")  # hashes alone are kept of prose
    assert "person" in text


def test_a_report_with_rows_shows_them(files):
    model = blocks.load(files / "model.keras")
    page = blocks.report(model, {"train": rows()}, files / "shown" / "report.html", rows=50)
    assert b"zqvzq" in page.read_bytes()


@pytest.mark.parametrize("repeats", [1, 7])
def test_lists_are_counted_by_rows_where_rows_are_asked_for(repeats):
    lists = pa.array([["a"] * repeats] * MIN_ROWS + [["b"] * repeats] * (MIN_ROWS - 1))
    assert MultiHot(min_rows=MIN_ROWS).adapt(lists).tokens == [b"a"]
    assert MultiHot(min_count=MIN_ROWS).adapt(lists).tokens == ([b"a", b"b"] if repeats > 1 else [b"a"])


def test_columns_of_rare_strings_alone_are_left_out_with_the_reason():
    table = rows().set_column(1, "city", pa.array([f"zqvzq{i // 4}" for i in range(ROWS)]))
    notes = pa.array([f"{i}a {i}b {i}c {i}d {i}e" for i in range(ROWS)])
    columns = blocks.preprocessors.Columns.infer(table.set_column(0, "note", notes), exclude=["y"])
    assert columns.columns == ["tags", "amount"]
    lines = {line.split()[0]: line for line in str(columns).splitlines()}
    assert all("(left out)" in lines[name] and "nothing stands in 5 rows" in lines[name] for name in ("city", "note"))
