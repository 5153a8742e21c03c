"""Zips: members by name; damage is set aside or refused, harm is refused by name."""

import os
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import BlocksError, MalformedData

TRIES = int(os.environ.get("BLOCKS_HOSTILE", "20")) * 10
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def write(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for info, content in members:
            archive.writestr(info, content)
    return path


def special(name, kind):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o644) << 16
    return info


def texts(path, **options):
    found = blocks.read(path, format="texts", **options).to_table().to_pylist()
    return [(row["path"], row["text"]) for row in found]


@pytest.mark.parametrize("method", METHODS)
def test_members_come_by_name_whatever_their_order(tmp_path, method):
    members = {f"{'cab'[n % 3]}/é {n}.txt": f"text {n}" * n for n in range(20)}
    path = write(tmp_path / "x.zip", members.items(), method)
    assert texts(path) == sorted(members.items())
    assert texts(path, max_member_bytes=200) == sorted(members.items())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("/etc/passwd", "leads out of the archive"),
        ("a/../../x", "leads out of the archive"),
        ("..\\x", "leads out of the archive"),
        ("C:\\x", "leads out of the archive"),
        (special("a/link", stat.S_IFLNK), "'a/link' is a link"),
        (special("a/pipe", stat.S_IFIFO), "'a/pipe' is no plain file"),
        (special("a/null", stat.S_IFCHR), "'a/null' is no plain file"),
        ("a/folder/", "is a folder with bytes of its own"),
        ("./a/1.txt", r"'a/1\.txt' stands there twice"),
    ],
)
def test_hostile_members_are_refused_by_name(tmp_path, bad, message):
    path = write(tmp_path / "x.zip", [("a/1.txt", "x"), (bad, "/etc/passwd")])
    for options in ({}, {"on_bad_rows": "keep", "rejects": tmp_path / "r.csv"}):
        with pytest.raises(MalformedData, match=message) as error:
            texts(path, **options)
        assert "x.zip" in str(error.value)


def test_bombs_are_refused(tmp_path):
    path = write(tmp_path / "x.zip", [("a/zeros", bytes(40 << 20))])
    tracemalloc.start()
    with pytest.raises(MalformedData, match=r"'a/zeros' would become 41,943,040 bytes of"):
        texts(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_overlapping_members_are_refused(tmp_path):
    """The way of Fifield's zip bomb: many entries of one stretch of bytes."""
    path = write(tmp_path / "x.zip", [("a/1", os.urandom(5000)), ("a/2", os.urandom(5000))])
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = struct.pack("<I", 20)
    path.write_bytes(raw)
    with pytest.raises(MalformedData, match=r"'a/2' overlaps with another"):
        texts(path)


@pytest.mark.parametrize("size", [3, 5000, 1 << 31])
def test_sizes_that_lie_are_unreadable(tmp_path, size):
    path = write(tmp_path / "x.zip", [("a/1.txt", "hello" * 10), ("a/2.txt", "fine")], zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    first = raw.index(b"PK\x01\x02")
    raw[first + 24 : first + 28] = struct.pack("<I", size)
    path.write_bytes(raw)
    with pytest.raises(MalformedData, match=r"a/1\.txt"):
        texts(path)


def test_damaged_members_are_set_aside_and_the_others_read(tmp_path):
    path = write(tmp_path / "x.zip", [(f"a/{n}.txt", f"text {n}") for n in range(3)], zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"text 1", b"text 7"))
    with pytest.raises(MalformedData, match=r"'a/1\.txt' of .*x\.zip cannot be unpacked \(Bad CRC"):
        texts(path)
    source = blocks.read(path, format="texts", on_bad_rows="keep", rejects=tmp_path / "r.parquet")
    assert source.to_table()["text"].to_pylist() == ["text 0", "text 2"]
    assert source.rejected == 1
    (row,) = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert (row["file"], row["text"]) == (str(path), "a/1.txt")
    assert "Bad CRC" in row["reason"]


def test_encrypted_members_are_refused(tmp_path):
    path = write(tmp_path / "x.zip", [("a/1.txt", "x")])
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(MalformedData, match=r"'a/1\.txt' is encrypted"):
        texts(path)


def test_what_is_no_zip(tmp_path):
    path = tmp_path / "x.zip"
    for content in (b"", b"no zip", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(MalformedData, match=r"x\.zip cannot be read"):
            texts(path)


@pytest.mark.parametrize("method", METHODS)
def test_damaged_zips_are_an_error_or_the_right_rows(tmp_path, method):
    random = np.random.default_rng(3)
    members = [
        (f"{'ab'[n % 2]}/{n}noo", bytes(random.integers(97, 123, int(random.integers(0, 400))).astype(np.uint8)))
        for n in range(10)
    ]
    whole = write(tmp_path / "x.zip", members, method).read_bytes()
    path = tmp_path / "x.zip"
    right = sorted((name, content.decode()) for name, content in members)
    assert texts(path) == right
    directory = whole.index(b"PK\x01\x02")
    errors = []
    for _ in range(TRIES):
        raw = bytearray(whole)
        if random.random() < 0.2:
            raw = raw[: int(random.integers(0, len(raw)))]
        for _ in range(int(random.integers(1, 4)) if len(raw) == len(whole) else 0):
            start = directory if random.random() < 0.5 else 0
            raw[int(random.integers(start, len(raw)))] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(raw)
        try:
            found = texts(path)
        except BlocksError as error:
            errors.append(str(error))
        else:
            assert found == right
    assert len(errors) > TRIES // 5
    assert all(path.name in error for error in errors)
