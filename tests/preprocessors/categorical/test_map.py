"""Map against Python's dict."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.preprocessors import Columns, Standardize, Vocabulary
from blocks.preprocessors.categorical.map import Map

TEXT = st.text(st.characters(codec="utf-8"), max_size=3)
KEYS = TEXT.filter(bool)


@given(st.dictionaries(KEYS, TEXT, min_size=1, max_size=10), st.lists(TEXT, max_size=20))
@settings(max_examples=50, deadline=None)
def test_text_to_text(mapping, values):
    raw = [*mapping, *values, ""]
    for options, default in [({}, ""), ({"default": "else"}, "else"), ({"keep": True}, None)]:
        found = [value.decode() for value in Map(mapping, **options)(tf.constant(raw)).numpy()]
        assert found == [mapping.get(value, value if default is None else default) if value else "" for value in raw]


@given(
    st.dictionaries(
        st.integers(-(2**63) + 1, 2**63 - 1),
        st.floats(-(2.0**99), 2.0**99, allow_subnormal=False, width=32),
        min_size=1,
        max_size=10,
    )
)
@settings(max_examples=40, deadline=None)
def test_integers_to_numbers(mapping):
    block = Map(mapping, default=-1)
    unseen = next(n for n in range(100) if n not in mapping)
    found = block(np.array([*mapping, unseen, np.iinfo(np.int64).min])).numpy()
    np.testing.assert_array_equal(found, np.float32([*mapping.values(), -1, np.nan]))


def test_configuration_keeps_the_types_of_keys():
    block = Map({1: "a", -(2**60): "b"}, default="c")
    twin = Map.from_config(block.get_config())
    raw = np.array([1, -(2**60), 5])
    assert twin(raw).numpy().tolist() == block(raw).numpy().tolist() == [b"a", b"b", b"c"]
    assert block.get_config()["mapping"] == [[1, "a"], [-(2**60), "b"]]


def test_in_chains():
    table = pa.table({"grade": ["A", "B", None, "A", "?"], "city": ["NYC", "Oslo", "New York", None, "NYC"]})
    columns = Columns(
        {
            "grade": [Map({"A": 4, "B": 3}), Standardize()],
            "city": [Map({"NYC": "New York"}, keep=True), Vocabulary()],
        }
    )
    adapt(columns, None, blocks.read(table), verbose=False)
    found = columns({"grade": tf.constant(["A", "B", ""]), "city": tf.constant(["NYC", "Oslo", ""])})
    np.testing.assert_allclose(found["numeric"].numpy()[:, 0], [0.70710677, -1.4142135, 0.0], rtol=1e-6)
    assert found["categorical"].numpy()[:, 0].tolist() == [2, 3, 0]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    tokens = [value.encode() for value in torture] + invalid
    keys = [token for token in torture if token]
    same_bits(Map(dict(zip(keys, keys[::-1], strict=True)), keep=True), tokens * 50)
    same_bits(Map(dict(zip(keys, range(len(keys)), strict=True))), tokens * 50)


def test_errors_say_the_rule():
    for arguments, message in [
        (({},), "one entry at least"),
        (({"a": "b", "c": 1},), "leads to strings, or to numbers"),
        (({"a": float("nan")},), "leads to strings, or to numbers"),
        (({"a": 1, 2: 3},), "a list of strings or of integers"),
        (({"": 1},), "no missing one"),
        (([("a", 1), ("a", 2)],), "every token once"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Map(*arguments)
    with pytest.raises(InvalidArgument, match="default is a string"):
        Map({"a": "b"}, default=1)
    with pytest.raises(InvalidArgument, match="default is a number"):
        Map({"a": 1}, default="b")
    with pytest.raises(InvalidArgument, match="from strings to strings, without a default"):
        Map({1: "b"}, keep=True)
    with pytest.raises(InvalidArgument, match=r"numbers or ids. Received for 'x': Map"):
        Columns({"x": Map({"a": "b"})}, raw={"x": "string"}).spec  # noqa: B018
    with pytest.raises(SchemaMismatch, match=r"was adapted on integers. Received: string"):
        Map({1: 2})(np.array(["1"], object))


def test_titanic(real):
    raw = blocks.read(real("titanic/titanic.csv")).to_table()["embarked"].to_pylist()
    towns = {"S": "Southampton", "C": "Cherbourg", "Q": "Queenstown"}
    found = Map(towns)(tf.constant([value or "" for value in raw])).numpy()
    assert [value.decode() for value in found] == [towns.get(value, "") for value in raw]
