"""A split of an opened store: what it holds, its rows in order, its streams. No writing here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blocks.arguments import check_whole_number, checked_methods
from blocks.errors import InvalidArgument
from blocks.store.content_digest import content_digest
from blocks.store.formats.shard import Shard
from blocks.store.reading.batches import Settings
from blocks.store.reading.chunk_reader import allocate
from blocks.store.reading.order import Order
from blocks.store.reading.shuffle_windows import WindowLoader
from blocks.store.reading.stream import Stream, restore
from blocks.store.rows import Rows
from blocks.store.stored_array import StoredArray, parted, together

if TYPE_CHECKING:
    from blocks.store.store import Store

WINDOW_ROWS, WINDOW_BYTES = 65_536, 32 << 20


@checked_methods()
class StoreSplit:
    """The rows of one split of a store. Made by `store[name]`.

    `blocks.Model.fit` takes it as it is; Keras' own `fit` takes `split.stream(...).dataset()`.
    """

    def __init__(self, name: str, store: "Store", shard: tuple[int, int] = (0, 1)):
        self.name = name
        self._store, self._shard = store, shard
        size = store.manifest.rows_per_chunk
        self._chunks: list[tuple[Shard, int]] = []
        self._rows: list[int] = []
        for part in store.manifest.splits[name]:
            for index, start in enumerate(range(0, part.rows, size)):
                self._chunks.append((part, index))
                self._rows.append(min(size, part.rows - start))

    def __repr__(self) -> str:
        return f"StoreSplit({self.name}: {self.rows} rows)"

    def __reduce__(self) -> Any:
        """Pickle the store, which is its path alone."""
        return StoreSplit, (self.name, self._store, self._shard)

    def __len__(self) -> int:
        return self.rows

    @property
    def rows(self) -> int:
        """How many rows there are, for this worker where `shard` was called."""
        return sum(self._rows[self._shard[0] :: self._shard[1]])

    @property
    def row_bytes(self) -> int:
        """Bytes of a row without its keys, at least 1; on average where sparse rows differ."""
        parts = [part for entry in self.entries if not entry.is_key for part in entry.parts]
        running = {part.name: part.row_bytes() for part in parts if part.running}
        values = sum(
            size * sum(s.widths[n]) for s in self._store.manifest.splits[self.name] for n, size in running.items()
        )
        mean = -(-values // max(sum(self._rows), 1))
        return max(1, mean + sum(part.row_bytes() for part in parts if not part.running))

    @property
    def entries(self) -> tuple[StoredArray, ...]:
        """The arrays that are stored: "features/...", "target", "weight", "keys/..."."""
        return self._store.manifest.entries

    @property
    def spec(self) -> Any:
        """What the writer said of the features."""
        return self._store.manifest.spec

    @property
    def metadata(self) -> Any:
        """What else the writer said: class names, priors."""
        return self._store.manifest.metadata

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the store was made from."""
        return self._store.manifest.fingerprint

    def require(self, **parts: Any) -> None:
        """Refuse to be used with something that the store was not made from.

        Args:
            parts: parts of the fingerprint, as JSON; those not given are not compared.

        Raises:
            StoreMismatch: naming the parts that differ.
        """
        self._store.require(**parts)

    @property
    def identity(self) -> str:
        """A digest of the store's manifest."""
        return self._store.identity

    @property
    def content(self) -> str:
        """A digest of the rows of all of the store's splits: the same whatever files they were made of, and when."""
        return content_digest(self._store.manifest)

    def shard(self, index: int, count: int) -> "StoreSplit":
        """Take every `count`-th chunk, beginning with number `index`: together the workers see each row once an epoch.

        Args:
            index: this worker's, from 0.
            count: how many workers share the split.

        Returns:
            A split of about `rows / count` rows; of one that is a worker's already, a part of its rows. Parts are of
            whole chunks (`rows_per_chunk`, 8,192 rows unless precompute was told), so their sizes differ by one at
            most, and there are none for workers beyond the number of chunks.
        """
        index, count = check_whole_number("index", index), check_whole_number("count", count, 1)
        if index >= count:
            raise InvalidArgument(f"shard needs 0 <= index < count. Received: index={index}, count={count}.")
        first, step = self._shard
        shard = (first + step * index, step * count)
        return StoreSplit(self.name, self._store, shard)

    def chunks(self, entries: Sequence[str] | None = None, start: int = 0) -> Iterator[Rows]:
        """Read the rows in the source's order, keys included, one verified chunk at a time.

        Args:
            entries: names of those to read, all by default.
            start: number of the first chunk.

        Yields:
            `Rows` of at most `rows_per_chunk` rows.

        Raises:
            CorruptShard: a chunk is not what was written.
        """
        names = [entry.name for entry in self.entries]
        if isinstance(entries, str) or not set(entries or ()) <= set(names):
            raise InvalidArgument(f"entries must be of {names}, in a list. Received: {entries!r}.")
        chosen = [entry for entry in self.entries if entries is None or entry.name in entries]
        for number in range(self._shard[0], len(self._chunks), self._shard[1])[start:]:
            part, index = self._chunks[number]
            arrays = allocate(self._store.reader, part, index, chosen)
            self._store.reader.read(part, index, arrays)
            yield Rows.from_flat(together(arrays, chosen))

    def read(self, entries: Sequence[str] | None = None) -> Rows:
        """Read all rows into memory, in the source's order.

        Args:
            entries: names of those to read, all by default.
        """
        parts = [rows.flat() for rows in self.chunks(entries)]
        chosen = [entry for entry in self.entries if entries is None or entry.name in entries]
        if not parts:
            nothing = {part.name: part.empty(0) for part in parted(chosen)}
            return Rows.from_flat(together(nothing, chosen))
        return Rows.from_flat({entry.name: np.concatenate([part[entry.name] for part in parts]) for entry in chosen})

    def stream(
        self,
        batch_size: int = 1024,
        shuffle: bool = True,
        seed: int = 0,
        *,
        window: int | None = None,
        drop_remainder: bool = False,
        repeat: bool = False,
        epoch: int = 0,
        batch: int = 0,
        position: Mapping[str, Any] | None = None,
        threads: int = 2,
    ) -> Stream:
        """Give minibatches, shuffled by the seed alone.

        The order of chunks is permuted, then the rows within each window of chunks. Every chunk's checksum is verified
        each time it is read. The order is NumPy's PCG64's: the same wherever `Generator.permutation` is.

        Args:
            batch_size: rows of a batch.
            shuffle: whether to permute; otherwise rows come in the source's order.
            seed: a non-negative integer.
            window: chunks whose rows are mixed; None for 65,536 rows and at most 32 MiB of them. More mixes better,
                and takes memory in proportion.
            drop_remainder: leave out an epoch's last batch where it is smaller.
            repeat: go on with the next epoch, without end.
            epoch: number of the first epoch; each has an order of its own.
            batch: number of the first batch of that epoch.
            position: what a stream of the same store and arguments said, to go on from there, in place of `epoch` and
                `batch`.
            threads: that read ahead, one window each; they change the speed alone.

        Returns:
            A `Stream`.

        Raises:
            InvalidArgument: an argument is outside what is said above, or the position is of other arguments.
            StoreMismatch: the position is of another store.
        """
        batch_size, threads = check_whole_number("batch_size", batch_size, 1), check_whole_number("threads", threads, 1)
        seed, epoch, batch = (
            check_whole_number("seed", seed),
            check_whole_number("epoch", epoch),
            check_whole_number("batch", batch),
        )
        shuffle, drop_remainder, repeat = bool(shuffle), bool(drop_remainder), bool(repeat)
        entries = [entry for entry in self.entries if not entry.is_key]
        row = self.row_bytes
        if window is None:
            window = max(1, min(WINDOW_ROWS, WINDOW_BYTES // row) // self._store.manifest.rows_per_chunk)
        else:
            window = check_whole_number("window", window, 1, otherwise="or None")
        settings = Settings(
            self._store.identity, self.name, batch_size, shuffle, seed, window, drop_remainder, repeat, self._shard
        )
        if position is not None:
            epoch, batch = restore(position, settings)
        order = Order(self._rows, shuffle=shuffle, seed=seed, window=window, shard=self._shard)
        loader = WindowLoader(self._store.reader, self._chunks, order, entries, row, kept=2 * threads + 1)
        return Stream(loader, settings, threads, epoch, batch, split=self)
