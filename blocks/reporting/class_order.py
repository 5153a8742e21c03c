"""Classes of a classifier in the order in which a reader wants them: told worst first, or of most rows."""

from dataclasses import dataclass

from blocks.evaluate.metric_table import metrics
from blocks.evaluate.scoring.summed_table import FEW
from blocks.reporting.report_input import ReportInput
from blocks.targets.description import HeadDescription


@dataclass(frozen=True)
class JudgedClass:
    """A class, or a label that may be true beside others.

    Args:
        name: As in the names of metrics.
        rows: Judged rows that are of it.
        average_precision: Of its probability; None where it is undefined.
    """

    name: str
    rows: int
    average_precision: float | None


def judged_classes(report_input: ReportInput, head: HeadDescription) -> list[JudgedClass]:
    """A head's classes by falling number of rows; none where there are two, or too many to list."""
    metric = head.prefixed("average_precision")
    found = metrics(report_input.table, bootstrap=0, metrics=[metric]).to_pylist()
    classes = [
        JudgedClass(row["metric"].partition("[")[2].removesuffix("]"), row["rows"], row["value"])
        for row in found
        if row["metric"].startswith(f"{metric}[")
    ]
    return sorted(classes, key=lambda one: -one.rows)


def worst_first(classes: list[JudgedClass]) -> list[JudgedClass]:
    """By rising average precision; what is of few rows, of which little can be said, comes last."""
    return sorted(classes, key=lambda one: (one.average_precision is None, one.rows < FEW, one.average_precision or 0))
