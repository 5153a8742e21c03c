"""Loading one window of a stream: its chunks read, verified, and their rows permuted into fresh memory."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from blocks.errors import BlocksError
from blocks.store.formats.shard import Shard
from blocks.store.reading.array_pool import ArrayPool
from blocks.store.reading.chunk_reader import ChunkReader
from blocks.store.reading.order import Order
from blocks.store.stored_array import StoredArray, parted, together

Block = dict[str, Any]


class WindowLoader:
    """Load windows by (epoch, number), in any order and from any thread.

    Args:
        reader: of the store.
        chunks: (shard, chunk in the shard) of each chunk of the split.
        order: which rows come when.
        entries: what to load.
        row_bytes: of a row, on average where rows differ.
        kept: windows whose memory is used again once nobody sees it.

    Attributes:
        error: what ended a `tf.data.Dataset` of these windows, of which TensorFlow keeps the text alone.
    """

    def __init__(
        self,
        reader: ChunkReader,
        chunks: Sequence[tuple[Shard, int]],
        order: Order,
        entries: Sequence[StoredArray],
        row_bytes: int,
        kept: int,
    ):
        self._reader, self._chunks, self.order, self.entries = reader, chunks, order, entries
        self.row_bytes = row_bytes
        self._parts = parted(entries)
        self._pool = ArrayPool(kept)
        self.error: BlocksError | None = None
        self.windows = lru_cache(maxsize=2)(order.windows)

    def rows(self, epoch: int) -> list[int]:
        """Count the rows of each window of an epoch."""
        return [int(self.order.rows[chunks].sum()) for chunks in self.windows(epoch)]

    def load(self, epoch: int, number: int) -> Block:
        """Return the rows of a window, permuted.

        Raises:
            CorruptShard: a chunk is not what was written.
        """
        chunks = self.windows(epoch)[number]
        rows = int(self.order.rows[chunks].sum())
        permutation = self.order.permutation(epoch, number, rows)
        wanted = [self._chunks[chunk] for chunk in chunks.tolist()]
        parts = {part.name: self._pool.empty(part, self._count(wanted, part, rows)) for part in self._parts}
        self._reader.read_many(wanted, parts)
        block = together(parts, self.entries)
        if permutation is None:
            return block
        shuffled: Block = {}
        for entry in self.entries:
            if entry.sparse:
                shuffled[entry.name] = block[entry.name].take(permutation)
            else:
                shuffled[entry.name] = self._pool.empty(entry, rows)
                np.take(block[entry.name], permutation, axis=0, out=shuffled[entry.name], mode="clip")
        return shuffled

    def _count(self, chunks: Sequence[tuple[Shard, int]], part: StoredArray, rows: int) -> int:
        if not part.running:
            return rows
        return sum(self._reader.count_of(shard, chunk, part.name) for shard, chunk in chunks)

    def ahead(self, epoch: int, first: int, skip: int, *, threads: int) -> Iterator[Block]:
        """Give the windows of an epoch in order while `threads` following ones are being loaded.

        Args:
            epoch: whose windows.
            first: window to begin with.
            skip: rows of that window to leave out.
            threads: that load one window each; they end with the iterator.
        """
        count = len(self.windows(epoch))
        pending: deque[Future[Block]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="blocks-store-read") as pool:
            try:
                for number in range(first, count + threads):
                    if number < count:
                        pending.append(pool.submit(self.load, epoch, number))
                    if number >= first + threads and pending:
                        block = pending.popleft().result()
                        yield {name: array[skip:] for name, array in block.items()} if skip else block
                        skip = 0
            finally:
                for future in pending:
                    future.cancel()
