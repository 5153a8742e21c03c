"""Division record: how the rows of a part came to be, as JSON holds it, so that the same rows can be divided off again.

No row's value is in it, but where parts follow each other in time: their first and last times are what was asked for.
"""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.source_steps import Step
from blocks.data.splitting.by_time import BEYOND, FIRST, Spans
from blocks.data.splitting.durations import nanoseconds


@dataclasses.dataclass(frozen=True)
class DivisionRecord:
    """A call that divided a source, and the part that a source is of it.

    Args:
        method: "split", "folds" or "sample".
        arguments: The call's.
        steps: Of each part, by name.
        schema: Of the rows.
        digest: Gives a digest of the source that was divided, or None.
        part: The part's name; "" of a sample.
        fold: The fold's position, of folds.
    """

    method: str
    arguments: Mapping[str, Any]
    steps: Mapping[str, Step]
    schema: pa.Schema
    digest: Callable[[], str | None]
    part: str = ""
    fold: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The record: method, arguments, part, fold, source, and of each part its times and purged rows."""
        made: dict[str, Any] = {
            "method": self.method,
            "arguments": {name: _plain(name, value) for name, value in self.arguments.items() if value is not None},
        }
        if self.part:
            made["part"] = self.part
        if self.fold is not None:
            made["fold"] = self.fold
        if (digest := self.digest()) is not None:
            made["source"] = digest
        if spans := {name: step for name, step in self.steps.items() if isinstance(step, Spans)}:
            made["parts"] = {name: _times(step, self.schema.field(step.column).type) for name, step in spans.items()}
        return made


def in_words(record: Mapping[str, Any]) -> str:
    """A record's JSON in words: the call, and which part.

    Example:
        >>> in_words({"method": "split", "arguments": {"train": 0.8, "test": 0.2, "seed": 0}, "part": "train"})
        "split(train=0.8, test=0.2, seed=0)['train']"
    """
    arguments = dict(record.get("arguments", {}))
    count = [repr(arguments.pop("count"))] if "count" in arguments else []
    call = ", ".join([*count, *(f"{name}={value!r}" for name, value in arguments.items())])
    fold = f"[{record['fold']}]" if "fold" in record else ""
    part = f"[{record['part']!r}]" if "part" in record else ""
    purged = record.get("parts", {}).get(record.get("part"), {}).get("purged")
    return f"{record.get('method')}({call}){fold}{part}" + (f", {purged:,} rows purged" if purged else "")


def _plain(name: str, value: Any) -> Any:
    """An argument as JSON holds it, and as the call takes it again."""
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return f"{nanoseconds(value, name)}ns"
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, list | tuple) else value


def _times(step: Spans, kind: pa.DataType) -> dict[str, Any]:
    """When a part's rows begin and end, and how many were kept and left out."""
    spans = [[_time(low, kind), _time(high, kind)] for low, high in step.spans]
    return {"times": spans, "rows": step.rows, "purged": step.purged}


def _time(count: int, kind: pa.DataType) -> Any:
    """A count of a column's units as text, as a number of a column of numbers; None without an end."""
    if not FIRST < count < BEYOND:
        return None
    if pt.is_integer(kind):
        return count
    counted = pa.array([count], pa.int32() if pt.is_date32(kind) else pa.int64())
    return str(counted.cast(kind).cast(pa.string())[0])
