"""Tars: what Python's tarfile and GNU tar write is read as they read it; damage and harm are refused by name."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
import tracemalloc

import numpy as np
import pytest

import blocks
from blocks.errors import BlocksError, MalformedData

TRIES = int(os.environ.get("BLOCKS_HOSTILE", "20")) * 10
LONG = "long/" + "/".join(["deep" * 15] * 4) + "/é.txt"


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def write(path, members, form=tarfile.PAX_FORMAT, mode="w"):
    with tarfile.open(path, mode, format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def texts(path, **options):
    found = blocks.read(path, format="texts", **options).to_table().to_pylist()
    return [(row["path"], row["text"]) for row in found]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_what_tarfile_writes(tmp_path, form):
    names = ["b/z.txt", "b/a.txt", "./c//x.txt", "b/" + "n" * 90 + ".txt", "b/empty"]
    names += [LONG] if form != tarfile.USTAR_FORMAT else ["p" * 90 + "/" + "q" * 60 + ".txt"]
    contents = [(name, f"text of {name}" * (5000 if name == "b/z.txt" else 1)) for name in names[:-2]]
    contents += [("b/empty", ""), (names[-1], "é\n")]
    folder = member("b", type=tarfile.DIRTYPE)
    path = write(tmp_path / "x.tar", [folder, *(member(name, text.encode()) for name, text in contents)], form)
    assert texts(path) == [(name.replace("./c//", "c/"), text) for name, text in contents]


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_gnu_tar_writes(tmp_path, form):
    folder = tmp_path / "x"
    for name in ("a/1.txt", "b/2.txt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name * 300)
    command = ["tar", f"--format={form}", "-C", str(tmp_path), "-cf", str(tmp_path / "x.tar"), "x"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("there is no GNU tar")
    assert sorted(texts(tmp_path / "x.tar")) == [("a/1.txt", "a/1.txt" * 300), ("b/2.txt", "b/2.txt" * 300)]


def test_signed_sums_of_old_tars(tmp_path):
    path = write(tmp_path / "x.tar", [member("a/é.txt", b"x")], tarfile.GNU_FORMAT)
    raw = bytearray(path.read_bytes())
    head = bytes(raw[:148]) + b" " * 8 + bytes(raw[156:512])
    raw[148:156] = b"%06o\0 " % sum(byte - 256 * (byte > 127) for byte in head)
    path.write_bytes(raw)
    assert texts(path) == [("a/é.txt", "x")]
    raw[148:156] = b"%06o\0 " % (sum(head) + 1)
    path.write_bytes(raw)
    with pytest.raises(MalformedData, match="no member of a tar"):
        texts(path)


def test_large_sizes_in_bytes(tmp_path):
    """GNU tar's way of numbers beyond eight digits in eight."""
    path = write(tmp_path / "x.tar", [member("a/1.txt", b"hello"), member("a/2.txt", b"more")], tarfile.GNU_FORMAT)
    raw = bytearray(path.read_bytes())
    raw[124:136] = b"\x80" + (5).to_bytes(11, "big")
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 256 + sum(raw[156:512]))
    path.write_bytes(raw)
    assert texts(path) == [("a/1.txt", "hello"), ("a/2.txt", "more")]
    raw[124:136] = b"\x80" + (1 << 70).to_bytes(11, "big")
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 256 + sum(raw[156:512]))
    path.write_bytes(raw)
    with pytest.raises(MalformedData, match=r"'a/1\.txt' is said to be larger than the archive"):
        texts(path)
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress(raw))
    with pytest.raises(MalformedData, match=r"its end in a/1\.txt"):
        texts(packed)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("/etc/passwd", b"x"), "'/etc/passwd' leads out of the archive"),
        (member("a/../../x", b"x"), "leads out of the archive"),
        (member("..\\x", b"x"), "leads out of the archive"),
        (member("C:\\x", b"x"), "leads out of the archive"),
        (member("a/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "'a/link' is a link"),
        (member("a/link", type=tarfile.LNKTYPE, linkname="a/1.txt"), "'a/link' is a link"),
        (member("a/null", type=tarfile.CHRTYPE), "is a device"),
        (member("a/disk", type=tarfile.BLKTYPE), "is a device"),
        (member("a/pipe", type=tarfile.FIFOTYPE), "is a pipe"),
        (member("a/odd", b"x", type=b"Q"), "is no plain file"),
        (member("a/1.txt", b"again"), r"'a/1\.txt' stands there twice"),
    ],
)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_hostile_members_are_refused_by_name(tmp_path, bad, message, mode):
    path = write(tmp_path / ("x.tar" if mode == "w" else "x.tgz"), [member("a/1.txt", b"x"), bad], mode=mode)
    for options in ({}, {"on_bad_rows": "keep", "rejects": tmp_path / "r.csv"}):
        with pytest.raises(MalformedData, match=message) as error:
            texts(path, **options)
        assert path.name in str(error.value)
    assert not (tmp_path / "r.csv").exists()


