"""A store: written, opened, checked and repaired. What its splits give is theirs."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks.arguments import checked, checked_methods
from blocks.errors import InvalidArgument, StoreMismatch
from blocks.files.place import place
from blocks.store import integrity, manifest
from blocks.store.reading.chunk_reader import ChunkReader
from blocks.store.rows import SplitPlan
from blocks.store.split import StoreSplit
from blocks.store.writing import write as writing

Planner = Callable[[Any, Sequence[str]], SplitPlan]


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
        self.reader = ChunkReader(self.path, self.manifest)

    def __repr__(self) -> str:
        rows = ", ".join(f"{name}: {count} rows" for name, count in self.rows.items())
        return f"Store({self.manifest.format}, {rows})"

    def __reduce__(self) -> Any:
        """Pickle the path alone, so that another process opens the store for itself; it knows no planner."""
        return _reopened, (os.fspath(self.path), self.identity, self.reused)

    def __getitem__(self, split: str) -> StoreSplit:
        if split not in self.manifest.splits:
            raise InvalidArgument(f"The store '{self.path}' has the splits {list(self.splits)}. Received: {split!r}.")
        return StoreSplit(split, self)

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
        stored = {name: self.fingerprint.get(name) for name in parts}
        if differing := manifest.differences(manifest.as_json(dict(parts)), stored):
            raise StoreMismatch(
                f"The store '{self.path}' was made from another {' and '.join(manifest.told(differing))}. "
                "Write one that fits with precompute, or use the model that this one was made by."
            )

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
            >>> import numpy as np
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


def _reopened(path: str, identity: str, reused: bool = False) -> Store:
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
        >>> import numpy as np
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
