"""Numbers beyond a type, in JSON lines and in files of several types: no digit is lost without a word."""

import decimal
import json
import pathlib
import re
import tempfile
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as paorc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
import blocks.data.formats.json_lines
from blocks.errors import BlocksError, BlocksWarning, MalformedData, SchemaMismatch

BIG = 10**19


def lines(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_ids_beyond_int64_stay_text_and_the_column_is_named(tmp_path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"id": BIG + n, "x": n} for n in range(1000)])
    source = blocks.data.read(path)
    with pytest.warns(BlocksWarning, match=r"column 'id' holds 1(0{18})1, which float64 rounds.*'string'") as said:
        schema = source.schema
    assert len(said) == 1
    assert schema.field("id").type == pa.string()
    assert source.to_table()["id"].to_pylist() == [str(BIG + n) for n in range(1000)]
    counts = {name: part.count() for name, part in source.split(a=0.5, b=0.5, key="id").items()}
    assert min(counts.values()) > 400


def test_the_advice_is_right(tmp_path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"id": BIG + n} for n in range(3)])
    for kind, expected in (
        ("string", [str(BIG + n) for n in range(3)]),
        ("float64", [float(BIG)] * 3),
        ("uint64", [BIG + n for n in range(3)]),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            source = blocks.data.read(path, column_types={"id": kind})
            assert source.to_table()["id"].to_pylist() == expected


def test_numbers_and_text_in_one_column_are_read_as_declared(tmp_path) -> None:
    rows = [{"id": 7}, {"id": "x7"}, {"id": None}, {}, {"id": 1.50}, {"id": True}]
    path = lines(tmp_path / "a.jsonl", rows)
    with pytest.raises(MalformedData, match=r"declare column_types"):
        blocks.data.read(path).to_table()
    found = blocks.data.read(path, column_types={"id": "string"}).to_table()["id"].to_pylist()
    assert found == ["7", "x7", None, None, "1.5", "true"]
    path = lines(tmp_path / "b.jsonl", [*rows, {"id": [1]}])
    with pytest.raises(MalformedData, match=r"'id' is read as text, and line 7 has \[\"1\"\]"):
        blocks.data.read(path, column_types={"id": "string"}).to_table()


def test_integers_inside_lists_and_objects_are_said_to_be_rounded(tmp_path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"tags": [1, BIG + 1], "of": {"id": BIG + 3}}, {"tags": [], "of": None}])
    with pytest.warns(BlocksWarning) as said:
        assert blocks.data.read(path).schema.names == ["tags", "of"]
    assert sorted(
        re.findall(r"column '(\w+)' holds (\d+), which is rounded", " ".join(str(w.message) for w in said))
    ) == [
        ("of", str(BIG + 3)),
        ("tags", str(BIG + 1)),
    ]
    declared = {"tags": pa.list_(pa.uint64()), "of": pa.struct([("id", pa.uint64())])}
    assert blocks.data.read(path, column_types=declared).to_table()["tags"].to_pylist() == [[1, BIG + 1], []]


numbers = st.one_of(
    st.none(),
    st.integers(-5, 5),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**60, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, BIG, 10**25 + 1]),
    st.sampled_from([0.5, -1.25, 1e20, 1e300, 2.0**60]),
)


@settings(max_examples=100)
@given(st.lists(st.lists(numbers, max_size=6), min_size=1, max_size=4), st.integers(20, 200))
def test_every_value_of_json_lines_is_what_was_written(files, block) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(blocks.data.formats.json_lines, "_BLOCK", block)
        paths = [
            lines(pathlib.Path(folder) / f"{n}.jsonl", [{"row": i, "id": value} for i, value in enumerate(values)])
            for n, values in enumerate(files)
        ]
        written = [value for values in files for value in values]
        if not written:
            return
        source = blocks.data.read(paths)
        table = source.to_table()
        assert source.count() == len(written)
    found = table["id"].to_pylist()
    if pa.types.is_string(table["id"].type):
        assert found == [None if value is None else json.dumps(value) for value in written]
        assert any(isinstance(value, int) and abs(value) > 2**53 for value in written)
    else:
        # Python compares integers with fractions exactly
        assert found == written
    assert table["row"].to_pylist() == [n for values in files for n in range(len(values))]


