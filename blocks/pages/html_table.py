"""Tables as HTML, on a page and in a notebook. Names and values are escaped, whatever they hold."""

import re
from typing import Any

from blocks.pages.content import Table, format_value
from blocks.pages.writing_direction import isolated

LONG_WORD = 30
LONG_TEXT = 48


def html_table(table: Table) -> str:
    """A `table` element with its caption.

    Example:
        >>> print(html_table(Table("By <group>", ["group", "value"], [["a", 0.25]])))
        <table>
        <caption>By &lt;group&gt;</caption>
        <thead><tr>
        <th scope="col" class="text">group</th><th scope="col" class="number">value</th>
        </tr></thead>
        <tbody>
        <tr><th scope="row" class="text">a</th><td class="number">0.25</td></tr>
        </tbody>
        </table>
    """
    from markupsafe import Markup, escape

    kinds = [_kind(table, place) for place in range(len(table.columns))]
    cells = ['<th scope="row" class="{}">{}</th>', *['<td class="{}">{}</td>'] * (len(kinds) - 1)]
    heads = (
        f'<th scope="col" class="{kind}">{breakable(format_value(name))}</th>'
        for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = (
        "".join(
            cell.format(kind, breakable(format_value(value)))
            for cell, kind, value in zip(cells, kinds, row, strict=True)
        )
        for row in table.rows
    )
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    caption = escape(isolated(table.caption))
    return Markup(
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>\n{''.join(heads)}\n</tr></thead>\n"
        f"<tbody>\n{body}</tbody>\n</table>"
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
    values: list[Any] = [row[place] for row in table.rows if row[place] is not None]
    if place and values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    return "long" if any(len(str(value)) > LONG_TEXT for value in values) else "text"
