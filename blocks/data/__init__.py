"""Data: from files, tables and streams to Arrow record batches, in chunks, in order, in bounded memory.

`read` makes a `Source`; `Reader` is what a format implements. As what a column enters the graph lives in `raw_columns`;
statistics of columns in `blocks.statistics`.
"""

from blocks.data.formats.csv.rejects import REJECTS_SCHEMA
from blocks.data.read import as_source, read
from blocks.data.reader_protocol import Reader
from blocks.data.source import Source

__all__ = ["REJECTS_SCHEMA", "Reader", "Source", "as_source", "read"]