WRITERS = {
    "parquet": lambda table, path: pq.write_table(table, f"{path}.parquet", row_group_size=2),
    "parquet without statistics": lambda table, path: pq.write_table(table, f"{path}.parquet", write_statistics=False),
    "feather": lambda table, path: feather.write_feather(table, f"{path}.feather"),
    "orc": lambda table, path: paorc.write_table(table, f"{path}.orc"),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("reverse", [False, True])
def test_integers_beside_fractions_are_doubles_where_that_holds_them(writer, reverse, tmp_path) -> None:
    values = [pa.array([2**53, None, -(2**53), 3]), pa.array([0.5, None])]
    for n, array in enumerate(values[::-1] if reverse else values):
        WRITERS[writer](pa.table({"id": array}), tmp_path / f"p{n}")
    table = blocks.data.read(tmp_path).to_table()
    expected = [*values[1].to_pylist(), *values[0].to_pylist()] if reverse else [*values[0].to_pylist(), 0.5, None]
    assert table["id"].type == pa.float64()
    assert table["id"].to_pylist() == expected


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("other", [pa.array([2.0**60, None]), pa.array([0.5], pa.float32()), pa.array([1], pa.int64())])
def test_integers_that_no_common_type_holds_are_refused_by_column_and_file(writer, other, tmp_path) -> None:
    big = pa.array([2**60 + 1, 2**60 + 3]) if pa.types.is_floating(other.type) else pa.array([2**63 + 1], pa.uint64())
    if writer == "orc" and not pa.types.is_int64(big.type):
        pytest.skip("ORC has no unsigned integers")
    WRITERS[writer](pa.table({"row": [0] * len(big), "id": big}), tmp_path / "p0")
    WRITERS[writer](pa.table({"row": [0] * len(other), "id": other}), tmp_path / "p1")
    with pytest.raises(SchemaMismatch, match=r"(?s)'id'.*(one type|Write).*read the files apart") as refused:
        blocks.data.read(tmp_path).to_table()
    assert "p0." in str(refused.value)
    assert "truncated" not in str(refused.value)
    # the advice
    parts = [blocks.data.read(file) for file in sorted(tmp_path.iterdir())]
    assert parts[0].to_table()["id"].to_pylist() == big.to_pylist()
    for file, array in zip(sorted(tmp_path.iterdir()), (big, other), strict=True):
        WRITERS[writer](pa.table({"id": array.cast(pa.string())}), file.with_suffix(""))
    assert blocks.data.read(tmp_path).count() == len(big) + len(other)


TYPES = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()),
    *(pa.decimal128(10, 2), pa.bool_(), pa.string(), pa.large_string(), pa.binary(), pa.binary(2), pa.date32()),
    *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.duration("s"), pa.duration("ns")),
    *(
        pa.time32("s"),
        pa.time64("us"),
        pa.list_(pa.int64()),
        pa.list_(pa.float64()),
        pa.list_(pa.int64(), 1),
        pa.null(),
    ),
    pa.struct([("a", pa.int64())]),
]
EDGES = {
    **{kind: [np.iinfo(kind.to_pandas_dtype()).max, np.iinfo(kind.to_pandas_dtype()).min, None] for kind in TYPES[:6]},
    **{kind: [0.1, 65504.0, None] for kind in TYPES[6:9]},
}


def edges(kind: pa.DataType) -> pa.Array:
    if kind in EDGES:
        return pa.array([None if v is None else np.dtype(kind.to_pandas_dtype()).type(v) for v in EDGES[kind]], kind)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return pa.array([200_000_000_000, 0, None], pa.int64()).cast(kind)
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.array([[2**53 + 1 if pa.types.is_integer(kind.value_type) else 0.5], None], kind)
    if pa.types.is_struct(kind):
        return pa.array([{"a": 2**53 + 1}, None], kind)
    if pa.types.is_decimal(kind):
        return pa.array([decimal.Decimal("1.25")], kind)
    plain = {"bool": [True], "string": ["é"], "large_string": ["é"], "null": [None]}
    if str(kind) in plain or "binary" in str(kind):
        return pa.array(plain.get(str(kind), [b"\xff\xff"]), kind)
    return pa.array([1], pa.int64() if pa.types.is_time64(kind) else pa.int32()).cast(kind)


def test_two_files_of_any_two_types_are_read_exactly_or_refused_by_name(tmp_path) -> None:
    """Each pair of types, at their ends: what comes out equals what was written, or is our error with the column."""
    refused, read = [], 0
    for one in TYPES:
        pq.write_table(pa.table({"x": edges(one)}), tmp_path / "p0.parquet")
        for other in TYPES:
            pq.write_table(pa.table({"x": edges(other)}), tmp_path / "p1.parquet")
            try:
                found = blocks.data.read(tmp_path).to_table()["x"].to_pylist()
            except BlocksError as error:
                refused.append(str(error))
                continue
            read += 1
            expected = [*edges(one).to_pylist(), *edges(other).to_pylist()]
            for value, want in zip(found, expected, strict=True):
                text = isinstance(value, bytes) and isinstance(want, str)
                assert value == (want.encode() if text else want) or float(value) == float(want), (
                    one,
                    other,
                    value,
                    want,
                )
    assert read > 100
    assert len(refused) > 100
    assert [message for message in refused if "'x'" not in message] == []


@pytest.mark.parametrize("reverse", [False, True])
def test_whole_decimals_that_doubles_beside_them_do_not_hold_are_refused(tmp_path, reverse) -> None:
    def read(number):
        columns = [pa.array([decimal.Decimal(number), None]), pa.array([1.5])]
        for name, values in enumerate(columns[::-1] if reverse else columns):
            pq.write_table(pa.table({"id": values}), tmp_path / f"{name}.parquet")
        return [one for one in blocks.data.read(tmp_path).to_table()["id"].to_pylist() if one is not None]

    assert sorted(read("100000000000000000000")) == [1.5, 1e20]
    assert sorted(read("12345678901234567.89")) == [1.5, 12345678901234567.89]  # a fraction is rounded, as ever
    with pytest.raises(SchemaMismatch, match=r"Column 'id' is read as double.*Whole number 12345678901234567891"):
        read("12345678901234567891")
