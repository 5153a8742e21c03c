"""Stores, splits and streams in other processes: pickled by their path, with their position; refused when changed."""

import multiprocessing
import operator
import pickle

import numpy as np
import pytest

from blocks.errors import CorruptShard, StoreMismatch
from blocks.files.place import Remote
from blocks.store import open_store


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for (features, *rest), (others, *more) in zip(ours, theirs, strict=True):
        assert features.keys() == others.keys()
        for one, other in zip([*features.values(), *rest], [*others.values(), *more], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_spawned_process_reads_the_same(stored):
    split = stored["train"].shard(1, 2)
    stream = split.stream(batch_size=32, seed=3, window=2)
    iterator = iter(stream)
    begun = [next(iterator) for _ in range(5)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        rest = pool.apply(list, (stream,))
        rows = pool.apply(operator.attrgetter("rows"), (stored,))
        read = pool.apply(operator.methodcaller("read"), (split,))
    assert rows == stored.rows
    same([tuple(read.features for _ in range(1))], [tuple(split.read().features for _ in range(1))])
    same(begun + rest, list(split.stream(batch_size=32, seed=3, window=2)))
    same(rest, list(iterator))


@pytest.mark.parametrize("options", [{"shuffle": False}, {"drop_remainder": True}, {"epoch": 4, "threads": 1}])
def test_a_stream_keeps_its_arguments_and_position(small, tmp_path, options):
    stream = small.make(tmp_path / "s")["train"].stream(64, **options)
    next(iter(stream))
    again = pickle.loads(pickle.dumps(stream))
    assert again.position() == stream.position()
    assert repr(again) == repr(stream)
    same(list(again), list(stream))


def test_what_is_pickled_is_small_and_holds_no_row(small, tmp_path):
    store = small.make(tmp_path / "s")
    assert len(pickle.dumps(store["train"].stream(64))) < 1000
    assert pickle.loads(pickle.dumps(store)).manifest == store.manifest


def test_another_store_in_its_place_is_refused(small, tmp_path):
    store = small.make(tmp_path / "s")
    pickled = [pickle.dumps(one) for one in (store, store["train"], store["train"].stream())]
    small.make(tmp_path / "s", fingerprint={"source": 2}, overwrite=True)
    for one in pickled:
        with pytest.raises(StoreMismatch, match=r"was written again since\. Open it anew: blocks\.open_store"):
            pickle.loads(one)
    assert open_store(tmp_path / "s").rows == store.rows
    next((tmp_path / "s").glob("train-*")).unlink()
    with pytest.raises(CorruptShard, match="cannot be found"):
        pickle.loads(pickle.dumps(store))


def test_behind_a_url(small):
    pytest.importorskip("tensorflow")
    store = small.make(Remote("ram://pickled/store"), "tfrecord", count=90)
    again = pickle.loads(pickle.dumps(store["train"].stream(32, seed=1)))
    same(list(again), list(store["train"].stream(32, seed=1)))
