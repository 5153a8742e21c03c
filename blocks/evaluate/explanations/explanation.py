"""Explanation: what an answer of one row is made of, in raw columns; and the protocol of whatever explains."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from blocks.pages.content import Table
from blocks.pages.html_table import html_table

Predict = Callable[[pa.Table], np.ndarray]
"""Raw rows to the number that is explained, float64 (rows,)."""


FAITHFUL = 0.5
"""Fidelity below which an explanation tells too little of the model to be relied on."""

UNFAITHFUL = (
    "together the contributions tell little of how the model answers around this row "
    f"(fidelity under {FAITHFUL:g}): do not rely on them."
)


class Contribution(NamedTuple):
    """What one raw value adds to the answer.

    Args:
        column: The raw column.
        value: The row's value in it, None where it is missing; of a column of prose, one word of it, of a picture
            "region 7", of a window "steps 3 to 4 of 24".
        weight: How much higher the answer is for this value than for others of the background, in the answer's unit.
    """

    column: str
    value: Any
    weight: float


@dataclass(frozen=True, repr=False)
class Explanation:
    """A local linear model of an answer around one row.

    Args:
        contributions: The strongest first.
        intercept: The local model's answer when every value is another.
        local_prediction: The local model's answer for the row.
        prediction: The model's own answer for the row.
        fidelity: Weighted R2 of the local model around the row, at most 1: how far the contributions can be trusted.
        output: The answer that is explained.
        target: Its class, or None where the answer is one number.
        regions: Of columns of pictures: the region of each pixel, int32 (height, width); 0 for "region 1".

    Example:
        >>> found = Explanation((Contribution("age", 39, 0.25), Contribution("city", None, -0.5)), 0.5, 0.25, 0.3, 0.8)
        >>> found.contributions[0].column
        'age'
        >>> print(found)
        answer: 0.3, local model 0.25 (fidelity 0.80)
           +0.25  ##########            age = 39
            -0.5  ####################  city is missing
        intercept +0.5
    """

    contributions: tuple[Contribution, ...]
    intercept: float
    local_prediction: float
    prediction: float
    fidelity: float
    output: str = "answer"
    target: Any = None
    regions: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def top(self, count: int) -> list[str]:
        """The columns of the strongest contributions, each once, strongest first."""
        return list(dict.fromkeys(contribution.column for contribution in self.contributions))[:count]

    def to_arrow(self) -> pa.Table:
        """Columns `column` and `value` (text, null where missing) and `weight`, a row a contribution."""
        return pa.table(
            {
                "column": pa.array([found.column for found in self.contributions], pa.string()),
                "value": pa.array([_text(found.value) for found in self.contributions], pa.string()),
                "weight": pa.array([found.weight for found in self.contributions], pa.float64()),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but regions as JSON-able data; values that JSON has no form for as text."""
        return {
            "output": self.output,
            "target": _plain(self.target),
            "prediction": self.prediction,
            "local_prediction": self.local_prediction,
            "intercept": self.intercept,
            "fidelity": self.fidelity,
            "contributions": [
                {"column": found.column, "value": _plain(found.value), "weight": found.weight}
                for found in self.contributions
            ],
        }

    def _repr_html_(self) -> str:
        summary, *_ = repr(self).splitlines()
        caution = f"; caution: {UNFAITHFUL}" if self.fidelity < FAITHFUL else ""
        rows = [(one.column, "(missing)" if one.value is None else one.value, one.weight) for one in self.contributions]
        return html_table(Table(summary + caution, ("column", "value", "contribution"), rows))

    def __repr__(self) -> str:
        name = self.output if self.target is None else f"{self.output} of {self.target!r}"
        largest = max((abs(found.weight) for found in self.contributions), default=0.0) or 1.0
        lines = [
            f"{found.weight:+8.3g}  {'#' * round(20 * abs(found.weight) / largest):<20}  {_described(found)}"
            for found in self.contributions
        ]
        return "\n".join(
            [
                f"{name}: {self.prediction:.4g}, "
                f"local model {self.local_prediction:.4g} (fidelity {self.fidelity:.2f})",
                *lines,
                f"intercept {self.intercept:+.4g}",
                *([f"caution: {UNFAITHFUL}"] if self.fidelity < FAITHFUL else []),
            ]
        )


class Explainer(Protocol):
    """Whatever can explain one row. `blocks.evaluate.Lime` is one."""

    def explain(self, predict: Predict, row: pa.Table, background: pa.Table) -> Explanation:
        """Explain the answer of one row.

        Args:
            predict: Gives the number to explain for every row of a table with the columns of `row`.
            row: One raw row: the columns that the model reads.
            background: Other rows of the same schema.
        """
        ...


def _described(found: Contribution) -> str:
    if found.value is None:
        return f"{found.column} is missing"
    return f"{found.column} = {found.value if not isinstance(found.value, str) else repr(found.value)}"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else _text(value)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)
