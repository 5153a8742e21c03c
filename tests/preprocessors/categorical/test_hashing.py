"""Hashing against Keras' layer and values that were written down."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.categorical.hashing import Hashing

GOLDEN = [140403, 206659, 427644, 0, 475797, 196524]
SALTED = [36026, 569401, 659074, 0, 752173, 808304]


@given(st.lists(st.binary(max_size=9), min_size=1), st.integers(1, 2**31 - 2))
@settings(max_examples=50, deadline=None)
def test_buckets_are_those_of_keras(values, buckets):
    found = Hashing(buckets)(tf.constant(values)).numpy()
    theirs = keras.layers.Hashing(buckets, dtype="int64")(tf.constant(values)).numpy()
    assert found.tolist() == [0 if not value else 1 + int(bucket) for value, bucket in zip(values, theirs, strict=True)]


def test_a_value_has_its_bucket_for_ever():
    # FarmHash Fingerprint64 modulo a million, written down on TensorFlow 2.21.0
    raw = tf.constant(["rome", "oslo", "Zürich", "", "\x00", "x" * 10_000])
    assert Hashing(10**6)(raw).numpy().tolist() == GOLDEN
    assert Hashing(10**6, salt="ü")(raw).numpy().tolist() == SALTED
    assert (
        Hashing(10**6)(np.array([7, -1])).numpy().tolist() == Hashing(10**6)(tf.constant(["7", "-1"])).numpy().tolist()
    )


def test_salts_are_independent():
    raw = tf.constant([f"token {i}" for i in range(20_000)])
    one, other = (Hashing(100, salt=salt)(raw).numpy() for salt in ("a", "b"))
    assert abs(np.mean(one == other) - 0.01) < 0.003
    counts = np.bincount(one, minlength=101)[1:]
    assert counts.min() > 130
    assert counts.max() < 270


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    rows = same_bits(Hashing(97, salt="s"), ([value.encode() for value in torture] + invalid) * 60)
    assert rows.min() == 0
    assert rows.max() <= 97
    same_bits(Hashing(97), np.array([1, -5, 1 << 60, np.iinfo(np.int64).min] * 260))


def test_a_megabyte():
    assert Hashing(10)(tf.constant(["x" * 1_000_000])).shape == (1,)


def test_errors_say_the_rule():
    for buckets in (0, -1, 2**31, True, 1.5):
        with pytest.raises(InvalidArgument, match="num_buckets must be a whole number, from 1 to"):
            Hashing(buckets)
    with pytest.raises(InvalidArgument, match="salt is a string"):
        Hashing(3, salt=1)
    with pytest.raises(SchemaMismatch, match="takes strings or integers"):
        blocks.preprocessors.Columns({"x": Hashing(3)}).bind(blocks.read({"x": [0.5]}).schema)


def test_chipotle(real, same_bits):
    raw = [
        value or ""
        for value in blocks.read(real("chipotle_orders/chipotle.tsv"), delimiter="\t")
        .to_table()["choice_description"]
        .to_pylist()
    ]
    ids = same_bits(Hashing(1000), raw[:1100])
    assert ((ids == 0) == (np.array(raw[:1100]) == "")).all()
