"""What storing left behind is no feature, and is said to be left out; numbers that describe rows stay."""

import re
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import classifiers, feature_extractors, preprocessors
from blocks.errors import BlocksWarning
from blocks.preprocessors.columns.row_number_columns import Numbering

ROWS = 3_000


def frame(rows=ROWS) -> pd.DataFrame:
    """Sorted by its label: any number of its rows tells it."""
    random = np.random.default_rng(0)
    return pd.DataFrame({"x": random.normal(size=rows), "y": np.repeat(["no", "yes"], rows // 2)})


def sampled() -> pd.DataFrame:
    return frame(30_000).sample(ROWS, random_state=0)


def said(data, **options) -> tuple[list[str], str]:
    """The columns that infer takes, and what it says of the others."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        columns = preprocessors.Columns.infer(data, **options)
    assert all(warning.category is BlocksWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return list(columns.columns), " ".join(str(warning.message) for warning in caught)


def written(path, make) -> object:
    make(path)
    return path


SOURCES = {
    "frame": lambda path: sampled(),
    "frame with a named index": lambda path: sampled().rename_axis("place"),
    "frame with two": lambda path: sampled().set_index(np.arange(ROWS), append=True),
    "Parquet": lambda path: written(path / "a.parquet", sampled().to_parquet),
    "Feather": lambda path: written(path / "a.feather", lambda at: feather.write_feather(sampled(), at)),
    "two Parquet files": lambda path: [
        written(path / f"{n}.parquet", part.to_parquet) for n, part in enumerate((sampled()[:1000], sampled()[1000:]))
    ],
    "table read from it": lambda path: blocks.read(sampled()).to_table(),
    "CSV": lambda path: written(path / "a.csv", sampled().to_csv),
    "CSV, read and written again": lambda path: written(
        path / "b.csv", pd.read_csv(written(path / "a.csv", sampled().to_csv)).to_csv
    ),
    "CSV read by pandas": lambda path: pd.read_csv(written(path / "a.csv", sampled().to_csv)),
    "index of text": lambda path: written(path / "a.csv", sampled().set_index(np.resize(["r", "s"], ROWS)).to_csv),
    "Arrow that lost its metadata": lambda path: pa.table(sampled()).replace_schema_metadata(),
    "row numbers as a column": lambda path: sampled().reset_index(names="row"),
    "in order": lambda path: frame().reset_index(names="row"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_no_index_and_no_row_number_is_a_feature_and_it_is_said(kind, tmp_path) -> None:
    taken, message = said(SOURCES[kind](tmp_path), exclude=["y"])
    assert taken == ["x"]
    assert re.search(
        r"Left out, as no features: '.*' \((the index of|an unnamed|.*row number|.*a number a row)", message
    )
    assert message.count("Left out") == 1


def test_the_key_of_a_split_is_no_feature() -> None:
    random = np.random.default_rng(0)
    source = blocks.read(
        {"id": np.arange(20_000), "city": random.choice(["a", "b"], 20_000), "x": random.normal(size=20_000)}
    )
    part = source.split(train=0.3, test=0.7, key="id")["train"]
    assert said(part) == (
        ["city", "x"],
        "Left out, as no features: 'id' (the key by which the rows were split). exclude=['id'] agrees; a chain for one "
        "in Columns takes it in.",
    )
    inner = part.split(a=0.5, b=0.5, key=["city", "id"])["b"]
    assert said(inner)[0] == ["x"]
    assert inner.select(["x", "city"]).bookkeeping == {"city": "the key by which the rows were split"}
    assert source.split(a=0.5, b=0.5)["a"].bookkeeping == {}


def test_the_advice_is_right() -> None:
    data = sampled()
    name = "__index_level_0__"
    assert said(data, exclude=["y", name]) == (["x"], "")
    columns = preprocessors.Columns.infer(blocks.read(data).select(["x"]))
    columns[name] = preprocessors.Standardize()
    assert list(columns.columns) == ["x", name]


def test_adapt_says_so_at_the_users_line_and_rows_without_the_index_are_served() -> None:
    data = sampled()
    model = blocks.Model(head=classifiers.Softmax("y"), feature_extractor=feature_extractors.MLP([4]), seed=0)
    with pytest.warns(BlocksWarning, match=r"'__index_level_0__' \(the index of a pandas frame\)") as caught:
        model.adapt(data)
    assert [warning.filename for warning in caught] == [__file__]
    assert list(model.preprocessor.inputs) == ["x"]
    assert "__index_level_0__" in str(model.preprocessor)
    assert len(model.predict(data.reset_index(drop=True))["probabilities"]) == ROWS


def found(values) -> bool:
    numbering = Numbering()
    for chunk in np.array_split(np.asarray(values), 3):
        numbering.look(pa.array(chunk))
    return numbering.is_found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", [150, 3_000, 70_000])
def test_numbers_that_describe_rows_stay(rows, seed) -> None:
    random = np.random.default_rng(seed)
    for span in (2, 50, rows, 4 * rows, 100 * rows):
        assert not found(random.integers(0, span, rows))
    assert not found(random.normal(size=rows))
    assert not found(np.round(random.lognormal(8, 1, rows)))
    assert not found(random.poisson(1000, rows))
    assert not found(random.integers(-(2**62), 2**62, rows))
    assert not found(np.arange(90))
    assert not found(np.repeat(np.arange(rows), 2))
    assert not found([])


@pytest.mark.parametrize("thinned", [1, 2, 10, 50])
@pytest.mark.parametrize("rows", [500, 5_000, 70_000])
def test_row_numbers_are_found_thinned_and_shuffled(rows, thinned) -> None:
    random = np.random.default_rng(rows + thinned)
    if rows < 25 * 2 * thinned:
        return
    kept = np.sort(random.permutation(rows * thinned)[:rows])
    for values in (kept, random.permutation(kept), kept + 10**12, kept.astype(float), -kept):
        assert found(values)
    gaps = kept.astype(float)
    gaps[random.random(rows) < 0.1] = np.nan
    assert found(gaps)


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 400), min_size=1, max_size=300), st.integers(1, 99))
def test_chunks_do_not_matter(values, rows) -> None:
    one, other = Numbering(), Numbering()
    one.look(pa.array(values))
    for start in range(0, len(values), rows):
        other.look(pa.array(values[start : start + rows]))
    assert one.is_found == other.is_found


def test_no_share_is_above_all() -> None:
    random = np.random.default_rng(0)
    columns = preprocessors.Columns.infer(
        {
            "x": random.normal(size=50_000),
            "text": np.char.mod("k%d", random.permutation(10**7)[:50_000]),
            "z": [1, 2] * 25_000,
        }
    )
    shares = re.findall(r"([\d,]+)% of values|about ([\d,]+) distinct", str(columns))
    assert shares
    assert all(int(share or 0) <= 100 and int(about or 0) <= 50_000 for share, about in shares)
