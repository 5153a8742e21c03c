"""Tables that pandas wrote to HDF5, read by h5py alone, against the frames that pandas itself reads."""

import contextlib
import pickle
import warnings

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch

pytest.importorskip("tables", reason="PyTables, by which pandas writes HDF5, is not installed")
ROWS = 300


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(0)
    words = random.choice(["a", "é", "nan", "", "xyz"], ROWS).astype(object)
    made = pd.DataFrame(
        {
            "i": random.integers(-(2**60), 2**60, ROWS),
            "small": random.integers(0, 255, ROWS).astype(np.uint8),
            "x": random.normal(size=ROWS),
            "y": random.normal(size=ROWS),
            "half": random.normal(size=ROWS).astype(np.float32),
            "ok": random.random(ROWS) > 0.5,
            "word": words,
            "other": words[::-1].copy(),
            "day": pd.date_range("2024-01-01", periods=ROWS, freq="D"),
            "second": pd.date_range("2024-01-01", periods=ROWS, freq="s").as_unit("s"),
            "zoned": pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="Europe/Oslo"),
            "took": pd.timedelta_range("1s", periods=ROWS, freq="s"),
            "kind": pd.Categorical(random.choice(["red", "blue", None], ROWS)),
            "number": pd.Categorical(random.choice([10, 20], ROWS), ordered=True),
        }
    )
    for at, name in enumerate(("x", "word", "day", "zoned", "took")):
        made.loc[made.index % 7 == at, name] = None
    return made


def written(frame, path, **options):
    frame.to_hdf(path, key="rows", format="table", index=False, **options)
    back = pd.read_hdf(path, "rows")
    return back if isinstance(back, pd.DataFrame) else back.to_frame("values" if back.name is None else back.name)


def plain(table):
    """Of a frame's rows: long texts as texts, and no column of consecutive numbers."""
    fields = [pa.field(f.name, pa.string() if f.type == pa.large_string() else f.type) for f in table.schema]
    return table.cast(pa.schema(fields)).combine_chunks()


def assert_equal(source, frame):
    range_index = isinstance(frame.index, pd.MultiIndex) or frame.index.dtype.kind != "i" or frame.index.name
    expected = blocks.read(frame if range_index else frame.reset_index(drop=True))
    assert source.schema.names == expected.schema.names
    assert source.bookkeeping == expected.bookkeeping
    for size in (1, 7, 65_536) if len(frame) < 50 else (64, 65_536):
        found = pa.Table.from_batches(list(source.chunks(size)), source.schema)
        assert found.replace_schema_metadata().equals(plain(expected.to_table()).replace_schema_metadata())
    assert source.count() == len(frame)


@pytest.mark.parametrize(
    "options",
    [{}, {"data_columns": True}, {"data_columns": ["word", "kind", "zoned"]}, {"complevel": 5, "complib": "zlib"}],
    ids=str,
)
def test_columns_of_every_type_are_those_that_pandas_reads(tmp_path, frame, options):
    back = written(frame, tmp_path / "x.h5", **options)
    source = blocks.read(tmp_path / "x.h5")
    assert_equal(source, back)
    assert source.schema.field("zoned").type == pa.timestamp(back["zoned"].dt.unit, "Europe/Oslo")
    encoded = next(source.chunks(64, columns=["kind"], encoded=True))
    assert encoded.schema.field("kind").type == pa.dictionary(pa.int32(), pa.string())
    assert_equal(blocks.read(tmp_path / "x.h5", group="rows/table", columns=["word", "x"]), back[["word", "x"]])


@pytest.mark.parametrize("options", [{"nan_rep": "MISSING"}, {"encoding": "latin1"}, {"encoding": "cp1252"}], ids=str)
def test_missing_texts_and_encodings(tmp_path, frame, options):
    back = written(frame[["word", "other"]], tmp_path / "x.h5", **options)
    assert_equal(blocks.read(tmp_path / "x.h5"), back)


