"""The stream: every row once, by the seed alone, from any position, evenly shuffled."""

import gc
import json
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, StoreMismatch
from blocks.store import open_store
from blocks.store.reading.order import Order


@pytest.fixture(scope="module")
def split(small, tmp_path_factory):
    return small.make(tmp_path_factory.mktemp("stream") / "s")["train"]


def targets(stream) -> list[list[int]]:
    return [batch[1].tolist() for batch in stream]


def test_every_row_once_with_its_own_values(small, stored):
    for features, target, weight in stored["train"].stream(64, window=3, seed=5):
        expected = small.rows_between(0, 1000)
        np.testing.assert_array_equal(features["numeric"], expected.features["numeric"][target])
        np.testing.assert_array_equal(features["categorical"], expected.features["categorical"][target])
        np.testing.assert_array_equal(weight, expected.weight[target])
    rows = np.concatenate([batch[1] for batch in stored["train"].stream(64, window=3, seed=5)])
    np.testing.assert_array_equal(np.sort(rows), np.arange(1000))
    assert rows.tolist() != list(range(1000))


def test_without_shuffle_the_source_order(stored):
    assert np.concatenate(targets(stored["train"].stream(70, shuffle=False))).tolist() == list(range(1000))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch_size=st.integers(1, 1200),
    window=st.integers(1, 30),
    seed=st.integers(0, 2**70),
    shuffle=st.booleans(),
    drop_remainder=st.booleans(),
    data=st.data(),
)
def test_resumes_with_the_batches_not_yet_seen(split, batch_size, window, seed, shuffle, drop_remainder, data):
    arguments = {"window": window, "drop_remainder": drop_remainder}
    whole = split.stream(batch_size, shuffle, seed, **arguments)
    batches, places = [], [whole.position()]
    for batch in whole:
        batches.append(batch[1].tolist())
        places.append(whole.position())
    assert len(batches) == len(whole)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    following = targets(whole)
    at = data.draw(st.integers(0, len(batches)))
    resumed = split.stream(batch_size, shuffle, seed, position=json.loads(json.dumps(places[at])), **arguments)
    assert targets(resumed) == batches[at:]
    assert targets(resumed) == following
    assert (following == batches) == (not shuffle or not batches)


def test_positions_at_every_batch_over_epochs(split):
    stream = split.stream(90, window=4, repeat=True)
    iterator = iter(stream)
    batches = []
    places = []
    for _ in range(30):
        places.append(stream.position())
        batches.append(next(iterator)[1].tolist())
    for at, place in enumerate(places):
        resumed = iter(split.stream(90, window=4, repeat=True, position=place))
        assert [next(resumed)[1].tolist() for _ in range(at, min(at + 14, 30))] == batches[at : at + 14]


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_threads_change_nothing(split, threads):
    assert targets(split.stream(33, window=2, threads=threads)) == targets(split.stream(33, window=2))


