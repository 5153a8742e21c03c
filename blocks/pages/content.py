"""Content: a report before it has a form: sections of text, tables and figures. The same is its JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

ABSENT = "\N{EN DASH}"
"""What the page has in place of nothing."""


@dataclass(frozen=True)
class Table:
    """Rows under a caption.

    Args:
        caption: What the rows are.
        columns: Their names.
        rows: Numbers, text, booleans, or None for what is not there.
        wide: Whether it takes the whole width, as tables of many columns do.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    wide: bool = False

    def to_json(self) -> dict[str, Any]:
        """Caption, columns and rows, as numbers."""
        return {
            "caption": self.caption,
            "columns": list(self.columns),
            "rows": [[plain(value) for value in row] for row in self.rows],
        }


@dataclass(frozen=True)
class Point:
    """One of several things to say, with how grave it is.

    Args:
        severity: "error", "warning" or "note".
        title: What it is, in a few words.
        text: A sentence.
        advice: What to do about it.
    """

    severity: str
    title: str
    text: str
    advice: str


@dataclass(frozen=True)
class Figure:
    """A drawing under a caption.

    Args:
        caption: What it shows.
        svg: The drawing.
        description: What is to be seen, in words, for who does not see it.
    """

    caption: str
    svg: str
    description: str


@dataclass
class Section:
    """A part of the report.

    Args:
        id: Its name in links and in the JSON.
        title: Its heading.
        text: Paragraphs; in place of all else where a part is left out.
        points: What there is to say, the gravest first.
        tables: In order.
        figures: In order; they show numbers that stand in the JSON too.
        parts: Sections within.
        numbers: Further numbers for the JSON alone: those of figures.
    """

    id: str
    title: str
    text: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    parts: list["Section"] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All but the drawings."""
        found: dict[str, Any] = {"title": self.title, "text": self.text}
        if self.points:
            found["points"] = [asdict(point) for point in self.points]
        found["tables"] = [table.to_json() for table in self.tables]
        found["figures"] = [{"caption": one.caption, "description": one.description} for one in self.figures]
        found["numbers"] = plain(self.numbers)
        return {**found, "parts": {part.id: part.to_json() for part in self.parts}}


def flat(section: Section) -> Section:
    """A section whose only part is nameless, in one."""
    if len(section.parts) == 1:
        part = section.parts.pop()
        section.text += part.text
        section.tables, section.figures, section.numbers = part.tables, part.figures, part.numbers
    return section


def plain(value: Any) -> Any:
    """A value as JSON has it; a number that is not finite is null.

    Example:
        >>> plain({"a": float("nan"), "b": (1, "x", None)})
        {'a': None, 'b': [1, 'x', None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def format_value(value: Any) -> str:
    """A value as the page has it: numbers to four significant digits, whole ones in full.

    Example:
        >>> [format_value(value) for value in (0.123456, 12345, 1234567.8, None, True, 3.0, 1e-9)]
        ['0.1235', '12,345', '1,234,568', '–', 'yes', '3', '1e-09']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        whole = value.is_integer() or abs(value) >= 1e4
        return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)