INDICES = {
    "numbers with a name": lambda n: pd.Index(range(n), name="id"),
    "fractions": lambda n: pd.Index(np.linspace(0, 1, n)),
    "texts": lambda n: pd.Index([f"é{k % 5}" if k % 6 else None for k in range(n)], name="who"),
    "times": lambda n: pd.date_range("2024", periods=n, freq="h", tz="Europe/Oslo", name="when"),
    "times of an offset": lambda n: pd.date_range("2024", periods=n, freq="h", tz="-03:30"),
    "durations": lambda n: pd.timedelta_range("1s", periods=n, freq="s"),
    "categories": lambda n: pd.CategoricalIndex([("a", "b")[k % 2] for k in range(n)], name="c"),
    "levels": lambda n: pd.MultiIndex.from_arrays([list("ab") * (n // 2), range(n)], names=["p", "q"]),
    "levels without names": lambda n: pd.MultiIndex.from_arrays([list("ab") * (n // 2), range(n)]),
    "rows that are left": lambda n: pd.Index(range(5, 5 + n)),
}


@pytest.mark.parametrize("made", INDICES.values(), ids=INDICES)
def test_an_index_is_a_column_unless_it_numbers_rows(tmp_path, frame, made):
    back = written(frame.loc[:19, ["x", "word"]].set_axis(made(20)), tmp_path / "x.h5")
    assert_equal(blocks.read(tmp_path / "x.h5"), back)


def test_series_columns_of_columns_and_categories_of_nothing(tmp_path, frame):
    tables = {
        "series": frame["x"],
        "texts": frame["word"].rename(None),
        "by_two": frame[["x"]].set_axis(INDICES["levels"](ROWS))["x"],
        "pairs": frame[["x", "i"]].set_axis(pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]), axis=1),
        "nothing": pd.DataFrame({"k": pd.Categorical([None, None]), "x": [1.0, 2.0]}),
        "numbers": frame[["x"]].set_axis([7], axis=1),
    }
    for key, table in tables.items():
        table.to_hdf(tmp_path / "x.h5", key=key, format="table")
    with pytest.raises(InvalidArgument, match=r"/by_two, /nothing, /numbers, .*Say which: group='/by_two'"):
        blocks.read(tmp_path / "x.h5")
    for key in tables:
        back = pd.read_hdf(tmp_path / "x.h5", key)
        back = back if isinstance(back, pd.DataFrame) else back.to_frame("values" if back.name is None else back.name)
        assert_equal(blocks.read(tmp_path / "x.h5", group=key), back)


def test_several_files_are_one_table(tmp_path, frame):
    for at in range(2):
        written(frame[at * 100 : at * 100 + 100], tmp_path / f"part-{at}.h5")
    found = blocks.read(str(tmp_path / "part-*.h5")).to_table()
    assert found["i"].to_pylist() == frame["i"][:200].tolist()
    assert found["kind"].to_pylist() == [None if pd.isna(v) else v for v in frame["kind"][:200]]


def test_zones_without_a_name_are_told(tmp_path):
    import dateutil.tz

    zone = dateutil.tz.tzrange("A", -3600)
    pd.DataFrame({"t": pd.date_range("2024", periods=3, tz=zone)}).to_hdf(tmp_path / "x.h5", key="k", format="table")
    with pytest.warns(BlocksWarning, match="the zone of column 't' .* is read as UTC|are read as UTC"):
        source = blocks.read(tmp_path / "x.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(source.to_table()["t"][0].as_py()) == "2024-01-01 01:00:00+00:00"


def test_what_is_pickled_or_no_column_is_refused(tmp_path, frame):
    frame[["x", "word"]].to_hdf(tmp_path / "fixed.h5", key="rows", format="fixed")
    with pytest.raises(MalformedData, match=r"nothing is unpickled.*'fixed'.*format='table'"):
        blocks.read(tmp_path / "fixed.h5")
    periods = frame[["x"]].assign(p=pd.period_range("2024", periods=ROWS, freq="D"))
    periods.to_hdf(tmp_path / "p.h5", key="rows", format="table")
    with pytest.raises(SchemaMismatch, match=r"column 'p' of '/rows'.*of kind period\[D\]"):
        blocks.read(tmp_path / "p.h5")
    frame[["x"]].set_index(pd.PeriodIndex(periods["p"])).to_hdf(tmp_path / "q.h5", key="rows", format="table")
    with pytest.warns(BlocksWarning, match="of periods, is left out"):
        assert blocks.read(tmp_path / "q.h5").schema.names == ["x"]
    dates = frame[["x"]].set_axis(pd.date_range("1965", periods=ROWS).date)
    dates.to_hdf(tmp_path / "d.h5", key="rows", format="table")
    with pytest.raises(SchemaMismatch, match=r"'/rows' of .*d\.h5.*If its index is of dates, write it as times"):
        blocks.read(tmp_path / "d.h5")
    written(frame, tmp_path / "b.h5", complevel=5, complib="blosc")
    with pytest.raises(MalformedData, match=r"is compressed by blosc, which h5py has not\. .*complib='zlib'"):
        blocks.read(tmp_path / "b.h5")


class Attack:
    def __reduce__(self):
        return (open, ("attacked", "w"))


@pytest.mark.parametrize("attribute", ["info", "values_cols", "non_index_axes", "levels", "encoding", "nan_rep"])
def test_attributes_that_would_run_code_run_none(tmp_path, monkeypatch, frame, attribute):
    monkeypatch.chdir(tmp_path)
    written(frame, "x.h5")
    for value in (Attack(), [Attack()], 7, {"a": 1}, ["nobody"], [[0, ["x", "x"]]], "no such encoding"):
        with h5py.File("x.h5", "a") as file:
            file["rows"].attrs[attribute] = np.bytes_(pickle.dumps(value, 0))
        with contextlib.suppress(MalformedData, SchemaMismatch):
            blocks.read("x.h5").to_table()
        assert not (tmp_path / "attacked").exists()


def test_damaged_files_are_errors_by_name(tmp_path, frame, damaged):
    with pd.HDFStore(tmp_path / "x.h5", complevel=5, complib="zlib", fletcher32=True) as store:
        store.append("rows", frame, index=False)
    assert damaged(tmp_path / "x.h5") > 10
