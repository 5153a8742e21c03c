"""Stores of sparse rows, in every format: the same rows, batches, positions, checks and bytes as dense ones."""

import itertools
import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from blocks.errors import CorruptShard, InvalidArgument, SchemaMismatch
from blocks.features.sparse import Sparse
from blocks.store import Rows, SplitPlan, open_store, write

ROWS, COLUMNS = 500, 40
RANDOM = np.random.default_rng(0)
DENSE = np.where(RANDOM.random((ROWS, COLUMNS)) < 0.1, RANDOM.normal(size=(ROWS, COLUMNS)), 0).astype("f4")
DENSE[:70] = 0  # a chunk of nothing, and one long row
DENSE[300] = 1.0
NAMES = {"features/text": [f"t/{i}" for i in range(COLUMNS)]}


def plan(end=ROWS, chunk=97):
    def chunks(skip):
        for start in range(skip, end, chunk):
            stop = min(end, start + chunk)
            i = np.arange(start, stop)
            yield Rows(
                {"numeric": i[:, None].astype("f4"), "text": Sparse.from_dense(DENSE[start:stop])},
                target=i.astype("i4"),
                keys={"id": i.astype("S")},
            )

    return SplitPlan(chunks, end)


def make(path, kind, plans=None, **options):
    options = {"rows_per_chunk": 32, "rows_per_shard": 160, "columns": NAMES, "verbose": 0} | kind | options
    return write(path, plans or {"train": plan()}, fingerprint={}, **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory, kind):
    return make(tmp_path_factory.mktemp("sparse") / "store", kind)


def dense(pairs):
    return Sparse.from_pairs(np.asarray(pairs), COLUMNS).dense()


def test_rows_come_back_and_are_small(store):
    assert store.check() == []
    rows = store["train"].read()
    np.testing.assert_array_equal(rows.features["text"].dense(), DENSE)
    np.testing.assert_array_equal(rows.target, np.arange(ROWS))
    entry = next(entry for entry in store["train"].entries if entry.name == "features/text")
    assert entry.sparse
    assert entry.columns == tuple(NAMES["features/text"])
    # 8 bytes a value and 4 a row, beside a number and a target
    mean = 8 * np.count_nonzero(DENSE) / ROWS
    assert mean + 12 <= store["train"].row_bytes <= mean + 13
    content = json.loads((store.path / "manifest.json").read_text())
    jsonschema.validate(content, json.loads(files("blocks.store").joinpath("manifest.schema.json").read_text()))
    alone = store["train"].read(["features/text"])
    np.testing.assert_array_equal(alone.features["text"].dense(), DENSE)


@pytest.mark.parametrize(("size", "window"), [(7, 1), (64, 3), (ROWS, None)])
def test_batches_are_the_rows_and_the_dataset_gives_the_same(store, size, window):
    stream = store["train"].stream(size, seed=3, window=window)
    batches = list(stream)
    assert len(batches) == len(stream)
    for features, target in batches:
        np.testing.assert_array_equal(dense(features["text"]), DENSE[target])
        np.testing.assert_array_equal(features["numeric"][:, 0], target)
    assert sorted(np.concatenate([target for _, target in batches])) == list(range(ROWS))
    made = list(store["train"].stream(size, seed=3, window=window).dataset())
    assert len(made) == len(batches)
    for (ours, target), (theirs, other) in zip(batches, made, strict=True):
        np.testing.assert_array_equal(ours["text"], theirs["text"])
        np.testing.assert_array_equal(target, other)


def test_positions_epochs_and_workers(store):
    def targets(batches):
        return [np.asarray(target).tolist() for _, target in batches]

    split = store["train"]
    stream = split.stream(64, seed=1, window=2)
    batches = iter(stream)
    next(batches), next(batches)
    position = json.loads(json.dumps(stream.position()))
    rest = targets(batches)
    assert targets(split.stream(64, seed=1, window=2, position=position)) == rest
    goes_on = split.stream(64, seed=1, window=2, position=position).dataset()
    assert targets(goes_on) == rest
    # the next iteration is the next epoch, whole
    following = targets(split.stream(64, seed=1, window=2, epoch=1))
    assert targets(goes_on) == following
    endless = split.stream(64, seed=1, window=2, repeat=True, drop_remainder=True).dataset()
    whole = len(split.stream(64, drop_remainder=True))
    both = targets(endless.take(2 * whole))
    assert both[whole:] == following[:whole]
    assert all(len(batch) == 64 for batch in both)
    parts = [batch for worker in range(3) for batch in targets(split.shard(worker, 3).stream(50))]
    assert sorted(itertools.chain(*parts)) == list(range(ROWS))


def test_interrupted_writing_resumes_to_the_same_bytes(tmp_path, small, kind):
    def breaking(skip):
        for rows in plan().chunks(skip):
            if rows.target[0] >= 291:
                raise KeyboardInterrupt
            yield rows

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "store", kind, {"train": SplitPlan(breaking)}, workers=1)
    assert not (tmp_path / "store" / "manifest.json").exists()
    make(tmp_path / "store", kind)
    make(tmp_path / "other", kind, {"train": plan(chunk=60)})
    assert small.digests(tmp_path / "store") == small.digests(tmp_path / "other")
    assert make(tmp_path / "store", kind).reused


def test_every_flipped_part_is_found_and_repaired(tmp_path, kind):
    store = make(tmp_path / "store", kind)
    shard = store.manifest.splits["train"][1]
    path = store.path / shard.file
    whole = path.read_bytes()
    # keys are no part of a batch
    read = [offsets for name, offsets in shard.offsets.items() if name != "keys/id"]
    places = list(itertools.chain(*read)) or [len(whole) // 2]
    for place in places[:12]:
        damaged = bytearray(whole)
        damaged[min(place + 20, len(whole) - 1)] ^= 4
        path.write_bytes(damaged)
        assert store.check() != []
        if kind.get("compression") is None:
            with pytest.raises(CorruptShard, match=shard.file):
                list(open_store(store.path)["train"].stream(64))
    assert store.repair(plan(), planner=lambda given, keys: given) == [shard.file]
    assert path.read_bytes() == whole
    assert store.check() == []


def test_rows_that_do_not_fit_are_refused(tmp_path):
    def rows(values):
        return {"train": SplitPlan(lambda skip: iter([Rows({"text": part}) for part in values]))}

    good, ones = Sparse.from_dense(DENSE[70:80]), np.ones(1, "f4")
    for index, offsets in ((COLUMNS, [0, 1]), (-1, [0, 1]), (0, [0, 2])):
        bad = Sparse(ones, np.array([index], "i4"), np.array(offsets), COLUMNS)
        with pytest.raises(InvalidArgument, match="values, indices and offsets do not fit"):
            write(tmp_path / "bad", rows([bad]), fingerprint={}, verbose=0)
    with pytest.raises(InvalidArgument, match="fewer than 16,777,216 columns"):
        write(tmp_path / "wide", rows([Sparse.empty(1 << 24), Sparse(ones, np.zeros(1, "i4"), np.arange(2), 1 << 24)]),
              fingerprint={}, verbose=0)  # fmt: skip
    for other in (good.dense(), Sparse.from_dense(DENSE[:5, :7])):
        with pytest.raises(SchemaMismatch, match=r"'features/text' should be .*sparse"):
            write(tmp_path / "mixed", rows([good, other]), fingerprint={}, verbose=0)


def test_dense_stores_say_nothing_of_sparse_ones(stored):
    assert "sparse" not in (stored.path / "manifest.json").read_text()
