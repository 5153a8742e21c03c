"""What a search found, as an Arrow table and in words: each trial, how far it came, where the default ranked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from blocks.tuning.halving import DEFAULT
from blocks.tuning.trial_records import Record

METADATA = b"blocks.tuning"

SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("trial", pa.int64()),
        ("default", pa.bool_()),
        ("state", pa.string()),
        ("validation_loss", pa.float64()),
        ("weights_of", pa.string()),
        ("rungs", pa.int64()),
        ("rows", pa.int64()),
        ("epochs", pa.int64()),
        ("seconds", pa.float64()),
        ("parameters", pa.string()),
        ("error", pa.string()),
        ("test_loss", pa.float64()),
        ("test_low", pa.float64()),
        ("test_high", pa.float64()),
    ]
)


def trials_table(
    settings: Mapping[int, Mapping[str, Any]],
    records: Mapping[int, Mapping[str, Record]],
    finals: Mapping[int, tuple[str, Record]],
    refitted: Sequence[int],
    summary: Mapping[str, Any],
) -> pa.Table:
    """One row a trial, the best first, those without a loss last.

    Args:
        settings: By trial.
        records: By trial and rung, in the order of the rungs.
        finals: Of the trials that have a loss, the best first, the rung and record that they are ranked by.
        refitted: Which were judged after a whole `fit`.
        summary: What else is known, JSON: kept as the schema's metadata.
    """
    found, order = [], list(finals)
    for number in [*order, *sorted(set(settings) - set(order))]:
        by_rung = records.get(number, {})
        mine = list(by_rung.values())
        rung, final = finals.get(number, (None, None))
        failed = next((one.error for one in mine if one.error is not None), None)
        tested = summary.get("test", {}).get({DEFAULT: "default", **dict.fromkeys(order[:1], "best")}.get(number, ""))
        found.append(
            {
                "rank": order.index(number) + 1 if number in order else None,
                "trial": number,
                "default": number == DEFAULT,
                "state": _state(mine, failed, number in refitted, order[:1] == [number]),
                "validation_loss": None if final is None else final.loss,
                "weights_of": rung,
                "rungs": sum(name.isdecimal() and one.loss is not None for name, one in by_rung.items()),
                "rows": None if final is None else final.rows,
                "epochs": None if final is None else final.epochs,
                "seconds": sum(one.seconds for one in mine),
                "parameters": json.dumps(settings[number]),
                "error": failed,
                **dict(zip(("test_loss", "test_low", "test_high"), tested or (None,) * 3, strict=True)),
            }
        )
    table = pa.Table.from_pylist(found, SCHEMA)
    return table.replace_schema_metadata({METADATA: json.dumps(summary).encode()})


def _state(records: Sequence[Record], failed: str | None, refitted: bool, best: bool) -> str:
    if best:
        return "best"
    if failed is not None:
        return "failed"
    if refitted:
        return "refitted"
    return "out of time" if not records or records[-1].over else "stopped"


def summary_of(table: pa.Table) -> dict[str, Any]:
    """What the table knows beside its rows: "default_rank", "test", "row_passes" and what the search was told."""
    return dict(json.loads((table.schema.metadata or {}).get(METADATA, b"{}")))


def as_text(table: pa.Table, most: int = 10) -> str:
    """The best trials, and where the default ranked, in lines of at most 80 columns but for the settings.

    Args:
        table: As `blocks.tune` returned it.
        most: How many trials to show.
    """
    lines = ["rank trial state       validation    rows epochs seconds"]
    for row in table.slice(0, most).to_pylist():
        shown = [("-" if row[name] is None else str(row[name])) for name in ("rank", "rows", "epochs")]
        loss = "-" if row["validation_loss"] is None else f"{row['validation_loss']:.6g}"
        name = f"{row['trial']}{'*' if row['default'] else ''}"
        lines.append(
            f"{shown[0]:>4} {name:>5} {row['state']:<11} {loss:>10} {shown[1]:>7} {shown[2]:>6} {row['seconds']:>7.1f}"
        )
        lines.append(f"           {row['error'] or row['parameters']}")
    if len(table) > most:
        lines.append(f"     and {len(table) - most} more")
    known = summary_of(table)
    rank = known.get("default_rank")
    lines.append(f"* the default: {f'rank {rank} of {len(table)}' if rank else 'it failed'}")
    test = known.get("test") or {}
    for name in ("best", "default"):
        if name in test:
            value, low, high = test[name]
            lines.append(f"test loss of the {name}: {value:.6g} ({low:.6g} to {high:.6g})")
    if "difference" in test:
        value, low, high = test["difference"]
        verdict = "within noise" if low <= 0 <= high else "better" if value < 0 else "worse"
        lines.append(f"best less default: {value:.4g} ({low:.4g} to {high:.4g}), {verdict}")
    return "\n".join(lines)
