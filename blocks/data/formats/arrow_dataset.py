"""`pyarrow.dataset.Dataset` objects: any format, partitioning and file system that Arrow can read."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from blocks.data.content_hash import content_hash
from blocks.data.schema import conform, natural_schema
from blocks.errors import MalformedData


class DatasetReader:
    """An Arrow dataset, read as often as is wanted; its own order of fragments and rows.

    Args:
        dataset: the rows.
    """

    ahead: bool = True

    def __init__(self, dataset: ds.Dataset) -> None:
        self._dataset = dataset
        self._schema = natural_schema(dataset.schema, self.description())

    @property
    def schema(self) -> pa.Schema:
        """The columns, those of partitions among them."""
        return self._schema

    def count(self) -> int | None:
        """Rows are counted by a pass: Arrow's count may read the files."""
        return None

    def filtered(self, expression: pc.Expression) -> "DatasetReader":
        """The rows that satisfy `expression`: Arrow leaves out fragments, and parts of them."""
        return DatasetReader(self._dataset.filter(expression))

    def fingerprint(self) -> dict[str, Any]:
        """A hash of the content: Arrow does not say of every dataset when its files were changed."""
        return {"format": "dataset", "content": content_hash(self._schema, self.chunks(65_536))}

    def description(self) -> str:
        """What the user gave."""
        return f"<pyarrow {type(self._dataset).__name__}>"

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows in the dataset's order; see `Reader`."""
        names = self._schema.names if columns is None else list(columns)
        target = pa.schema([self._schema.field(name) for name in names])
        try:
            # two batches ahead rather than Arrow's sixteen of four fragments: memory is a few chunks
            for batch in self._dataset.to_batches(
                columns=names, batch_size=rows, batch_readahead=2, fragment_readahead=1
            ):
                yield conform(batch, target, encoded=encoded)
        except (pa.ArrowException, OSError) as error:
            raise MalformedData(
                f"A dataset's files must be readable: {str(error).splitlines()[0][:300]}. Write them again, or leave "
                "them out."
            ) from error
