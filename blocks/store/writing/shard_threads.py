"""Threads that write shards while the caller produces rows: bounded queues, and errors told to the caller."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from blocks.files.place import Place
from blocks.store.formats.shard import Shard, ShardSettings
from blocks.store.writing.row_cutter import Block, RowCutter
from blocks.store.writing.shard_file import write_shard

_AHEAD = 4
_POLL = 0.1


class _Aborted(Exception):
    """The caller gave up; a worker stops and removes its temporary file."""


class Pipeline:
    """Feed blocks of rows to threads that write one shard each.

    Leaving the `with` block waits for every shard; on an error, shards whose rows have not all come are given up.

    Args:
        folder: where shards go.
        workers: how many threads.
        published: called by a thread with (split, index, shard) once the shard is on the disk.
    """

    def __init__(self, folder: Place, workers: int, published: Callable[[str, int, Shard], None]):
        self._folder, self._published = folder, published
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="blocks-store-write")
        self._abort = threading.Event()
        self._futures: list[Future[None]] = []

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abort.set()
        # Shards that have all their rows are finished even then.
        self._pool.shutdown(wait=True)
        if error is None:
            self._raise_failures()

    def write(
        self, split: str, index: int, settings: ShardSettings, cutter: RowCutter, report: Callable[[int], object]
    ) -> int:
        """Move the rows of one shard from the cutter to a thread; return how many there were.

        Args:
            split: the shard's.
            index: of the shard in its split.
            settings: how it is written.
            cutter: gives the rows.
            report: called with the rows of each block.
        """
        blocks: queue.Queue[Block | None] = queue.Queue(_AHEAD)
        self._futures.append(self._pool.submit(self._work, split, index, settings, blocks))
        rows = 0
        while rows < settings.rows_per_shard:
            block = cutter.take(min(settings.rows_per_chunk, settings.rows_per_shard - rows))
            if block is None:
                break
            count = len(next(iter(block.values())))
            self._put(blocks, block)
            report(count)
            rows += count
        self._put(blocks, None)
        return rows

    def _put(self, blocks: "queue.Queue[Block | None]", block: Block | None) -> None:
        while True:
            self._raise_failures()
            try:
                return blocks.put(block, timeout=_POLL)
            except queue.Full:
                continue

    def _raise_failures(self) -> None:
        for future in [future for future in self._futures if future.done()]:
            self._futures.remove(future)
            future.result()

    def _work(self, split: str, index: int, settings: ShardSettings, blocks: "queue.Queue[Block | None]") -> None:
        shard = write_shard(self._folder / settings.form.file_name(split, index), settings, self._drain(blocks))
        self._published(split, index, shard)

    def _drain(self, blocks: "queue.Queue[Block | None]") -> Iterator[Block]:
        while True:
            try:
                block = blocks.get(timeout=_POLL)
            except queue.Empty:
                if self._abort.is_set():
                    raise _Aborted from None
                continue
            if block is None:
                return
            yield block
