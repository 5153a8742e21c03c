"""Summaries and saved bytes: merged, written whole or not at all, and refused when damaged."""

import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, MalformedData, NewerFormat, SchemaMismatch
from blocks.statistics import Counts, Distinct, Missing, Moments, Quantiles, Statistic, Summary, update_columns


def summary() -> Summary:
    made = Summary({"age": Moments(), "city\n\u2028": Counts(1 << 20), "": Quantiles(exact=4), "id": Distinct(64)})
    made["age"].update(pa.array([1.0, None, 3.0]), np.array([1.0, 2.0, 3.0]))
    made["city\n\u2028"].update(pa.array(["a\x00", "\r", "a\x00"]), np.array([1.0, 2.0, 3.0]))
    made[""].update(pa.array([1.0, 5.0, 2.0]))
    made["id"].update(pa.array(np.arange(100)))
    return made


def test_saved_and_loaded(tmp_path) -> None:
    made = summary()
    path = tmp_path / "s.bin"
    made.save(path)
    loaded = Summary.load(path)
    assert set(loaded) == set(made)
    assert loaded.to_bytes() == made.to_bytes()
    assert loaded["age"].result().weight == 4.0
    assert loaded["city\n\u2028"].result().weights.tolist() == [4.0, 2.0]
    loaded["age"].update(pa.array([2.0]))
    loaded.save(path)
    assert Summary.load(path)["age"].result().count == 3
    assert [p.name for p in tmp_path.iterdir()] == ["s.bin"]


def test_what_cannot_be_loaded_is_named(tmp_path, monkeypatch) -> None:
    with pytest.raises(InvalidArgument, match=r"Received: '.*none.bin' \(No such file"):
        Summary.load(tmp_path / "none.bin")
    with monkeypatch.context() as newer:
        newer.setattr("blocks.statistics.serialization.VERSION", 2)
        summary().save(tmp_path / "s.bin")
    with pytest.raises(NewerFormat, match=r"s.bin: A saved statistic was made by a newer blocks: .* version 2, and 1"):
        Summary.load(tmp_path / "s.bin")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    made, path = summary(), tmp_path / "s.bin"
    made.save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    made["age"].update(pa.array([9.0]))
    with pytest.raises(OSError, match=r"no space left"):
        made.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.bin"]


def test_merge_takes_the_union_and_copies() -> None:
    one, other = Summary({"a": Missing()}), Summary({"a": Missing(), "b": Counts()})
    other["a"].update(pa.array([None]))
    other["b"].update(pa.array(["x"]))
    one.merge(other)
    one["b"].update(pa.array(["x"]))
    assert one["a"].result().missing == 1
    assert (one["b"].result().total, other["b"].result().total) == (2, 1)
    with pytest.raises(InvalidArgument, match=r"merge with their own class"):
        one.merge(Summary({"a": Moments()}))
    del one["a"]
    assert list(one) == ["b"]
    assert len(one) == 1


def test_only_statistics_under_strings() -> None:
    with pytest.raises(InvalidArgument, match=r"maps strings to statistics. Received: 'a' and int"):
        Summary()["a"] = 3  # type: ignore[assignment]
    with pytest.raises(InvalidArgument, match=r"Received: 3 and Missing"):
        Summary({3: Missing()})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["age", "city\n\u2028", "", "id"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_damage_is_found(name, data) -> None:
    whole = summary()[name].to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(MalformedData):
        Statistic.from_bytes(whole[:cut])
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedData):
        Statistic.from_bytes(bytes(changed))


def framed(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    data = b"BLKSTAT\n" + struct.pack("<I", len(text)) + text + body
    return data + struct.pack("<I", zlib.crc32(data))


CRAFTED = [
    (framed({"version": 0, "parts": []}), "version 1 can be read here. Received: version 0"),
    (framed({"version": 1, "class": "os.system", "parts": []}), "must hold a Statistic. Received: 'os.system'"),
    (framed({"version": 1, "class": "Moments", "parameters": {}, "state": {}, "parts": []}), "state of a Moments"),
    (
        framed({"version": 1, "class": "Counts", "parameters": {"max_bytes": 1}, "state": {}, "parts": []}),
        "of a Counts",
    ),
    (framed({"version": 1, "class": "Counts", "parameters": {"x": 1}, "state": {}, "parts": []}), "of a Counts"),
    (framed([1, 2]), "header"),
    (framed({"no": "version"}), "header"),
    (b"BLKSTAT\n" + b"\xff" * 4 + struct.pack("<I", zlib.crc32(b"BLKSTAT\n" + b"\xff" * 4)), "header"),
    (b"PAR1" * 10, "starts with b'BLKSTAT"),
    (b"", "Received: 0 bytes"),
]


@pytest.mark.parametrize(("data", "message"), CRAFTED)
def test_crafted_bytes_are_refused(data, message) -> None:
    with pytest.raises(MalformedData, match=message):
        Statistic.from_bytes(data)


def test_the_class_asked_for_is_checked() -> None:
    with pytest.raises(MalformedData, match=r"must hold a Counts. Received: 'Missing'"):
        Counts.from_bytes(Missing().to_bytes())
    with pytest.raises(MalformedData, match=r"must hold a Summary. Received: 'Missing'"):
        Summary.from_bytes(Missing().to_bytes())
    with pytest.raises(MalformedData, match=r"must hold a Statistic. Received: 'Summary'"):
        Statistic.from_bytes(Summary().to_bytes())
    assert isinstance(Missing.from_bytes(Missing().to_bytes()), Missing)


def test_columns_side_by_side_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    columns = [pa.array(rng.normal(size=1000)) for _ in range(5)] + [pa.array([f"t{i % 9}" for i in range(1000)])] * 2
    weights = rng.random(1000)

    def fresh() -> list[Statistic]:
        return [*(Moments() for _ in range(5)), Counts(), Missing()]

    alone, pooled = fresh(), fresh()
    with ThreadPoolExecutor(3) as pool:
        for _ in range(4):
            update_columns([(s, c, weights) for s, c in zip(alone, columns, strict=True)])
            update_columns([(s, c, weights) for s, c in zip(pooled, columns, strict=True)], pool)
    assert [s.to_bytes() for s in pooled] == [s.to_bytes() for s in alone]


def test_the_first_error_is_raised_after_all_have_ended() -> None:
    first, last = Counts(), Missing()
    first.update(pa.array([1]))
    updates = [(first, pa.array(["a"]), None), (Moments(), pa.array(["a"]), None), (last, pa.array([None]), None)]
    with ThreadPoolExecutor(2) as pool, pytest.raises(SchemaMismatch, match=r"Counts keeps one type"):
        update_columns(updates, pool)
    assert last.result().missing == 1
    with pytest.raises(SchemaMismatch, match=r"Counts keeps one type"):
        update_columns(updates)
