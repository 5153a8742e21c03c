"""Stores of somebody else: a checksum that fits is no reason to believe. Everything wrong is told when it is opened.

BLOCKS_HOSTILE says how many manifests and files are changed at random; `make proof` asks for many.
"""

import copy
import json
import os
import random
import shutil
import zlib

import h5py
import numpy as np
import pytest

from blocks.errors import BlocksError, CorruptShard, StoreError, StoreMismatch
from blocks.files.lock import locked
from blocks.store import check, manifest, open_store
from blocks.store.checksum import file_sum, text_sum

TRIES = int(os.environ.get("BLOCKS_HOSTILE", "25"))


def content_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def sealed(folder, content):
    """Write a manifest whose checksum fits."""
    content = {**content, "checksum": ""}
    content["checksum"] = text_sum(manifest.canonical(content))
    (folder / "manifest.json").write_text(manifest.canonical(content))


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored.path, tmp_path / "s")


@pytest.fixture
def plain(small, tmp_path):
    return small.make(tmp_path / "s").path


def shards(content):
    return content["splits"]["train"]["shards"]


def first(change):
    def changed(content):
        change(shards(content)[0])

    return changed


CHANGES = {
    "a negative chunk": lambda c: c.update(rows_per_chunk=-250),
    "a chunk of 0 rows": lambda c: c.update(rows_per_chunk=0),
    "true rows": lambda c: c.update(rows_per_chunk=True),
    "a format": lambda c: c.update(format="../../evil"),
    "no format": lambda c: c.pop("format"),
    "more": lambda c: c.update(more=1),
    "a shard twice": lambda c: shards(c).insert(1, copy.deepcopy(shards(c)[0])),
    "all shards twice": lambda c: c["splits"]["train"].update(shards=shards(c) * 2),
    "a file outside": first(lambda s: s.update(file="../outside.h5")),
    "a device": first(lambda s: s.update(file="/dev/zero", bytes=0)),
    "an empty name": first(lambda s: s.update(file="")),
    "a NUL": first(lambda s: s.update(file="train-00000\0.h5")),
    "other rows": first(lambda s: s.update(rows=s["rows"] + 1)),
    "rows without end": first(lambda s: s.update(rows=10**18)),
    "huge shards": lambda c: c.update(rows_per_shard=10**18, rows_per_chunk=10**18),
    "a sum of rows": lambda c: c["splits"]["train"].update(rows=7),
    "a name of a split": lambda c: c["splits"].update({"../x": c["splits"].pop("valid")}),
    "fewer sums": first(lambda s: s["sums"].update({name: v[8:] for name, v in s["sums"].items()})),
    "sums of others": first(lambda s: s["sums"].update({"features/other": "00000000"})),
    "no sums": first(lambda s: s.update(sums={})),
    "no widths": first(lambda s: s.update(widths={})),
    "wide strings": first(lambda s: s["widths"].update({"keys/na.me/x": [10**12] * len(s["widths"]["keys/na.me/x"])})),
    "no entries": lambda c: c.update(entries=[]),
    "an entry twice": lambda c: c["entries"].append(c["entries"][-1]),
    "a type": lambda c: c["entries"][0].update(dtype="<f1"),
    "an object": lambda c: c["entries"][0].update(dtype="|O8"),
    "big-endian": lambda c: c["entries"][0].update(dtype=">f4"),
    "a shape that overflows": lambda c: c["entries"][0].update(shape=[2**32, 2**32], columns=None),
    "a large shape": lambda c: c["entries"][0].update(shape=[10**9], columns=None),
    "many axes": lambda c: c["entries"][0].update(shape=[1] * 40, columns=None),
    "columns": lambda c: c["entries"][0].update(columns=["a"] * 7),
    "strings as features": lambda c: c["entries"][0].update(dtype="S", shape=[], columns=None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_makes_no_sense_is_refused(folder, change):
    content = content_of(folder)
    CHANGES[change](content)
    sealed(folder, content)
    with pytest.raises(CorruptShard, match="none that blocks wrote, though its checksum holds"):
        open_store(folder)
    (problem,) = check(folder)
    assert problem.startswith("manifest.json: ")


def test_places_beyond_the_file_are_refused(folder):
    content = content_of(folder)
    if not shards(content)[0]["offsets"]:
        pytest.skip("compressed HDF5 has no offsets")
    for places in shards(content)[0]["offsets"].values():
        places[-1] = 10**15
    sealed(folder, content)
    with pytest.raises(CorruptShard, match=r"beyond the end of its file|do not follow"):
        open_store(folder)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "null", "1", "{}", '{"checksum": {}}', '{"checksum": 1e999}', ""]
)
def test_what_is_no_manifest_at_all(plain, text):
    (plain / "manifest.json").write_text(text)
    with pytest.raises(CorruptShard):
        open_store(plain)
    assert len(check(plain)) == 1


def test_depth_in_what_is_free_is_no_matter(plain):
    content = content_of(plain)
    content["spec"] = json.loads("[" * 400 + "]" * 400)
    sealed(plain, content)
    assert check(plain) == []


def test_a_version_that_is_none(plain):
    sealed(plain, content_of(plain) | {"version": [1]})
    with pytest.raises(StoreMismatch, match=r"Received: version \[1\]"):
        open_store(plain)


@pytest.mark.parametrize("kind", ["link", "pipe", "device", "folder"])
@pytest.mark.parametrize("name", ["manifest.json", "train-00001.h5"])
def test_only_regular_files_are_read(plain, tmp_path, name, kind):
    path = plain / name
    path.rename(tmp_path / "elsewhere")
    make = {
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
    }
    make[kind]()
    with pytest.raises(CorruptShard, match=r"must be a regular file, and is a (link|pipe|folder)"):
        open_store(plain)
    assert any("regular file" in problem for problem in check(plain))
    with pytest.raises(StoreError):
        open_store(plain, repairing=True)["train"].read()


