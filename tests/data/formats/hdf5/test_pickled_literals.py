"""Pickles taken apart: plain values are those of the standard library; what would be called is not."""

import collections
import datetime
import os
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data.formats.hdf5.pickled_literals import Foreign, literal

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=40)
@given(PLAIN, st.integers(3, 5))
def test_plain_values_are_those_of_pickle(value, protocol):
    assert literal(pickle.dumps(value, protocol)) == value


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.tuples(v, v)))
def test_so_are_those_of_the_oldest_protocol(value):
    assert literal(pickle.dumps(value, 0)) == value


class Attack:
    def __reduce__(self):
        return os.system, ("echo attacked > attacked",)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_called(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    found = literal(pickle.dumps({"tz": Attack(), "day": datetime.date(2024, 1, 2)}, protocol))
    assert found["tz"].name.endswith(" system")
    assert found["tz"].arguments == ("echo attacked > attacked",)
    assert isinstance(found["day"], Foreign)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "pickled",
    [b"", b".", b"(", b"(lp0\n", b"a.", b"t.", b"g7\n.", b"NN.", b"Nothing at all.", b"S'a\n.", b"I1", b"]\x94N}a"],
)
def test_what_is_no_pickle_is_refused(pickled):
    with pytest.raises(ValueError, match=r"."):
        literal(pickled)


def test_objects_that_take_items_are_refused():
    with pytest.raises(ValueError, match="plain values"):
        literal(pickle.dumps(collections.OrderedDict(a=1), 2))
