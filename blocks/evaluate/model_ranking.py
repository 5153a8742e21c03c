"""Comparison: fits of several models, summed up over seeds and ranked by validation rows. Nothing is fitted here."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.pages.content import Table
from blocks.pages.html_table import html_table

RANKED_BY = "loss"
VALID, SPREAD = "valid_", "_spread"
COUNTS = ("parameters", "epochs", "seconds", "rows_per_second")


class Comparison:
    """What `compare` found: models in the order of their validation loss, best first.

    It prints every model's validation, and the test rows' metrics once: those of the model that validation chose. More
    looks at test rows would choose by them.

    Attributes:
        table: Arrow: `rank` (from 1; null without validation), `model`, for each metric its mean over seeds and its
            `_spread` (standard deviation, of n - 1), on the validation rows as `valid_METRIC` and on the test rows as
            `METRIC`, `parameters` that are trained, `epochs`, `seconds` a fit, and `rows_per_second` of training.
        runs: Arrow: the same of every single fit, with its `seed`, in the order of the fits.
    """

    def __init__(self, runs: pa.Table) -> None:
        self.runs = runs
        self.table = _summary(runs)
        self._ranked = f"{VALID}{RANKED_BY}" in runs.column_names

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        rows = self._cells()
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        left = [name in ("rank", "model") for name in rows[0]]
        lines = [
            "  ".join(
                cell.ljust(width) if is_left else cell.rjust(width)
                for is_left, cell, width in zip(left, row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *self._choice()])

    def _repr_html_(self) -> str:
        columns, *rows = self._cells()
        return html_table(Table(" ".join(self._choice()), columns, rows))

    def _cells(self) -> list[list[str]]:
        """What is shown: a row of names, and a row for each model."""
        judged = [name for name in _metrics(self.table) if name.startswith(VALID) or not self._ranked]
        columns = [*(["rank"] if self._ranked else []), "model", *judged, *COUNTS]
        names = ["rows/s" if name == "rows_per_second" else name for name in columns]
        return [names, *([_cell(name, row) for name in columns] for row in self.table.to_pylist())]

    def _choice(self) -> list[str]:
        """The line on the model that validation chose."""
        if not self._ranked:
            return []
        best = self.table.slice(0, 1).to_pylist()[0]
        measured = [name for name in _metrics(self.table) if not name.startswith(VALID)]
        on_test = ", ".join(f"{name} {_cell(name, best)}" for name in measured)
        return [f"on test rows, of the first alone: {best['model']}: {on_test}"]


def _metrics(table: pa.Table) -> list[str]:
    """The columns of metrics, without their spreads."""
    others = ("rank", "model", "seed", *COUNTS)
    return [name for name in table.column_names if name not in others and not name.endswith(SPREAD)]


def _summary(runs: pa.Table) -> pa.Table:
    rows = runs.to_pylist()
    metrics = _metrics(runs)
    found = []
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == name]
        line: dict[str, Any] = {"model": name}
        for metric in metrics:
            values = np.array([np.nan if row[metric] is None else row[metric] for row in mine], np.float64)
            line[metric] = float(values.mean())
            line[f"{metric}{SPREAD}"] = float(values.std(ddof=1)) if len(values) > 1 else None
        line["parameters"] = mine[0]["parameters"]
        line |= {count: float(np.mean([row[count] for row in mine])) for count in COUNTS[1:]}
        found.append(line)
    by = f"{VALID}{RANKED_BY}"
    if by in metrics:
        found.sort(key=lambda line: (np.isnan(line[by]), line[by]))
    for place, line in enumerate(found):
        line["rank"] = place + 1 if by in metrics else None
    types = {"model": pa.string(), "parameters": pa.int64(), "rank": pa.int64()}
    measured = [part for metric in metrics for part in (metric, f"{metric}{SPREAD}")]
    fields: Iterator[tuple[str, pa.DataType]] = (
        (name, types.get(name, pa.float64())) for name in ["rank", "model", *measured, *COUNTS]
    )
    return pa.Table.from_pylist(found, schema=pa.schema(list(fields)))


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value, spread = row[name], row.get(f"{name}{SPREAD}")
    if name in ("model", "rank"):
        return str(value)
    if name in ("parameters", "rows_per_second"):
        return f"{value:,.0f}"
    if name in ("epochs", "seconds"):
        return f"{value:.1f}"
    return f"{value:.4g}" if spread is None else f"{value:.4g} +-{spread:.2g}"