@pytest.mark.parametrize("make", ["link", "hard link", "pipe"])
def test_a_lock_that_is_a_link_is_refused_and_its_target_untouched(plain, tmp_path, make):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock = plain / ".lock"
    {"link": lock.symlink_to, "hard link": lock.hardlink_to, "pipe": lambda _: os.mkfifo(lock)}[make](victim)
    with pytest.raises(OSError, match=r"symbolic links|must be a regular file"), locked(plain):
        pass
    assert victim.read_text() == "precious"


def test_the_lock_of_a_store_that_is_a_link_gets_our_error(small, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / ".lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match="a link in the place of a file; delete it"):
        small.make(tmp_path / "s")
    assert not (tmp_path / "victim").exists()
    (tmp_path / "s" / ".lock").unlink()
    assert small.make(tmp_path / "s").check() == []


def relink(file, kind, elsewhere):
    """Have the target come from another file."""
    values = file["target"][()]
    chunks = file["target"].chunks
    del file["target"]
    if kind == "external link":
        file["target"] = h5py.ExternalLink(elsewhere, "target")
    elif kind == "soft link":
        file["other"] = values
        file["target"] = h5py.SoftLink("/other")
    elif kind == "virtual":
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[:] = h5py.VirtualSource(elsewhere, "target", values.shape)
        file.create_virtual_dataset("target", layout)
    elif kind == "external storage":
        file.create_dataset("target", values.shape, values.dtype, external=[(elsewhere, 0, values.nbytes)])
    elif kind == "group":
        file.create_group("target")
    elif kind == "large chunks":
        file.create_dataset("target", data=values, chunks=(1,) if chunks != (1,) else (2,))


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize(
    "kind", ["external link", "soft link", "virtual", "external storage", "group", "large chunks", "gone"]
)
def test_hdf5_that_leads_elsewhere_is_refused(small, tmp_path, compression, kind):
    path = small.make(tmp_path / "s", compression=compression).path
    shard, elsewhere = path / "train-00000.h5", str(path / "train-00001.h5")
    with h5py.File(shard, "r+") as file:
        relink(file, kind, elsewhere)
    content = content_of(path)
    shards(content)[0].update(bytes=shard.stat().st_size, checksum=file_sum(shard))
    sealed(path, content)
    (problem, *_) = check(path)
    assert problem.startswith("train-00000.h5: ")
    if compression:
        with pytest.raises(CorruptShard, match="target"):
            open_store(path)["train"].read()


def test_a_journal_that_no_writer_wrote_is_not_believed(small, tmp_path):
    def line(content):
        text = json.dumps(content).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)

    whole = small.make(tmp_path / "whole")
    listed = shards(content_of(whole.path))[0]
    bad = [
        7,
        {"split": "train", "index": 0, "shard": {**listed, "file": "../victim"}},
        {"split": "train", "index": 0, "shard": {**listed, "rows": -1}},
        {"split": "train", "index": -1, "shard": listed},
        {"entries": [{"name": 1}], "sizes": {}},
        {"entries": []},
        {},
    ]
    (tmp_path / "victim").write_text("precious")
    for number, content in enumerate(bad):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(line({"a": "plan"}) + line(content))
        assert small.make(folder).check() == []
        assert small.digests(folder) == small.digests(whole.path)
    assert (tmp_path / "victim").read_text() == "precious"


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from places(one, (*path, name))


ODD = [None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, "", "\0", "../x", "S", "<f8", [], {}, [1], {"a": 1}, ["a"]]


@pytest.mark.proof
def test_manifests_changed_at_random_never_raise_anything_raw(folder, kind):
    rng = random.Random(json.dumps(kind))
    original = content_of(folder)
    everywhere = [place for place in places(original) if place]
    refused = 0
    for _ in range(TRIES):
        content = copy.deepcopy(original)
        for place in rng.sample(everywhere, rng.choice([1, 1, 1, 2, 3])):
            at = content
            try:
                for name in place[:-1]:
                    at = at[name]
                if rng.random() < 0.2:
                    del at[place[-1]]
                else:
                    at[place[-1]] = rng.choice(ODD)
            except (LookupError, TypeError):
                continue  # changed away by the one before
        sealed(folder, content)
        problems = check(folder)
        try:
            store = open_store(folder)
            for name in store.splits:
                store[name].read()
                sum(1 for _ in store[name].stream(64))
        except BlocksError:
            refused += 1
            assert problems
    assert refused > TRIES / 4


@pytest.mark.proof
def test_shards_changed_at_random_never_raise_anything_raw(folder, kind):
    """With checksums that fit: what h5py and TensorFlow make of the bytes."""
    rng = random.Random(json.dumps(kind))
    shard = next(iter(sorted(folder.glob("train-00000*"))))
    before, original = shard.read_bytes(), content_of(folder)
    for _ in range(TRIES):
        raw = bytearray(before)
        for _ in range(rng.choice([1, 4, 64])):
            raw[rng.randrange(min(len(raw), rng.choice([4096, len(raw)])))] = rng.randrange(256)
        shard.write_bytes(raw)
        content = copy.deepcopy(original)
        shards(content)[0]["checksum"] = file_sum(shard)
        sealed(folder, content)
        problems = check(folder)
        assert all(problem.startswith(shard.name) for problem in problems)
        try:
            np.asarray(open_store(folder)["train"].read().target)
        except BlocksError:
            assert problems
