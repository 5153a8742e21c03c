"""Cross against tuples in Python."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.preprocessors.categorical.cross import Cross

TEXT = st.text(st.sampled_from("ab:1\x00é"), max_size=3)
MISSING = np.iinfo(np.int64).min


def key(one, number):
    return b"%d:%b%d:%d" % (len(one.encode()), one.encode(), len(str(number)), number)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_two_combinations_share_a_key(pairs):
    keys = Cross(2, missing="all").observed(tuple(tf.constant(column) for column in zip(*pairs, strict=True))).numpy()
    assert len(set(keys.tolist())) == len(set(pairs))
    assert [not value for value in keys] == [pair == ("", "") for pair in pairs]


@given(st.lists(st.tuples(st.sampled_from(["", "a", "ab"]), st.sampled_from([MISSING, -1, 12])), min_size=1))
@settings(max_examples=30, deadline=None)
def test_learned_ids_stand_by_falling_count(learned, pairs):
    one, other = (list(column) for column in zip(*pairs, strict=True))
    block = learned(Cross(), one, pa.array([None if value == MISSING else value for value in other], pa.int64()))
    counts = Counter(key(*pair) for pair in pairs if pair[0] and pair[1] != MISSING)
    assert block.tokens == sorted(counts, key=lambda token: (-counts[token], token))
    ids = block((np.array([*one, "new"], object), np.array([*other, 1]))).numpy()
    places = {token: 2 + place for place, token in enumerate(block.tokens)}
    assert ids.tolist() == [*(places.get(key(*pair), 0) for pair in pairs), 1]


def test_missing_parts():
    raw = tf.constant(["a", "", ""]), tf.constant(["b", "b", ""])
    assert (Cross(1000)(raw).numpy() > 0).tolist() == [True, False, False]
    assert (Cross(1000, missing="all")(raw).numpy() > 0).tolist() == [True, True, False]


def test_hashed_keys_are_those_of_the_joined_text():
    ids = Cross(1000)((tf.constant(["ab"]), tf.constant(["c"]))).numpy()
    assert ids.tolist() == (1 + tf.strings.to_hash_bucket_fast(["2:ab1:c"], 1000).numpy()).tolist()


def test_every_way_of_calling_gives_the_same_bits(learned, same_bits, torture, invalid):
    one = ([value.encode() for value in torture] + invalid) * 55
    other = [7, -1, MISSING, 1 << 50, 3][: len(one)] * (len(one) // 5 + 1)
    same_bits(Cross(50), one, np.array(other[: len(one)]))
    block = learned(Cross(top_k=40), pa.array(one, pa.binary()), pa.array(other[: len(one)]))
    ids = same_bits(block, one, np.array(other[: len(one)]))
    assert ids.max() < block.cardinality == 42


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match="a tuple of two columns or more"):
        Cross(10)(np.array(["a"], object))
    with pytest.raises(InvalidArgument, match="num_buckets, or the limits of a learned vocabulary"):
        Cross(10, min_count=2)
    with pytest.raises(InvalidArgument, match="missing is one of 'any', 'all'"):
        Cross(missing="none")
    with pytest.raises(SchemaMismatch, match=r"Cross takes strings or integers. Received: column 'b' of type double"):
        Columns({("a", "b"): Cross()}).bind(pa.schema([("a", pa.string()), ("b", pa.float64())]))


def test_adult_census_offline_and_in_the_graph(real):
    source = blocks.read(real("adult_census/adult_train.csv")).select(["workclass", "occupation", "age"])
    columns = Columns({("workclass", "occupation"): Cross(min_count=5), ("workclass", "age"): Cross(99)})
    adapt(columns, None, source, verbose=False)
    chunk = next(iter(source.chunks(2000)))
    features = Transform(columns)(chunk)["categorical"]
    pairs = list(zip(chunk.column("workclass").to_pylist(), chunk.column("occupation").to_pylist(), strict=True))
    assert (features[:, 0] == 0).tolist() == [not (one and other) for one, other in pairs]
    ids = {}
    for pair, found in zip(pairs, features[:, 0].tolist(), strict=True):
        assert ids.setdefault(pair, found) == found
    rare = [found for found in ids.values() if found > 1]
    assert len(rare) == len(set(rare)) > 50
