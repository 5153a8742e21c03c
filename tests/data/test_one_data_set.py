"""One data set in every format, as other libraries write it: one schema, equal statistics, one model's answers."""

import os
import sqlite3
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.feather as feather
import pyarrow.orc as paorc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, preprocessors

BORN = ("1890-01-01", "1912-04-15")


def titanic_like(rows=891):
    """Rows of titanic's columns and kinds, with gaps as there, and a column of dates; exact in float32."""
    random = np.random.default_rng(0)
    sex, pclass = random.choice(["male", "female"], rows, p=[0.65, 0.35]), random.integers(1, 4, rows)
    frame = pd.DataFrame(
        {
            "survived": ((sex == "female") * 1.5 - pclass * 0.4 + random.normal(size=rows) > 0).astype(np.int64),
            "pclass": pclass,
            "sex": sex,
            "age": np.where(random.random(rows) < 0.2, np.nan, random.integers(2, 320, rows) / 4),
            "fare": np.round(random.lognormal(3, 1, rows), 4).astype(np.float32).astype(np.float64),
            "embarked": pd.Series(random.choice(["S", "C", "Q", None], rows, p=[0.7, 0.2, 0.08, 0.02])),
            "alone": random.random(rows) < 0.6,
        }
    )
    return with_dates(frame)


def with_dates(frame):
    random = np.random.default_rng(1)
    first, last = np.array(BORN, "datetime64[D]")
    dates = pd.Series(first + random.integers(0, (last - first).astype(int), len(frame)))
    return frame.assign(born=dates.where(random.random(len(frame)) > 0.1))


def real_titanic():
    frame = pd.read_csv(Path(os.environ["BLOCKS_DATA"], "titanic", "titanic.csv"))
    frame = frame[["survived", "pclass", "sex", "age", "fare", "embarked", "alone"]]
    return with_dates(frame.assign(fare=frame["fare"].astype(np.float32).astype(np.float64)))


def arrow_of(frame):
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    kinds = {"born": pa.date32(), "sex": pa.string(), "embarked": pa.string()}
    return table.cast(pa.schema([(f.name, kinds.get(f.name, f.type)) for f in table.schema]))


def csv(frame, table, folder):
    frame.to_csv(folder / "t.csv", index=False)
    return blocks.read(folder / "t.csv")


def csv_of_arrow(frame, table, folder):
    pacsv.write_csv(table, folder / "a.csv")
    return blocks.read(folder / "a.csv")


def json_lines(frame, table, folder):
    text = frame.assign(born=frame["born"].dt.strftime("%Y-%m-%d"))
    text.to_json(folder / "t.jsonl", orient="records", lines=True)
    return blocks.read(folder / "t.jsonl", column_types={"born": "date32", "age": "float64", "fare": "float64"})


def files_of_arrow(name, write):
    def written(frame, table, folder):
        write(table, folder / name)
        return blocks.read(folder / name)

    return written


def rows_of(frame):
    """Python's values, None where one is missing."""
    text = frame.assign(born=frame["born"].dt.strftime("%Y-%m-%d"))
    return [tuple(None if pd.isna(v) else v for v in row) for row in text.astype(object).itertuples(index=False)]


def sqlite_declared(frame, table, folder):
    kinds = (
        "survived INTEGER, pclass INT, sex VARCHAR(9), age REAL, fare DOUBLE, embarked TEXT, alone BOOLEAN, born DATE"
    )
    return in_sqlite(f"sqlite:///{folder}/declared.db", kinds, rows_of(frame))


def sqlite_as_text(frame, table, folder):
    rows = [tuple(None if v is None else str(v) for v in row) for row in rows_of(frame)]
    types = {f.name: f.type for f in table.schema}
    kinds = ", ".join(f"{name} TEXT" for name in types)
    return in_sqlite(f"sqlite:///{folder}/texts.db", kinds, rows, column_types=types)


def in_sqlite(uri, kinds, rows, **options):
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        connection.execute(f"CREATE TABLE people ({kinds})")
        connection.executemany(f"INSERT INTO people VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.close()
    return blocks.read(uri, table="people", **options)


def duckdb_file(frame, table, folder):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(folder / "t.duckdb")) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE people AS SELECT * FROM given")
    return blocks.read(f"duckdb:///{folder}/t.duckdb", table="people")


def hdf5(frame, table, folder):
    with h5py.File(folder / "t.h5", "w") as file:
        for name in table.schema.names:
            values = frame[name]
            if name == "born":
                values = values.dt.strftime("%Y-%m-%d")
            texts = values.dtype.kind not in "biuf"
            data = values.fillna("").tolist() if texts else values.to_numpy()
            file.create_dataset(f"people/{name}", data=data, dtype=h5py.string_dtype() if texts else None)
    return blocks.read(folder / "t.h5", column_types={"born": "date32"})


def hdf5_of_pandas(frame, table, folder):
    pytest.importorskip("tables")
    frame.to_hdf(folder / "p.h5", key="people", format="table")
    return blocks.read(folder / "p.h5", column_types={"born": "date32"})


