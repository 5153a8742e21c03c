"""PostgreSQL's types, on a real server: what each becomes, from the first row on, in one read transaction a pass."""

import datetime
import decimal
import time
import tracemalloc
import warnings

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch

pytestmark = pytest.mark.usefixtures("postgresql")

TYPES = {
    "i": ("int2", "7", pa.int16(), 7),
    "l": ("bigint", "9007199254740993", pa.int64(), 2**53 + 1),
    "r": ("real", "0.5", pa.float32(), 0.5),
    "d": ("float8", "0.1", pa.float64(), 0.1),
    "n": ("numeric(10,2)", "12.25", pa.decimal128(10, 2), decimal.Decimal("12.25")),
    "m": ("numeric", "6.125", pa.float64(), 6.125),
    "s": ("text", "'é'", pa.string(), "é"),
    "v": ("varchar(5)", "'v'", pa.string(), "v"),
    "by": ("bytea", r"'\x00ff'", pa.binary(), b"\x00\xff"),
    "ok": ("boolean", "true", pa.bool_(), True),
    "da": ("date", "'2024-02-29'", pa.date32(), datetime.date(2024, 2, 29)),
    "ti": ("time", "'12:30'", pa.time64("us"), datetime.time(12, 30)),
    "ts": ("timestamp", "'2024-02-29 12:30'", pa.timestamp("us"), datetime.datetime(2024, 2, 29, 12, 30)),
    "tz": (
        "timestamptz",
        "'2024-02-29 12:30+02'",
        pa.timestamp("us", "UTC"),
        datetime.datetime(2024, 2, 29, 10, 30, tzinfo=datetime.UTC),
    ),
    "iv": ("interval", "'1 day 02:00'", pa.duration("us"), datetime.timedelta(days=1, hours=2)),
    "u": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", pa.string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "j": ("jsonb", "'{\"a\": 1}'", pa.string(), '{"a": 1}'),
    "a": ("int[]", "'{1,2}'", pa.list_(pa.int32()), [1, 2]),
    "ta": ("text[]", "'{x,y}'", pa.list_(pa.string()), ["x", "y"]),
    "e": ("inet", "'10.0.0.1'", pa.string(), "10.0.0.1/32"),
    "mo": ("money", "'3.5'", pa.float64(), 3.5),
}


@pytest.fixture
def run(postgresql):
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(postgresql, autocommit=True) as connection:

        def execute(query):
            with connection.cursor() as cursor:
                cursor.execute(query)

        execute("DROP SCHEMA public CASCADE")
        execute("CREATE SCHEMA public")
        yield execute


def quiet(uri, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlocksWarning)
        return blocks.read(uri, **options)


def test_every_type_is_what_it_is_however_many_nulls_lead(postgresql, run):
    run(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, (kind, *_) in TYPES.items())})")
    assert quiet(postgresql, table="t").to_table().schema.types == [kind for _, _, kind, _ in TYPES.values()]
    run("INSERT INTO t SELECT FROM generate_series(1, 3000)")
    run(f"INSERT INTO t VALUES ({', '.join(value for _, value, *_ in TYPES.values())})")
    source = quiet(postgresql, table="t")
    assert source.schema == pa.schema({name: kind for name, (_, _, kind, _) in TYPES.items()})
    for size in (1_000, 65_536):
        table = pa.Table.from_batches(list(source.chunks(size)))
        assert [column.null_count for column in table.columns] == [3_000] * len(TYPES)
        [row] = table.slice(3_000).to_pylist()
        assert {name: (row[name], value) for name, (*_, value) in TYPES.items() if row[name] != value} == {}


def test_what_loses_something_is_said(postgresql, run):
    run("CREATE TABLE t (m numeric, iv interval)")
    with pytest.warns(BlocksWarning) as said:
        blocks.read(postgresql, table="t")
    assert [
        text for text in ("NUMERIC of no precision", "month has 30 days") if text in str([str(w.message) for w in said])
    ]
    run("INSERT INTO t VALUES (12345678901234567890.5, NULL)")
    exact = quiet(postgresql, table="t", column_types={"m": "string"}).to_table()
    assert exact["m"].to_pylist() == ["12345678901234567890.5"]


