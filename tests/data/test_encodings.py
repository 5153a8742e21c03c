"""Every way in which Arrow stores values gives the values: at any depth, sliced, with nulls; or our error by name."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
import blocks.data
from blocks import classifiers, feature_extractors, preprocessors
from blocks.data.encodings import decoded, natural_type
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch

TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "é", "long enough to lie outside of a view"]))


def dictionary(array: pa.Array) -> pa.Array:
    """Indices of another width, a null behind an index."""
    coded = array.dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int16()), coded.dictionary)


def runs(array: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(np.arange(1, len(array) + 1), pa.int32()), array)


def view(array: pa.Array) -> pa.Array:
    return array.cast(pa.string_view())


SCALARS = {
    "plain": lambda array: array,
    "dictionary": dictionary,
    "dictionary of views": lambda array: pa.DictionaryArray.from_arrays(
        pa.array(np.arange(len(array)), pa.uint32()), view(array)
    ),
    "view": view,
    "runs": runs,
    "runs of a dictionary": lambda array: runs(dictionary(array)),
    "bytes": lambda array: array.cast(pa.binary_view()),
}


def lists(array: pa.Array, kind: str, random: np.random.Generator) -> pa.Array:
    """The values as lists of two, some null."""
    count = len(array) // 2
    mask = pa.array(random.random(count) < 0.3)
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(array.slice(0, 2 * count), 2, mask=mask)
    offsets = np.arange(0, 2 * count + 1, 2)
    if kind == "list":
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), array, mask=mask)
    if kind == "large":
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), array, mask=mask)
    sizes = pa.array(np.full(count, 2), pa.int32())
    return pa.ListViewArray.from_arrays(pa.array(offsets[:-1][::-1].copy(), pa.int32()), sizes, array, mask=mask)


@settings(max_examples=150)
@given(
    st.lists(TEXT, min_size=1, max_size=12),
    st.sampled_from(sorted(SCALARS)),
    st.sampled_from(["none", "list", "large", "fixed", "view", "struct", "struct of lists"]),
    st.integers(0, 5),
    st.integers(0, 99),
)
def test_decoded_values_are_the_values(values, scalar, nested, start, seed) -> None:
    random = np.random.default_rng(seed)
    array = SCALARS[scalar](pa.array(values, pa.string()))
    if nested.startswith("struct"):
        array = lists(array, "list", random) if nested == "struct of lists" else array
        mask = pa.array(random.random(len(array)) < 0.3)
        array = pa.StructArray.from_arrays([array, pa.array(np.arange(len(array)))], ["a", "b"], mask=mask)
    elif nested != "none":
        array = lists(array, nested, random)
    array = array.slice(start)
    found = decoded(array)
    found.validate(full=True)
    assert found.type == natural_type(array.type) == natural_type(found.type)
    assert found.to_pylist() == array.to_pylist()
    source = blocks.data.read(pa.table({"x": array}))
    assert source.to_table()["x"].to_pylist() == array.to_pylist()
    assert source.fingerprint() == blocks.data.read(pa.table({"x": found})).fingerprint()


def test_maps_and_bytes_of_one_length() -> None:
    kind = pa.map_(pa.string(), pa.dictionary(pa.int32(), pa.string()))
    array = pa.array([[("a", "x")], None, [], [("b", "y"), ("c", None)]], kind)
    for part in (array, array.slice(2)):
        assert decoded(part).to_pylist() == part.to_pylist()
    fixed = pa.array([b"ab", None, b"\xff\xff"], pa.binary(2))
    assert decoded(fixed).equals(fixed.cast(pa.binary()))
    assert to_raw(runs(pa.array(["a", None])), RawColumn("string")).tolist() == ["a", ""]


ROWS = 60
ENCODED = {
    "fixed binary": lambda: pa.table({"x": pa.array([bytes([65 + i % 2]) * 16 for i in range(ROWS)], pa.binary(16))}),
    "runs": lambda: pa.table({"x": runs(pa.array(["a", "b"] * (ROWS // 2)))}),
    "Polars categories": lambda: pl.DataFrame({"x": pl.Series(["a", "b"] * (ROWS // 2), dtype=pl.Categorical)}),
    "Polars enumeration": lambda: pl.DataFrame({"x": pl.Series(["a", "b"] * (ROWS // 2), dtype=pl.Enum(["b", "a"]))}),
    "Polars lists of categories": lambda: pl.DataFrame(
        {"x": pl.Series([["a"], ["b"]] * (ROWS // 2), dtype=pl.List(pl.Categorical))}
    ),
    "lists alone": lambda: {"x": pa.array([["a"], ["b"]] * (ROWS // 2))},
    "list views": lambda: {"x": pa.array([["a"], ["b"]] * (ROWS // 2), pa.list_view(pa.string()))},
}


@pytest.mark.parametrize("kind", ENCODED)
def test_the_whole_road_on_its_own(kind) -> None:
    """A column of each encoding, alone, with the choice left to infer: a feature that tells its two values apart."""
    columns = preprocessors.Columns.infer(blocks.data.read(ENCODED[kind]()))
    table = blocks.data.read(ENCODED[kind]()).to_table().append_column("y", pa.array(["u", "v"] * (ROWS // 2)))
    model = blocks.Model(columns, feature_extractors.MLP([4]), classifiers.Softmax("y"), seed=0)
    model.adapt(table)
    features = model.transform(table.slice(0, 2).combine_chunks().to_batches()[0])
    assert any((np.asarray(entry)[0] != np.asarray(entry)[1]).any() for entry in features.values())
    served = model.predict(blocks.data.read(ENCODED[kind]()))["probabilities"]
    np.testing.assert_array_equal(served, model.predict(table.select(["x"]))["probabilities"])


def test_polars_objects_are_refused_by_name_and_the_advice_is_right() -> None:
    objects = pl.Series("o", [("k", 1), ("k", 1), ("l", 2)], dtype=pl.Object)
    frame = pl.DataFrame({"n": [1, 2, 3], "o": objects})
    for data in (frame, frame.lazy(), {"o": objects}):
        with pytest.raises(InvalidArgument, match=r"Column 'o' is of Polars' type Object.*with_columns"):
            blocks.data.read(data)
    with pytest.raises(InvalidArgument, match=r"Column 'o' is of Polars' type Object"):
        to_arrow(objects, "o")
    text = frame.with_columns(pl.Series("o", map(str, frame["o"])))
    assert blocks.data.read(text).to_table()["o"].to_pylist() == ["('k', 1)", "('k', 1)", "('l', 2)"]
    assert blocks.data.read(frame.drop("o")).count() == 3


def test_a_frame_that_arrow_does_not_take_is_refused_by_column() -> None:
    with pytest.raises(InvalidArgument, match=r"Column 'wide' of DataFrame cannot become Arrow"):
        blocks.data.read(pl.DataFrame({"n": [1], "wide": pl.Series([1], dtype=pl.Int128)}))


def test_values_that_nothing_computes_with_are_carried_along() -> None:
    union = pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["a"])]
    )
    table = pa.table({"n": [1, 2], "u": union, "i": pa.array([pa.MonthDayNano([1, 2, 3]), None])})
    source = blocks.data.read(table)
    assert source.fingerprint() == blocks.data.read(table).fingerprint()
    assert source.fingerprint() != blocks.data.read(table.slice(0, 1)).fingerprint()
    for column in ("u", "i"):
        with pytest.raises(SchemaMismatch, match=rf"A key is one value a row.*Received: '{column}' of type"):
            source.split(a=0.5, b=0.5, key=column)
    assert sum(part.count() for part in source.split(a=0.5, b=0.5, key="n").values()) == 2
