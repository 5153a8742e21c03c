"""Page: a report's content as one HTML document that needs nothing else, and asks for nothing."""

import re
from collections.abc import Sequence
from importlib.resources import files

from blocks.pages.content import Section, Table, format_value
from blocks.pages.isolation import isolated

LONG_WORD = 30
LONG_TEXT = 48


def page(title: str, subtitle: str, highlights: Sequence[tuple[str, str, str]], sections: Sequence[Section]) -> str:
    """The document.

    Args:
        title: Its title.
        subtitle: What it is of.
        highlights: Name, value and note of what stands on top.
        sections: In order.

    Returns:
        HTML. Names and values are escaped, whatever they hold.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files(__package__)
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: isolated(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["format_value"] = lambda value: breakable(format_value(value))
    template = environment.from_string((folder / "page.html.jinja").read_text())
    return template.render(
        title=title,
        subtitle=subtitle,
        highlights=highlights,
        sections=sections,
        style=Markup((folder / "page.css").read_text()),
        svg=Markup,
        kind=_kind,
    )


def breakable(text: str) -> str:
    """Text, escaped, in whose long words a line may break; a copy of it has no trace of that.

    Example:
        >>> print(breakable("<b> " + "x" * 40))
        &lt;b&gt; <wbr>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx<wbr>xxxxxxxxxx
    """
    from markupsafe import Markup, escape

    pieces = re.split(rf"(\S{{{LONG_WORD}}})(?=\S)", isolated(text))
    return Markup("<wbr>").join(escape(piece) for piece in pieces if piece)


def _kind(table: Table, place: int) -> str:
    """What a column of a table holds: numbers alone, long text, or neither; the first names the rows."""
    values = [row[place] for row in table.rows if row[place] is not None]
    if place and values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    return "long" if any(len(str(value)) > LONG_TEXT for value in values) else "text"
