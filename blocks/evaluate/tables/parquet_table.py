"""ParquetTable: a Parquet file that grows, whose schema's metadata is known only when all rows are in it."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


class ParquetTable:
    """Writes record batches, a row group each.

    The rows' own footer lies in the file too, but only the last one is read: it names the same row groups.

    Args:
        path: A file.
        schema: Of the batches.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema.remove_metadata()
        self._writer = pq.ParquetWriter(path, self._schema)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        rows = pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)
        self._writer.write_batch(rows, row_group_size=max(1, len(rows)))

    def finish(self, schema: pa.Schema) -> None:
        """Ends the file.

        Args:
            schema: The same, with the metadata.
        """
        self._writer.close()
        empty = io.BytesIO()
        pq.write_table(schema.empty_table(), empty)
        footer = pq.read_metadata(empty)
        footer.append_row_groups(pq.read_metadata(self._path))
        written = io.BytesIO()
        footer.write_metadata_file(written)
        with self._path.open("ab") as file:
            file.write(written.getbuffer()[4:])  # of a file of its own it would be the beginning

    def close(self) -> None:
        """Lets the file go, also where writing has failed."""
        self._writer.close()
