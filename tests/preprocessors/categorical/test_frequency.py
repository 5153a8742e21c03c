"""Frequency against a count in Python."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import EmptySource, InvalidArgument
from blocks.preprocessors.categorical.frequency import Frequency

VALUES = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "é", "\x00", "new\nline"])), min_size=1, max_size=50)


@given(VALUES.filter(any), st.sampled_from(["relative", "count", "log"]))
@settings(max_examples=60, deadline=None)
def test_counts(values, mode):
    block = Frequency(mode, missing=-1).adapt(pa.array(values, pa.string()))
    counts = Counter(value for value in values if value)
    total = sum(counts.values())
    number = {"relative": lambda n: n / total, "count": float, "log": math.log1p}[mode]
    raw = [*(value or "" for value in values), "unseen"]
    expected = [-1.0 if not value else number(counts[value]) for value in raw]
    np.testing.assert_array_equal(block(tf.constant(raw)), np.float32(expected))


def test_rare_values_count_as_unseen():
    integers = [5, 5, 5, 2, 2, -9, None]
    block = Frequency("count", min_count=2, missing="keep").adapt(integers)
    np.testing.assert_array_equal(block(np.array([5, 2, -9, 0, np.iinfo(np.int64).min])), [3, 2, 0, 0, np.nan])
    assert Frequency(top_k=1).adapt(integers)(np.array([5, 2])).numpy().tolist() == [0.5, 0.0]
    assert Frequency(min_count=9).adapt(integers)(np.array([5, 2])).numpy().tolist() == [0.0, 0.0]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    tokens = [value.encode() for value in torture] + invalid
    block = Frequency("log").adapt(pa.array([token for n, token in enumerate(tokens) for _ in range(n)], pa.binary()))
    same_bits(block, [*tokens, b"unseen"] * 60)
    assert block.copy()(tf.constant(tokens)).numpy().tolist() == block(tf.constant(tokens)).numpy().tolist()


def test_errors_say_the_rule():
    with pytest.raises(EmptySource, match="Frequency learns from values"):
        Frequency().adapt(pa.array([None, ""], pa.string()))
    with pytest.raises(InvalidArgument, match="output_mode is one of 'relative', 'count', 'log'"):
        Frequency("share")
    with pytest.raises(InvalidArgument, match="top_k >= 1"):
        Frequency(top_k=0)


def test_birdstrikes(real, learned, same_bits):
    column = blocks.read(real("birdstrikes/birdstrikes.csv")).to_table()["Airport Name"]
    counts = column.value_counts().to_pylist()
    expected = {entry["values"]: entry["counts"] / len(column.drop_null()) for entry in counts}
    raw = [value or "" for value in column.to_pylist()]
    found = same_bits(learned(Frequency(), column), raw[:1200])
    np.testing.assert_array_equal(found, np.float32([expected[value] if value else 0.0 for value in raw[:1200]]))