def test_queries_and_odd_names(postgresql, run):
    run('CREATE TABLE "odd ""name""" ("a b" int, "select" text)')
    run('INSERT INTO "odd ""name""" VALUES (1, \'x\')')
    assert blocks.read(postgresql, table='odd "name"').to_table().to_pylist() == [{"a b": 1, "select": "x"}]
    found = blocks.read(
        postgresql, query='SELECT "a b" + 1 AS n, avg("a b")::float8 AS m FROM "odd ""name""" GROUP BY 1;'
    )
    assert found.to_table().to_pylist() == [{"n": 2, "m": 1.0}]
    for query in ("SELECT 1; SELECT 2", "DELETE FROM t", "SELEC 1"):
        with pytest.raises(InvalidArgument, match=r"Its tables: odd .*A query is one SELECT"):
            blocks.read(postgresql, query=query)
    with pytest.raises(SchemaMismatch, match="more than once"):
        blocks.read(postgresql, query="SELECT 1 AS a, 2 AS a")


def test_numbers_stored_as_text(postgresql, run):
    run("CREATE TABLE t (x text)")
    run("INSERT INTO t SELECT n::text FROM generate_series(1, 5000) AS n")
    assert blocks.read(postgresql, table="t", column_types={"x": "float64"}).to_table()["x"].to_pylist()[4_999] == 5_000
    run("INSERT INTO t VALUES ('4,5')")
    with pytest.raises(MalformedData, match=r"Received: '4,5' in row 5,001"):
        blocks.read(postgresql, table="t", column_types={"x": "float64"}).to_table()


def test_a_table_that_changes_between_passes_is_refused(postgresql, run):
    run("CREATE TABLE t (x int)")
    run("INSERT INTO t VALUES (1), (2)")
    time.sleep(1.2)  # the server counts writes about once a second
    source = blocks.read(postgresql, table="t")
    assert source.count() == source.count() == 2
    run("INSERT INTO t VALUES (3)")
    with pytest.raises(MalformedData, match="has changed since it was read first"):
        source.count()
    run("DELETE FROM t WHERE x = 1")
    time.sleep(1.2)
    with pytest.raises(MalformedData, match="has changed since it was read first"):
        source.count()
    assert blocks.read(postgresql, table="t").count() == 2


def test_no_password_is_shown_or_kept(postgresql, run):
    run("CREATE TABLE t (x int)")
    secret = postgresql.replace("tester@", "tester:hunter2@") + "&connect_timeout=2"
    source = blocks.read(secret, table="t")
    for text in (repr(source), str(source.fingerprint())):
        assert "hunter2" not in text
        assert "tester" in text
    for wrong in (secret.replace("host=", "host=/nowhere"), secret.replace("/postgres?", "/nobody?")):
        with pytest.raises(InvalidArgument, match="cannot be reached") as error:
            blocks.read(wrong, table="t")
        assert "hunter2" not in str(error.value)


def test_a_longer_table_takes_no_more_memory(postgresql, run):
    run("CREATE TABLE t AS SELECT n, n * 0.5::float8 AS x, 'text ' || n AS s FROM generate_series(1, 200000) AS n")

    def peak(query):
        source = blocks.read(postgresql, query=query)
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        most = rows = 0
        for chunk in source.chunks(8_192):
            rows += chunk.num_rows
            most = max(most, pa.total_allocated_bytes() - before)
        tracemalloc.stop()
        return rows, most

    rows, short = peak("SELECT * FROM t LIMIT 60000")
    assert rows == 60_000
    rows, long = peak("SELECT * FROM t")
    assert rows == 200_000
    assert long < 2 * short + (8 << 20)


def test_answers_are_those_of_the_same_rows_in_memory(postgresql, run):
    run("CREATE TABLE t AS SELECT n AS id, sin(n)::float8 AS x, CASE WHEN sin(n) > 0 THEN 'yes' ELSE 'no' END AS label "
        "FROM generate_series(1, 200) AS n")  # fmt: skip
    source = blocks.read(postgresql, table="t")
    columns = blocks.preprocessors.Columns({"x": blocks.preprocessors.Standardize()})
    model = blocks.Model(columns, blocks.feature_extractors.MLP([4]), blocks.classifiers.Softmax("label"), seed=0)
    model.adapt(source)
    answers = model.predict(source)["probabilities"]
    assert np.array_equal(answers, model.predict(source.to_table())["probabilities"])


def test_rows_come_in_one_order_whichever_columns_are_read(postgresql, run):
    run("CREATE TABLE t (day int PRIMARY KEY, x text)")
    run("INSERT INTO t SELECT 20000 - n, repeat('x', 400) FROM generate_series(1, 20000) AS n")
    run("VACUUM ANALYZE t")  # an index holds the column that is read, and is smaller than the table
    source = blocks.read(postgresql, table="t")
    days = source.to_table()["day"].to_pylist()
    assert days == list(range(19_999, -1, -1))
    assert source.select(["day"]).to_table()["day"].to_pylist() == days
