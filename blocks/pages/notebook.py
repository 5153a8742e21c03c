"""What a notebook shows of Arrow tables that blocks has made: HTML under a caption."""

import sys

import pyarrow as pa

from blocks.pages.content import Table
from blocks.pages.html_table import html_table

MOST_ROWS = 60
"""Rows of a table that are shown."""

CAPTION = b"blocks.caption"
"""What a table is called, in the metadata of its schema."""


def arrow_html(table: pa.Table, caption: str) -> str:
    """An Arrow table's first rows as HTML, for a notebook."""
    rows = [list(row.values()) for row in table.slice(0, MOST_ROWS).to_pylist()]
    if len(table) > MOST_ROWS:
        caption += f", the first {MOST_ROWS} of {len(table):,} rows"
    return html_table(Table(caption, table.column_names, rows))


def shown_by_notebooks(table: pa.Table, caption: str) -> pa.Table:
    """An Arrow table that a notebook shows as HTML, under a caption: elsewhere a table like any other.

    Where IPython runs, it is told how to show Arrow tables with this caption in their metadata; others it shows as
    before.
    """
    ipython = sys.modules.get("IPython")
    if ipython is not None and (shell := ipython.get_ipython()) is not None:
        shell.display_formatter.formatters["text/html"].for_type(pa.Table, _captioned_html)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), CAPTION: caption.encode()})


def _captioned_html(table: pa.Table) -> str | None:
    caption = (table.schema.metadata or {}).get(CAPTION)
    return None if caption is None else arrow_html(table, caption.decode())
