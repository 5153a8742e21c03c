"""One table of every kind of column, and what tests of writing have in common; loaded by them as a file."""

import datetime
import decimal
import re
import warnings

import numpy as np
import pyarrow as pa

from blocks.errors import BlocksWarning, SchemaMismatch

DAY, MOMENT = datetime.date(1900, 2, 28), datetime.datetime(2024, 2, 29, 12, 30, 0, 5)

HARD = pa.table(
    {
        "s": ["", None, 'a,b\t"q"', "line\r\nbreak", "NA", " é\\ "],
        "zip": ["00501", "10115", None, "1", "2", "3"],
        "i": [1, None, -(2**63), 2**63 - 1, 0, 5],
        "f": [1.5, None, float("inf"), -0.0, 5e-324, 0.1],
        "f32": pa.array([0.1, None, 3, 4, 5, 6], pa.float32()),
        "f16": pa.array([np.float16(0.5), None, *[np.float16(3)] * 4], pa.float16()),
        "u8": pa.array([1, None, 255, 0, 0, 0], pa.uint8()),
        "u64": pa.array([1, None, 2**64 - 1, 0, 0, 0], pa.uint64()),
        "yes": [True, None, False, True, True, False],
        "day": pa.array([DAY, None, *[DAY] * 4]),
        "d64": pa.array([DAY, None, *[DAY] * 4], pa.date64()),
        "at": pa.array([MOMENT, None, *[MOMENT] * 4], pa.timestamp("us")),
        "ns": pa.array([MOMENT, None, *[MOMENT] * 4], pa.timestamp("ns")),
        "zone": pa.array([MOMENT, None, *[MOMENT] * 4], pa.timestamp("us", "Europe/Oslo")),
        "time": pa.array([MOMENT.time(), None, *[MOMENT.time()] * 4], pa.time64("us")),
        "took": pa.array([datetime.timedelta(days=1, microseconds=5), None, *[datetime.timedelta()] * 4]),
        "price": pa.array(
            [decimal.Decimal("-99999999.99"), None, *[decimal.Decimal("1.10")] * 4], pa.decimal128(10, 2)
        ),
        "wide": pa.array([decimal.Decimal(10) ** 49, None, *[decimal.Decimal(0)] * 4], pa.decimal256(52, 2)),
        "large": pa.array(["a", None, *["b"] * 4], pa.large_string()),
        "bytes": pa.array([b"\0\xff", None, b"", b"a\nb", b"c", b"d"]),
        "list": [[1, None], None, [], [2], [3], [4]],
        "pair": pa.array([[1, 2], None, [3, 4], [5, None], [0, 0], [0, 0]], pa.list_(pa.float32(), 2)),
        "struct": [{"a": 1, "b": [""]}, None, {"a": None, "b": None}, *[{"a": 2, "b": [None]}] * 3],
        "map": pa.array([[("k", 1)], None, *[[]] * 4], pa.map_(pa.string(), pa.int64())),
        "words": pa.array(["x", None, "y", "x", "x", "y"]).dictionary_encode(),
        "none": pa.nulls(6),
        'odd "name",\té': [1, 2, 3, 4, 5, 6],
    }
)


def written(source, *args, **kwargs):
    """What comes back, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", BlocksWarning)
        made = source.write(*args, **kwargs)
    return made, [str(one.message) for one in said]


def what_is_held(source, *args, **kwargs):
    """The columns that a target refuses, each by its name and with what to do; the others; and what `written` gives."""
    refused = []
    while True:
        held = source.select([name for name in source.schema.names if name not in refused])
        try:
            return set(refused), held, *written(held, *args, **kwargs)
        except SchemaMismatch as error:
            message = str(error)
        name = next(name for name in held.schema.names if f"column {name!r}" in message)
        assert re.search(r"Write an? \.(parquet|arrow)", message)
        refused.append(name)


def same(found, expected):
    """Whether tables are equal, NaN and all."""
    return found.schema.equals(expected.schema) and [*map(repr, found.to_pylist())] == [
        *map(repr, expected.to_pylist())
    ]


class Interrupted:
    """Rows that end with Ctrl-C."""

    schema = pa.schema([("x", pa.int64())])

    def chunks(self, rows):
        yield pa.record_batch({"x": list(range(70_000))})
        raise KeyboardInterrupt