def test_epochs_and_seeds_differ(split):
    orders = {str(targets(split.stream(50, seed=seed, epoch=epoch))) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_workers_share_the_rows(split):
    parts = [np.concatenate(targets(split.shard(i, 3).stream(40))) for i in range(3)]
    assert [split.shard(i, 3).rows for i in range(3)] == [len(part) for part in parts]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    more = split.shard(40, 41)
    for arguments in ({}, {"repeat": True}, {"repeat": True, "drop_remainder": True}):
        assert targets(more.stream(40, **arguments)) == []
        assert list(more.stream(40, **arguments).dataset()) == []
    assert list(split.stream(2000, repeat=True, drop_remainder=True).dataset()) == []


def test_workers_of_a_worker_share_its_rows(split):
    parts = [np.concatenate(targets(split.shard(1, 3).shard(i, 2).stream(40))) for i in range(2)]
    assert sorted(np.concatenate(parts)) == sorted(np.concatenate(targets(split.shard(1, 3).stream(40))))


def test_kept_batches_are_never_overwritten(split):
    kept = [(batch[1], batch[1].copy()) for epoch in range(3) for batch in split.stream(64, window=1, epoch=epoch)]
    stream = split.stream(16, window=1)
    kept += [(batch[1], batch[1].copy()) for _ in range(5) for batch in stream]
    assert all(np.array_equal(now, then) for now, then in kept)
    assert all(batch.flags.writeable for batch, _ in kept)


def reading() -> int:
    return sum(thread.name.startswith("blocks-store-read") for thread in threading.enumerate())


def test_threads_end_with_the_iterator(split):
    iterator = iter(split.stream(10, window=1))
    next(iterator)
    assert reading()
    del iterator
    gc.collect()
    assert not reading()


def test_positions_that_do_not_fit(small, split, tmp_path):
    place = split.stream(64).position()
    with pytest.raises(InvalidArgument, match=r"batch_size=64 \(here 65\)"):
        split.stream(65, position=place)
    with pytest.raises(InvalidArgument, match="seed=0"):
        split.stream(64, seed=1, position=place)
    with pytest.raises(InvalidArgument, match=r"must be what Stream.position\(\) returned"):
        split.stream(64, position={"epoch": 0})
    other = small.make(tmp_path / "s", count=999)["train"]
    with pytest.raises(StoreMismatch, match="fits only the store"):
        other.stream(64, position=place)


@pytest.mark.parametrize(
    "bad",
    [
        {"batch_size": 0},
        {"batch_size": 32.0},
        {"seed": -1},
        {"seed": None},
        {"window": 0},
        {"window": "2"},
        {"threads": 0},
        {"epoch": -1},
    ],
)
def test_bad_arguments(split, bad):
    with pytest.raises(InvalidArgument, match=f"{next(iter(bad))} must be a whole number, at least"):
        split.stream(**bad)


def test_a_stream_says_what_it_is(split):
    told = repr(split.stream(64, seed=3, window=2, epoch=1))
    assert told.startswith("Stream(split='train', batch_size=64, shuffle=True, seed=3, window=2,")
    assert told.endswith("epoch=1, batch=0)")


def test_numbers_of_numpy_are_numbers(split):
    stream = split.stream(np.int64(64), seed=np.uint8(3), window=np.int32(2), shuffle=np.True_)
    place = json.loads(json.dumps(stream.position()))
    assert targets(split.stream(64, seed=3, window=2, position=place)) == targets(stream)


def test_names_that_are_not_there(split, stored):
    with pytest.raises(InvalidArgument, match="has the splits"):
        stored["tests"]
    with pytest.raises(InvalidArgument, match="0 <= index < count"):
        split.shard(3, 3)
    for entries in (["features/other"], "target"):
        with pytest.raises(InvalidArgument, match="entries must be of"):
            next(split.chunks(entries))


def test_a_process_ends_while_a_dataset_is_being_read(split):
    """A quarter of such processes hung: a thread of TensorFlow waited for the interpreter's lock for ever."""
    code = """
import sys
from blocks.store import open_store
made = open_store(sys.argv[1])["train"].stream(4, window=1, repeat=True).dataset().prefetch(16)
iterator = iter(made)
next(iterator)
"""
    for _ in range(5):
        subprocess.run([sys.executable, "-c", code, str(split._store.path)], check=True, timeout=60)


def test_every_row_is_as_likely_anywhere_in_a_window():
    """Pearson's chi-square of 6 rows over 6 places in 6,000 shuffles, and of the 720 orders over 72,000."""
    order = Order([2, 2, 2], shuffle=True, seed=3, window=3, shard=(0, 1))
    orders = np.empty((72_000, 6), np.int64)
    for epoch in range(len(orders)):
        chunks = order.windows(epoch)[0]
        rows = (2 * chunks[:, None] + np.arange(2)).ravel()
        orders[epoch] = rows[order.permutation(epoch, 0, 6)]
    places = np.stack([np.bincount(orders[:6000, place], minlength=6) for place in range(6)])
    # 25 degrees of freedom: 52.6 is the 0.999 quantile; 719: 843.
    assert ((places - 1000) ** 2 / 1000).sum() < 52.6
    _, counts = np.unique(orders @ 6 ** np.arange(6), return_counts=True)
    assert len(counts) == 720
    assert ((counts - 100) ** 2 / 100).sum() < 843


def test_dataset_gives_the_same_batches(stored):
    arguments = {"batch_size": 64, "window": 3, "seed": 2}
    place = stored["train"].stream(**arguments)
    iterator = iter(place)
    for _ in range(7):
        next(iterator)
    for more in ({}, {"position": place.position()}):
        expected = list(stored["train"].stream(**arguments, **more))
        found = list(stored["train"].stream(**arguments, **more).dataset())
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours[0].keys() == theirs[0].keys()
            np.testing.assert_array_equal(ours[0]["numeric"].numpy(), theirs[0]["numeric"])
            np.testing.assert_array_equal(ours[0]["categorical"].numpy(), theirs[0]["categorical"])
            np.testing.assert_array_equal(ours[1].numpy(), theirs[1])
            np.testing.assert_array_equal(ours[2].numpy(), theirs[2])


def test_dataset_over_epochs_and_its_shapes(split):
    stream = split.stream(64, window=5, repeat=True, drop_remainder=True)
    dataset = stream.dataset()
    spec = dataset.element_spec
    assert spec[0]["numeric"].shape == (64, 3)
    assert spec[1].shape == (64,)
    found = [batch[1].numpy().tolist() for batch in dataset.take(40)]
    iterator = iter(stream)
    assert found == [next(iterator)[1].tolist() for _ in range(40)]
    assert split.stream(64).dataset().element_spec[0]["numeric"].shape.as_list() == [None, 3]
    assert [split.stream(64, drop_remainder=drop).dataset().cardinality().numpy() for drop in (False, True)] == [16, 15]


def test_iterations_of_one_dataset_side_by_side(split):
    """Each has an epoch of its own, and windows that are asked for in turns end what was read ahead."""
    made = split.stream(64, window=2).dataset()
    found = [[one[1].numpy().tolist(), other[1].numpy().tolist()] for one, other in zip(made, made, strict=True)]
    epochs = [targets(split.stream(64, window=2, epoch=epoch)) for epoch in range(2)]
    assert sorted(map(list, zip(*found, strict=True))) == sorted(epochs)


def test_an_iteration_that_is_given_up_costs_its_epoch_alone(split):
    stream = split.stream(64, window=1)
    next(iter(stream))
    place = stream.position()
    made = split.stream(64, window=1, position=place).dataset()
    for _ in range(3):
        next(iter(made))
        assert reading() <= 2
    found = [batch[1].numpy().tolist() for batch in made]
    assert found == targets(split.stream(64, window=1, epoch=3))
    assert [batch[1].numpy().tolist() for batch in split.stream(64, window=1, position=place).dataset()] == targets(
        split.stream(64, window=1, position=place)
    )


def test_a_dataset_that_is_gone_keeps_nothing(split):
    stream = split.stream(64)
    made = stream.dataset().prefetch(2)
    assert sum(1 for _ in made) == 16
    loader = weakref.ref(stream._loader)
    del stream
    gc.collect()
    assert loader() is not None
    assert sum(1 for _ in made) == 16
    next(iter(made))
    del made
    gc.collect()
    assert loader() is None
    assert not reading()


def test_memory_is_stated(small, split):
    assert split.stream(64, window=2, threads=1).memory_bytes == 3 * 2 * 40 * (12 + 4 + 4 + 4)
    assert open_store(split._store.path)["train"].rows == 1000