def npz(frame, table, folder):
    arrays = {name: frame[name].to_numpy() for name in table.schema.names}
    for name in ("sex", "embarked"):
        arrays[name] = frame[name].fillna("").to_numpy().astype("U")
    np.savez(folder / "t.npz", **arrays | {"born": arrays["born"].astype("datetime64[D]")})
    return blocks.read(folder / "t.npz")


def tfrecord(frame, table, folder):
    def feature(value):
        if isinstance(value, str):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if isinstance(value, bool | int | np.integer | np.bool_):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=[float(value)]))

    with tf.io.TFRecordWriter(str(folder / "t.tfrecord")) as writer:
        for row in table.set_column(7, "born", table["born"].cast(pa.int32())).to_pylist():
            features = {name: feature(value) for name, value in row.items() if value is not None}
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    types = {"age": "float64", "fare": "float64", "alone": "bool", "born": "date32"}
    found = blocks.read(folder / "t.tfrecord", column_types=types)
    return found.select(table.schema.names)


FORMATS = {
    "csv": csv,
    "csv of Arrow": csv_of_arrow,
    "json lines": json_lines,
    "parquet": files_of_arrow("t.parquet", pq.write_table),
    "arrow": files_of_arrow("t.feather", feather.write_feather),
    "orc": files_of_arrow("t.orc", paorc.write_table),
    "sqlite": sqlite_declared,
    "sqlite, all TEXT": sqlite_as_text,
    "duckdb": duckdb_file,
    "hdf5": hdf5,
    "hdf5 of pandas": hdf5_of_pandas,
    "npz": npz,
    "tfrecord": tfrecord,
    "pandas": lambda frame, table, folder: blocks.read(frame.assign(born=table["born"].to_pandas())),
    "polars": lambda frame, table, folder: blocks.read(pl.from_pandas(frame).cast({"born": pl.Date})),
    "polars, lazy": lambda frame, table, folder: blocks.read(pl.from_arrow(table).lazy()),
}


@pytest.fixture(
    scope="module",
    params=[
        titanic_like,
        pytest.param(
            real_titanic,
            marks=pytest.mark.skipif(
                "BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA names no folder of real data"
            ),
        ),
    ],
    ids=["synthetic", "titanic"],
)
def known(request):
    """A frame, its table, what an adapted and trained model has learned of it, and its answers."""
    frame = request.param()
    table = arrow_of(frame)
    model = made_model()
    model.adapt(table)
    model.fit(table, epochs=1, verbose=0)
    return frame, table, model, model.predict(table)["probabilities"]


def made_model():
    columns = preprocessors.Columns(
        {
            "pclass": preprocessors.Vocabulary(),
            "sex": preprocessors.Vocabulary(),
            "age": [preprocessors.Impute("median"), preprocessors.Standardize()],
            "fare": [preprocessors.Log1p(), preprocessors.Standardize()],
            "embarked": preprocessors.Vocabulary(),
            "alone": preprocessors.Standardize(),
            "born": preprocessors.DateParts(),
        }
    )
    return blocks.Model(columns, feature_extractors.MLP([8]), classifiers.Softmax("survived"), seed=0)


def assert_the_same(source, known):
    frame, table, model, answers = known
    # the only freedom: pandas' texts are Arrow's large ones
    kinds = [pa.string() if kind == pa.large_string() else kind for kind in source.schema.types]
    assert dict(zip(source.schema.names, kinds, strict=True)) == dict(
        zip(table.schema.names, table.schema.types, strict=True)
    )
    assert source.count() == len(frame)
    again = made_model()
    again.adapt(source)
    for one, other in zip(again.preprocessor.weights, model.preprocessor.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy(), equal_nan=one.dtype.startswith("float"))
    assert model.predict(source)["probabilities"].tobytes() == answers.tobytes()


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_it_is_one_data_set_in_every_format(write, known, tmp_path):
    frame, table, *_ = known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of PyTables, on names
        source = write(frame, table, tmp_path)
    assert_the_same(source, known)


@pytest.mark.usefixtures("postgresql")
@pytest.mark.parametrize("kinds", ["declared", "text"])
def test_it_is_one_data_set_in_postgresql(postgresql, known, kinds):
    import adbc_driver_postgresql.dbapi as adbc

    frame, table, *_ = known
    types = {f.name: f.type for f in table.schema}
    declared = dict.fromkeys(types, "text") | (
        {
            **{"survived": "bigint", "pclass": "bigint", "age": "float8", "fare": "float8"},
            **{"alone": "boolean", "born": "date"},
        }
        if kinds == "declared"
        else {}
    )
    columns = ", ".join(f"{name} {kind}" for name, kind in declared.items())
    given = ", ".join(f"${at + 1}::text::{kind}" for at, kind in enumerate(declared.values()))
    with adbc.connect(postgresql, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS people")
        cursor.execute(f"CREATE TABLE people ({columns}, place serial)")
        rows = [tuple(None if v is None else str(v) for v in row) for row in rows_of(frame)]
        batch = pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(types)})
        cursor.executemany(f"INSERT INTO people ({', '.join(types)}) VALUES ({given})", batch)
    options = {} if kinds == "declared" else {"column_types": types}
    # a table's rows lie where there was room for them
    query = f"SELECT {', '.join(types)} FROM people ORDER BY place"
    assert_the_same(blocks.read(postgresql, query=query, **options), known)
