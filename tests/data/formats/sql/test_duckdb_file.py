"""DuckDB's files: their tables and queries, typed as they are."""

import decimal

import pyarrow as pa
import pytest

import blocks
from blocks.errors import InvalidArgument, MalformedData

duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*queries):
        with duckdb.connect("shop.db") as connection:
            for query in queries:
                connection.execute(query)

    return run


def test_tables_and_queries(shop):
    shop(
        "CREATE TABLE t (i INTEGER, n DECIMAL(8, 2), s VARCHAR, moment TIMESTAMP, l INTEGER[], u HUGEINT)",
        "INSERT INTO t SELECT NULL, NULL, NULL, NULL, NULL, NULL FROM range(3000)",
        "INSERT INTO t VALUES (1, 2.5, 'é', '2024-02-29 12:30', [1, 2], 7)",
    )
    source = blocks.read("duckdb:///shop.db", table="t")
    kinds = [pa.int32(), pa.decimal128(8, 2), pa.string(), pa.timestamp("us"), pa.list_(pa.int32())]
    assert source.schema.types[:5] == kinds
    for size in (1_000, 65_536):
        table = pa.Table.from_batches(list(source.chunks(size)))
        assert [column.null_count for column in table.columns] == [3_000] * 6
        assert table.slice(3_000).select(["i", "n", "s", "l"]).to_pylist() == [
            {"i": 1, "n": decimal.Decimal("2.50"), "s": "é", "l": [1, 2]}
        ]
    found = blocks.read("duckdb:///shop.db", query="SELECT count(i) AS n, s FROM t GROUP BY s ORDER BY s;")
    assert found.to_table().to_pylist() == [{"n": 1, "s": "é"}, {"n": 0, "s": None}]
    typed = blocks.read("duckdb:///shop.db", table="t", column_types={"i": "float64"})
    assert typed.schema.field("i").type == pa.float64()


def test_what_is_wrong_is_said(shop, tmp_path):
    shop("CREATE TABLE t AS SELECT 1 AS x")
    with pytest.raises(InvalidArgument, match=r"Its tables: t\. A query is one SELECT"):
        blocks.read("duckdb:///shop.db", table="nobody")
    for query in ("SELECT 1; SELECT 2", "DELETE FROM t"):
        with pytest.raises(InvalidArgument, match="A query is one SELECT"):
            blocks.read("duckdb:///shop.db", query=query)
    with pytest.raises(InvalidArgument, match="where there is none"):
        blocks.read("duckdb:///nobody.db", table="t")
    (tmp_path / "text.db").write_text("no database " * 500)
    with pytest.raises(MalformedData, match="Is it a DuckDB database"):
        blocks.read("duckdb:///text.db", table="t")
    source = blocks.read("duckdb:///shop.db", table="t")
    assert source.count() == 1
    shop("INSERT INTO t VALUES (2)")
    with pytest.raises(MalformedData, match="has changed since it was read first"):
        source.count()
    assert blocks.read("duckdb:///shop.db", query="SELECT 1 AS a, 2 AS a").schema.names == ["a", "a_1"]
