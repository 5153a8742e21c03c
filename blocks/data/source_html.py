"""A source as a notebook shows it: its columns with their types, and its first rows; every name and value escaped."""

from collections.abc import Iterable
from html import escape
from typing import Any, Final

import pyarrow as pa

from blocks.pages.writing_direction import isolated

COLUMNS: Final = 20
LENGTH: Final = 60
"""Characters of a value."""


def source_html(title: str, schema: pa.Schema | None, rows: pa.Table | None) -> str:
    """The HTML.

    Args:
        title: what the source is.
        schema: its columns, of which the first 20 are shown; None if they are not known yet.
        rows: some of them, or None.

    Example:
        >>> source_html("<people>", pa.schema([("age", pa.int64())]), pa.table({"age": [3]})).partition("</p>")[0]
        '<p>&lt;people&gt;, 1 column'
    """
    title = escape(isolated(title))
    if schema is None:
        return f"<p>{title}, not read yet</p>"
    shown = schema.names[:COLUMNS]
    more = f", the first {COLUMNS} shown" if len(schema) > COLUMNS else ""
    head = [_line("th", shown), _line("td", [schema.field(name).type for name in shown])]
    body = [] if rows is None else [_line("td", row.values()) for row in rows.select(shown).to_pylist()]
    return (
        f"<p>{title}, {len(schema)} column{'s' * (len(schema) != 1)}{more}</p>"
        f"<table><thead>{''.join(head)}</thead><tbody>{''.join(body)}</tbody></table>"
    )


def _line(tag: str, values: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(value)}</{tag}>' for value in values)}</tr>"


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return escape(isolated(text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"))
