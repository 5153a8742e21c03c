"""Boolean against a dictionary in Python."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument
from blocks.preprocessors.categorical.boolean import Boolean

YES, NO = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")
SPACE = " \t\n\v\f\r"


def expected(text, exact=False):
    key = text if exact else "".join(c.lower() if c.isascii() else c for c in text).strip(SPACE)
    return 1.0 if key in YES else 0.0 if key in NO else 7.0 if not key else 9.0


@given(
    st.lists(
        st.one_of(
            st.text(st.characters(codec="utf-8"), max_size=4),
            st.builds(
                lambda word, upper, before, after: before + (word.upper() if upper else word) + after,
                st.sampled_from(YES + NO),
                st.booleans(),
                st.text(SPACE, max_size=2),
                st.text(SPACE, max_size=2),
            ),
        ),
        min_size=1,
    )
)
@settings(max_examples=80, deadline=None)
def test_text(values):
    for exact in (False, True):
        found = Boolean(missing=7, unseen=9, exact=exact)(tf.constant(values)).numpy()
        assert found.tolist() == [expected(value, exact) for value in values]


@given(st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(allow_subnormal=False)), min_size=1))
@settings(max_examples=40, deadline=None)
def test_numbers(values):
    found = Boolean(true=[2, "x"], false=[-1, 0], missing=7, unseen=9)(np.array(values)).numpy()
    assert found.tolist() == [7 if v != v else 1 if v == 2 else 0 if v in (-1, 0) else 9 for v in values]


def test_booleans_and_declared_integers_in_text():
    block = Boolean()
    np.testing.assert_array_equal(block(np.array([True, False])), [1.0, 0.0])
    np.testing.assert_array_equal(Boolean(true=[2], false=[1])(np.array(["2", "1", "1.0"], object)), [1, 0, np.nan])
    assert block.raw_column(pa.bool_(), "x") == RawColumn("float64")


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    same_bits(Boolean(unseen=0.5), ([value.encode() for value in torture] + invalid + [b"Yes", b"no"]) * 60)
    same_bits(Boolean(missing=0.5, unseen=0.1), [0.0, 1.0, np.nan, -0.0, np.inf] * 210)


def test_errors_say_the_rule():
    for arguments, message in [
        ({"true": ["yes"], "false": ["YES "]}, "true or false, not both"),
        ({"true": ["1"], "false": [1]}, "true or false, not both"),
        ({"true": []}, "a list of one value at least"),
        ({"true": "yes"}, "a list of one value at least"),
        ({"false": [0.5]}, "strings and integers"),
        ({"false": [" "]}, "strings and integers"),
        ({"missing": "drop"}, "missing is 'keep' or a finite number"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Boolean(**arguments)


def test_titanic(real, learned, same_bits):
    table = blocks.read(real("titanic/titanic.csv")).to_table()
    alive = learned(Boolean(), table["alive"])
    assert same_bits(alive, table["alive"].to_pylist()).tolist() == table["survived"].to_pylist()
    alone = table["alone"].combine_chunks().cast(pa.string())
    assert Boolean()(tf.constant(alone.to_pylist())).numpy().tolist() == [float(x == "true") for x in alone.to_pylist()]
