"""An opened store and its splits: what they hold, their rows in order, their streams. No writing here."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blocks.arguments import check_whole_number, checked, checked_methods
from blocks.errors import InvalidArgument, StoreMismatch
from blocks.files.place import Place, place
from blocks.store import integrity, manifest
from blocks.store.formats.shard import Shard
from blocks.store.manifest import Manifest
from blocks.store.reading.batches import Settings
from blocks.store.reading.chunk_reader import ChunkReader, allocate
from blocks.store.reading.order import Order
from blocks.store.reading.shuffle_windows import WindowLoader
from blocks.store.reading.stream import Stream, restore
from blocks.store.rows import Rows, SplitPlan, StoredArray, parted, together
from blocks.store.writing import write as writing

WINDOW_ROWS, WINDOW_BYTES = 65_536, 32 << 20

Planner = Callable[[Any, Sequence[str]], SplitPlan]


@checked_methods()
class StoreSplit:
    """The rows of one split of a store. Made by `store[name]`.

    `blocks.Model.fit` takes it as it is; Keras' own `fit` takes `split.stream(...).dataset()`.
    """

    def __init__(
        self,
        name: str,
        folder: Place,
        content: Manifest,
        identity: str,
        reader: ChunkReader,
        shard: tuple[int, int] = (0, 1),
    ):
        self.name = name
        self._folder, self._content, self._identity, self._shard = folder, content, identity, shard
        self._reader = reader
        size = content.rows_per_chunk
        self._chunks: list[tuple[Shard, int]] = []
        self._rows: list[int] = []
        for part in content.splits[name]:
            for index, start in enumerate(range(0, part.rows, size)):
                self._chunks.append((part, index))
                self._rows.append(min(size, part.rows - start))

    def __repr__(self) -> str:
        return f"StoreSplit({self.name}: {self.rows} rows)"

    def __reduce__(self) -> Any:
        """Pickle the path alone, so that another process opens the store for itself."""
        return _split_again, (os.fspath(self._folder), self._identity, self.name, self._shard)

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
        values = sum(size * sum(s.widths[n]) for s in self._content.splits[self.name] for n, size in running.items())
        mean = -(-values // max(sum(self._rows), 1))
        return max(1, mean + sum(part.row_bytes() for part in parts if not part.running))

    @property
    def entries(self) -> tuple[StoredArray, ...]:
        """The arrays that are stored: "features/...", "target", "weight", "keys/..."."""
        return self._content.entries

    @property
    def spec(self) -> Any:
        """What the writer said of the features."""
        return self._content.spec

    @property
    def metadata(self) -> Any:
        """What else the writer said: class names, priors."""
        return self._content.metadata

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the store was made from."""
        return self._content.fingerprint

    def require(self, **parts: Any) -> None:
        """Refuse to be used with something that the store was not made from.

        Args:
            parts: parts of the fingerprint, as JSON; those not given are not compared.

        Raises:
            StoreMismatch: naming the parts that differ.
        """
        _require(self._folder, self.fingerprint, parts)

    @property
    def identity(self) -> str:
        """A digest of the store's manifest."""
        return self._identity

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
        return StoreSplit(self.name, self._folder, self._content, self._identity, self._reader, shard)

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
            arrays = allocate(self._reader, part, index, chosen)
            self._reader.read(part, index, arrays)
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
            window = max(1, min(WINDOW_ROWS, WINDOW_BYTES // row) // self._content.rows_per_chunk)
        else:
            window = check_whole_number("window", window, 1, otherwise="or None")
        settings = Settings(
            self._identity, self.name, batch_size, shuffle, seed, window, drop_remainder, repeat, self._shard
        )
        if position is not None:
            epoch, batch = restore(position, settings)
        order = Order(self._rows, shuffle=shuffle, seed=seed, window=window, shard=self._shard)
        loader = WindowLoader(self._reader, self._chunks, order, entries, row, kept=2 * threads + 1)
        return Stream(loader, settings, threads, epoch, batch, split=self)


def _require(folder: Place, fingerprint: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    stored = {name: fingerprint.get(name) for name in parts}
    if differing := manifest.differences(manifest.as_json(dict(parts)), stored):
        raise StoreMismatch(
            f"The store '{folder}' was made from another {' and '.join(manifest.told(differing))}. "
            "Write one that fits with precompute, or use the model that this one was made by."
        )


@checked_methods()
class Store:
    """A finished store on disk. It, its splits and their streams pickle by its path.

    Args:
        path: its folder.
        reused: whether `write` found it finished.
        planner: makes rows of a split's source and the names of keys again, for `repair`; `model.precompute` gives one.
        repairing: open it also when shards are missing or of another size.

    Attributes:
        path: its folder.
        reused: True where `write` had nothing to do.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reused: bool = False,
        planner: Planner | None = None,
        repairing: bool = False,
    ):
        self.path, self.reused, self._planner = place(path), reused, planner
        self.manifest = manifest.load(self.path)
        self.identity = self.manifest.identity
        if not repairing:
            integrity.require_files(self.path, self.manifest)
        if isinstance(self.path, Path):
            # the process may go to another folder
            self.path = self.path.absolute()
        self._reader = ChunkReader(self.path, self.manifest)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {split.rows} rows" for name, split in ((n, self[n]) for n in self.splits))
        return f"Store({self.manifest.format}, {told})"

    def __reduce__(self) -> Any:
        """Pickle the path alone, so that another process opens the store for itself; it knows no planner."""
        return _store_again, (os.fspath(self.path), self.identity, self.reused)

    def __getitem__(self, split: str) -> StoreSplit:
        if split not in self.manifest.splits:
            raise InvalidArgument(f"The store '{self.path}' has the splits {list(self.splits)}. Received: {split!r}.")
        return StoreSplit(split, self.path, self.manifest, self.identity, self._reader)

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits."""
        return tuple(self.manifest.splits)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each split has."""
        return {name: self[name].rows for name in self.splits}

    @property
    def spec(self) -> Any:
        """What the writer said of the features."""
        return self.manifest.spec

    @property
    def metadata(self) -> Any:
        """What else the writer said: class names, priors."""
        return self.manifest.metadata

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the store was made from."""
        return self.manifest.fingerprint

    def require(self, **parts: Any) -> None:
        """Refuse to be used with something that it was not made from; see `StoreSplit.require`."""
        _require(self.path, self.fingerprint, parts)

    def repair(self, splits: Any, planner: Planner | None = None) -> list[str]:
        """Write the damaged shards again, and those alone, from the rows that the store was made of.

        Args:
            splits: split name to source, for the damaged splits at least; of a store of one split, its source.
            planner: makes a split's rows of its source and the names of the keys that are stored: `model.plan`. The
                store that `model.precompute` returned knows its own.

        Returns:
            The names of the files that were replaced.

        Raises:
            StoreMismatch: the rows are not those that the store was made of; the damaged file is left as it was.
            InvalidArgument: a damaged split has no source, there are several splits but one source, or no planner.

        Example:
            >>> import tempfile
            >>> from pathlib import Path
            >>> from blocks.store.rows import Rows, SplitPlan
            >>> plan = SplitPlan(lambda skip: iter([Rows({"numeric": np.ones((10 - skip, 1), "f4")})]))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     store = write(folder, {"train": plan}, fingerprint={})
            ...     _ = Path(folder, "train-00000.h5").write_bytes(b"damaged")
            ...     store.repair({"train": plan}, planner=lambda plan, keys: plan), store.check()
            (['train-00000.h5'], [])
        """
        planner = planner or self._planner
        if planner is None:
            raise InvalidArgument(
                "repair computes rows again, by the model that the store was made by. "
                "Give it planner=model.plan, or call it on the store that model.precompute returns."
            )
        if not isinstance(splits, Mapping) or not splits.keys() & set(self.splits):
            if len(self.splits) > 1:
                raise InvalidArgument(
                    f"repair of a store with the splits {list(self.splits)} takes their sources by name: "
                    f"{{{self.splits[0]!r}: ...}}. Received: {type(splits).__name__}."
                )
            splits = {self.splits[0]: splits}
        keys = [entry.name.removeprefix("keys/") for entry in self.manifest.entries if entry.is_key]
        return writing.repair(self.path, {name: planner(source, keys) for name, source in splits.items()})

    def check(self, threads: int = 2) -> list[str]:
        """Verify every checksum, count and shape; see `blocks.store.integrity.check`."""
        return integrity.check(self.path, threads)


def _store_again(path: str, identity: str, reused: bool = False) -> Store:
    """The store that was pickled, opened by its path.

    Raises:
        StoreMismatch: Another store is there now.
    """
    store = Store(path, reused)
    if store.identity != identity:
        raise StoreMismatch(
            f"The store '{path}' is another than the one that was pickled: it was written again since. "
            "Open it anew: blocks.open_store(path)."
        )
    return store


def _split_again(path: str, identity: str, name: str, shard: tuple[int, int]) -> StoreSplit:
    split = _store_again(path, identity)[name]
    return StoreSplit(name, split._folder, split._content, identity, split._reader, shard)


def write(
    path: str | os.PathLike[str], splits: Mapping[str, SplitPlan], *, planner: Planner | None = None, **options: Any
) -> Store:
    """Write the rows of every split into a store, and open it; see `blocks.store.writing.write` for all `options`.

    Args:
        path: the folder.
        splits: by name, where the rows come from.
        planner: for the store's `repair`.
        options: `fingerprint` and the others.

    Returns:
        The store; its `reused` is True where a store of these contents was there and nothing was done.

    Example:
        >>> import tempfile
        >>> from blocks.store.rows import Rows, SplitPlan
        >>> plan = SplitPlan(lambda skip: iter([Rows({"numeric": np.ones((10 - skip, 1), "f4")})]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = write(folder, {"train": plan}, fingerprint={})
        ...     store, store.check(), store.reused
        (Store(hdf5, train: 10 rows), [], False)
    """
    return Store(path, writing.write(path, splits, **options), planner)


@checked()
def open_store(path: str | os.PathLike[str], *, repairing: bool = False) -> Store:
    """Open a finished store. Verifies the manifest, and that every file is there with its size.

    Args:
        path: its folder, or a URL: see `blocks.files.place`.
        repairing: open it also when shards are missing or of another size, to `repair` it.

    Returns:
        A `Store`; `store["train"]` is a split.

    Raises:
        IncompleteStore: writing it has not finished.
        StoreMismatch: the folder holds no store.
        NewerFormat: a newer blocks made it.
        CorruptShard: the manifest is damaged, or a file is missing or of another size.

    Example:
        >>> open_store("no/such/folder")
        Traceback (most recent call last):
        blocks.errors.StoreMismatch: 'no/such/folder' is not a store: it holds no manifest.json. ...
    """
    return Store(path, repairing=repairing)