def test_bombs_are_refused_and_take_no_memory(tmp_path):
    zeros = tmp_path / "zeros"
    with zeros.open("wb") as file:
        file.truncate(40 << 20)
    for mode in ("gz", "bz2"):
        path = tmp_path / f"bomb.tar.{mode}"
        with tarfile.open(path, f"w:{mode}") as tar:
            tar.addfile(member("a/small", b"x")[0], io.BytesIO(b"x"))
            info = tarfile.TarInfo("a/zeros")
            info.size = 40 << 20
            with zeros.open("rb") as file:
                tar.addfile(info, file)
        tracemalloc.start()
        with pytest.raises(MalformedData, match=r"'a/zeros' would become more than .* bytes of"):
            texts(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_what_comes_behind_the_end_is_not_lost_without_a_word(tmp_path):
    path = write(tmp_path / "x.tar", [member("a/1.txt", b"x")])
    whole = path.read_bytes()
    path.write_bytes(whole + whole)
    with pytest.raises(MalformedData, match="two archives joined"):
        texts(path)
    path.write_bytes(whole[:1024])
    with pytest.raises(MalformedData, match="its end in a header"):
        texts(path)
    path.write_bytes(whole[: 1024 + 512])
    assert texts(path) == [("a/1.txt", "x")]
    path.write_bytes(b"")
    with pytest.raises(MalformedData, match=r"x\.tar"):
        texts(path)
    path.write_bytes(b"no tar at all " * 100)
    with pytest.raises(MalformedData, match=r"x\.tar cannot be read as a tar"):
        texts(path)


@pytest.mark.parametrize(
    "record", [b"9999 path=x\n", b"8 path=x\n", b"path=x\n", b"12 path=x\0y\n", b"11 path=\xff\n", b"12 size=-5\n"]
)
def test_extended_headers_that_are_none(tmp_path, record):
    pax = member("pax", record, type=tarfile.XHDTYPE)
    path = tmp_path / "x.tar"
    raw = b"".join(
        info.tobuf(tarfile.USTAR_FORMAT) + content.ljust(512, b"\0") for info, content in (pax, member("a/1", b"x"))
    )
    path.write_bytes(raw + bytes(1024))
    with pytest.raises(MalformedData, match=r"x\.tar cannot be read as a tar"):
        texts(path)


@pytest.mark.parametrize("form", ["gzip", "bz2", "xz", "plain"])
def test_damaged_tars_are_an_error_or_the_right_rows(tmp_path, form):
    random = np.random.default_rng(7)
    names = [f"{'ab'[n % 2]}/{n}.txt" for n in range(12)] + [LONG]
    contents = [bytes(random.integers(97, 123, int(random.integers(0, 900))).astype(np.uint8)) for _ in names]
    plain = write(tmp_path / "p.tar", [member(*one) for one in zip(names, contents, strict=True)]).read_bytes()
    pack = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "plain": bytes}[form]
    whole = pack(plain)
    path = tmp_path / "x.tar"
    path.write_bytes(whole)
    right = texts(path)
    assert right == [(name, content.decode()) for name, content in zip(names, contents, strict=True)]
    errors = []
    for _ in range(TRIES):
        raw = bytearray(whole)
        if random.random() < 0.3:
            raw = raw[: int(random.integers(0, len(raw)))]
        for _ in range(int(random.integers(1, 4)) if len(raw) == len(whole) else 0):
            raw[int(random.integers(0, len(raw)))] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(raw)
        try:
            found = texts(path)
        except BlocksError as error:
            errors.append(str(error))
        else:
            # a plain tar has sums over headers alone: a changed text is another text to everybody
            assert found == right or (form == "plain" and [len(b) for _, b in found] == [len(b) for _, b in right])
    assert len(errors) > TRIES // 5
    assert all(path.name in error for error in errors)
