"""What is expected of one column. How it is inferred, written and checked against rows does not live here."""

import dataclasses
import math
from typing import Any

from blocks.errors import InvalidArgument
from blocks.inspection.column_kinds import TYPES, Holds

Number = int | float


@dataclasses.dataclass
class ColumnSchema:
    """What is expected of a column: plain attributes, to be read and set.

    Attributes:
        kind: What its values are: "text", "bytes", "integer", "boolean", "number", "date", "timestamp",
            "timestamp with zone", "time of day", "duration", "nested" or "unknown", which is any.
        is_list: Whether a row holds any number of values.
        min_fraction: Share of rows that have a value, at least, from 0 to 1; at 0 the column may be absent altogether.
        min_values: Values of a row's list, at least; None for any number.
        max_values: Values of a row's list, at most; None for any number.
        min: Least number, for integers and numbers; None for any.
        max: Largest number.
        allow_infinite: Whether numbers may be infinite.
        domain: The only texts expected; None for any.
        min_domain_mass: Share of the values that are of the domain, at least, from 0 to 1.

    Example:
        >>> ColumnSchema("integer", min_fraction=1.0, min=0, max=120)
        <INT (integer), min_fraction 1, 0 to 120>
    """

    kind: str
    is_list: bool = False
    min_fraction: float = 0.0
    min_values: int | None = None
    max_values: int | None = None
    min: Number | None = None
    max: Number | None = None
    allow_infinite: bool = True
    domain: list[str] | None = None
    min_domain_mass: float = 1.0

    @property
    def type(self) -> str:
        """The type in TensorFlow Metadata's words: BYTES, INT, FLOAT, STRUCT or TYPE_UNKNOWN."""
        return self.holds.type

    @property
    def holds(self) -> Holds:
        """Its kind, and whether a row holds several."""
        return Holds(self.kind, self.is_list)

    def problem(self) -> str | None:
        """The first thing in it that makes no sense; None where all does."""
        if not isinstance(self.kind, str) or self.kind not in TYPES:
            return f"kind is one of {', '.join(TYPES)}, received {self.kind!r}"
        for name in ("is_list", "allow_infinite"):
            if not isinstance(getattr(self, name), bool):
                return f"{name} is True or False, received {getattr(self, name)!r}"
        for name in ("min_fraction", "min_domain_mass"):
            if not (_is_number(getattr(self, name)) and 0 <= getattr(self, name) <= 1):
                return f"{name} is from 0 to 1, received {getattr(self, name)!r}"
        for name in ("min_values", "max_values"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and _is_number(value) and value >= 0):
                return f"{name} is a whole number from 0, or None, received {value!r}"
            if value is not None and not self.is_list:
                return f"{name} is of lists alone, received {value!r}"
        for name in ("min", "max"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and math.isfinite(value)):
                return f"{name} is a finite number, or None, received {value!r}"
            if value is not None and self.kind not in ("integer", "number"):
                return f"{name} is of integers and numbers alone, received {value!r} of {self.kind}"
        for low, high in (("min", "max"), ("min_values", "max_values")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                return f"{low} is at most {high}, received {least!r} and {most!r}"
        return self._problem_of_domain()

    def _problem_of_domain(self) -> str | None:
        if self.domain is None:
            return None
        if self.kind not in ("text", "bytes"):
            return f"domain is of text alone, received one of {self.kind}"
        if not isinstance(self.domain, list) or not all(isinstance(token, str) for token in self.domain):
            return f"domain is a list of strings, or None, received {_short(self.domain)}"
        if len(set(self.domain)) != len(self.domain):
            return "domain holds each text once"
        return None

    def require_sense(self, name: str) -> None:
        """Refuse what makes no sense.

        Raises:
            InvalidArgument: Naming the column and the attribute.
        """
        if (problem := self.problem()) is not None:
            raise InvalidArgument(f"The schema of column {name!r} makes no sense: {problem}.")

    def values(self) -> str:
        """Which values are expected, in words; "" for any."""
        if (problem := self.problem()) is not None:
            return f"makes no sense: {problem}"
        said = []
        if self.min is not None or self.max is not None:
            ends = (self.min is None, self.max is None)
            text = {(False, False): "{} to {}", (False, True): "{} at least", (True, False): "{1} at most"}[ends]
            said.append(text.format(*(None if end is None else f"{end:,}" for end in (self.min, self.max))))
        if not self.allow_infinite:
            said.append("finite")
        if self.domain is not None:
            shown = ", ".join(map(_short, self.domain[:5]))
            more = f" and {len(self.domain) - 5} more" if len(self.domain) > 5 else ""
            said.append(f"{shown}{more}" + (f" ({self.min_domain_mass:.4g})" if self.min_domain_mass < 1 else ""))
        if self.min_values is not None or self.max_values is not None:
            said.append(
                f"{self.min_values or 0} to {'any number' if self.max_values is None else self.max_values} a row"
            )
        return ", ".join(said)

    def __repr__(self) -> str:
        sound = self.problem() is None
        parts = [str(self.holds), f"min_fraction {self.min_fraction:.4g}"] if sound else ["ColumnSchema"]
        return f"<{', '.join([*parts, *filter(None, [self.values()])])}>"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
