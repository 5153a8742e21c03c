"""Training rows: what `fit`, `evaluate` and `calibrate` are given, a store's split or a source, read once.

All that differs between the two is here; the rest of the library asks the rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from blocks.arguments import check_whole_number
from blocks.block import Head, fingerprint
from blocks.data import Source, read
from blocks.errors import InvalidArgument
from blocks.features.spec import FeatureSpec
from blocks.offline.adapt import adapt
from blocks.offline.encoded_rows import EncodedRows
from blocks.offline.out_of_fold import OutOfFold, is_out_of_fold, warn_of_leaks
from blocks.offline.same_rows import digest_of_rows
from blocks.offline.store_parts import require_made_by
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.auto import AutoColumns, as_preprocessor
from blocks.store import Rows, StoreSplit
from blocks.training.observers import tell_rows
from blocks.training.training_batches import Batches, of_rows, of_stream

LEARN_CHUNK = 65_536

MakeTransform = Callable[[], Transform]
"""Gives what makes features of raw columns; called only where the rows are not features yet."""


class BatchOrder(NamedTuple):
    """In which order rows come, and with which batch they begin."""

    shuffle: bool = False
    seed: int = 0
    epoch: int = 0
    batch: int = 0


IN_ORDER = BatchOrder()


class TrainingRows(ABC):
    """Rows to train on or to judge by, as often as they are needed. `training_rows` makes them."""

    count: int | None
    """How many rows there are, at most, as far as can be told without a pass."""

    class_counts: Mapping[str, Any]
    """By head, how many rows each class has; nothing where that is not known without a pass."""

    @cached_property
    def fingerprint(self) -> str | None:
        """What tells the rows from any others, in a store or not; None where they can be read only once."""
        made_of = self._made_of()
        if made_of is None:
            return None
        return digest_of_rows(made_of, 16).hex()

    def batches(
        self,
        preprocessor: Columns,
        head: Head,
        transform: MakeTransform,
        batch_size: int,
        order: BatchOrder = IN_ORDER,
        *,
        training: bool = False,
    ) -> Batches:
        """The rows' batches.

        Args:
            preprocessor: What a store must have been made by.
            head: Encodes the target.
            transform: Gives the preprocessor's fast path.
            batch_size: Rows a batch.
            order: In which order, and from where on; from the middle of an epoch only of a store.
            training: Whether they are to train on.

        Raises:
            StoreMismatch: The store was made by another preprocessor or target.
            InvalidArgument: `batch_size` is no whole number, 1 at least; or rows on the fly begin in mid-epoch.
        """
        made = self._batches(preprocessor, head, transform, check_whole_number("batch_size", batch_size, 1), order)
        if training:
            warn_of_leaks(preprocessor, self._out_of_fold(transform))
        return made

    @abstractmethod
    def identity(self, preprocessor: Columns, head: Head, batch_size: int, order: BatchOrder) -> dict[str, Any]:
        """What the batches of a run depend on, as JSON: a run goes on over the same alone.

        Raises:
            InvalidArgument: The rows can be read only once.
        """

    @abstractmethod
    def encoded(self, head: Head | None, transform: MakeTransform) -> Iterator[Rows]:
        """Features, targets and weights, chunk by chunk and in order; without a head, features alone."""

    @abstractmethod
    def sampled_features(self, most: int, head: Head, transform: MakeTransform) -> Iterator[Mapping[str, np.ndarray]]:
        """Features, chunk by chunk and the same each time, for who reads no more than `most` rows of them."""

    @abstractmethod
    def adapted(self, preprocessor: Any, head: Head) -> tuple[Columns | None, FeatureSpec]:
        """Let a head and a preprocessor learn from the rows, unless they have.

        Args:
            preprocessor: A `Columns`, or "auto".
            head: Its state is set.

        Returns:
            The preprocessor, if one is known, and what the features are.
        """

    @abstractmethod
    def _made_of(self) -> Mapping[str, Any] | None:
        """What the rows are, as a source's fingerprint says it; None where they can be read only once."""

    @abstractmethod
    def _batches(
        self, preprocessor: Columns, head: Head, transform: MakeTransform, batch_size: int, order: BatchOrder
    ) -> Batches: ...

    @abstractmethod
    def _out_of_fold(self, transform: MakeTransform) -> bool:
        """Whether a block that uses the target was adapted on these very rows, and so encodes each out of fold."""


class _StoredRows(TrainingRows):
    """The rows of a store's split: features already."""

    def __init__(self, split: StoreSplit) -> None:
        self._split = split
        self._metadata = split.metadata or {}
        self.count = split.rows
        self.class_counts = {head["name"]: head.get("counts") for head in self._metadata.get("heads", ())}

    def __repr__(self) -> str:
        return f"split {self._split.name!r} of a store"

    def identity(self, preprocessor: Columns, head: Head, batch_size: int, order: BatchOrder) -> dict[str, Any]:
        position = self._split.stream(batch_size, order.shuffle, order.seed).position()
        return {name: value for name, value in position.items() if name not in ("epoch", "batch")}

    def encoded(self, head: Head | None, transform: MakeTransform) -> Iterator[Rows]:
        return self._split.chunks()

    def sampled_features(self, most: int, head: Head, transform: MakeTransform) -> Iterator[Mapping[str, np.ndarray]]:
        # the first rows of a store may be of one kind
        return (batch[0] for batch in self._split.stream(LEARN_CHUNK, shuffle=self._split.rows > most, seed=0))

    def adapted(self, preprocessor: Any, head: Head) -> tuple[Columns | None, FeatureSpec]:
        if not head.adapted:
            state = self._metadata["head_state"]
            head.restore({name: np.array(values, kind) for name, (kind, values) in state.items()})
        return preprocessor if isinstance(preprocessor, Columns) else None, FeatureSpec.from_json(self._split.spec)

    def _made_of(self) -> Mapping[str, Any]:
        split = self._split
        made_of = split.fingerprint.get("source", {}).get(split.name)
        return {"store": split.identity, "split": split.name} if made_of is None else made_of

    def _batches(
        self, preprocessor: Columns, head: Head, transform: MakeTransform, batch_size: int, order: BatchOrder
    ) -> Batches:
        require_made_by(self._split, preprocessor, head)
        return of_stream(self._split.stream(batch_size, **order._asdict()))

    def _out_of_fold(self, transform: MakeTransform) -> bool:
        return is_out_of_fold(self._split)


class _SourceRows(TrainingRows):
    """The rows of a source, which are transformed as they are read."""

    def __init__(self, source: Source) -> None:
        # one source for every pass: a file is scanned for its schema once, which may count its rows too
        self._source = source
        _ = source.schema
        self.count = source.estimated_rows()
        self.class_counts = {}

    def __repr__(self) -> str:
        return repr(self._source)

    def identity(self, preprocessor: Columns, head: Head, batch_size: int, order: BatchOrder) -> dict[str, Any]:
        batch_size = check_whole_number("batch_size", batch_size, 1)
        if self.fingerprint is None:
            raise InvalidArgument(
                "Resume goes on over the rows that it knows, by their fingerprint. Received: "
                f"{self}, which can be read only once. Give a file, a table, or a store's split."
            )
        # a store knows what its features were made by
        rows = {"store": None, "rows": self.fingerprint, "features": fingerprint(preprocessor, head)}
        return {**rows, "batch_size": batch_size, "shuffle": order.shuffle, "seed": order.seed}

    def encoded(self, head: Head | None, transform: MakeTransform) -> Iterator[Rows]:
        return EncodedRows(self._source, transform(), head).chunks()

    def sampled_features(self, most: int, head: Head, transform: MakeTransform) -> Iterator[Mapping[str, np.ndarray]]:
        return (rows.features for rows in self.encoded(head, transform))

    def adapted(self, preprocessor: Any, head: Head) -> tuple[Columns | None, FeatureSpec]:
        chosen = as_preprocessor(preprocessor)
        columns = chosen.infer(self._source, head) if isinstance(chosen, AutoColumns) else chosen.copy()
        if not (columns.adapted and head.adapted):
            adapt(columns, head, self._source, verbose=0)
        return columns, columns.spec

    def _made_of(self) -> Mapping[str, Any] | None:
        try:
            return self._source.fingerprint()
        except InvalidArgument:
            return None

    def _batches(
        self, preprocessor: Columns, head: Head, transform: MakeTransform, batch_size: int, order: BatchOrder
    ) -> Batches:
        if order.batch:
            raise InvalidArgument(
                "Only a store can begin in the middle of an epoch. Received: rows that are transformed on the fly. "
                "Precompute them: store = model.precompute(splits, path)."
            )
        rows = EncodedRows(self._source, transform(), head)
        return of_rows(rows, batch_size, shuffle=order.shuffle, seed=order.seed, epoch=order.epoch)

    def _out_of_fold(self, transform: MakeTransform) -> bool:
        return OutOfFold(transform(), self._source).applies


def training_rows(data: Any) -> TrainingRows:
    """The rows of a store's split, or of anything that `blocks.read` takes.

    Raises:
        InvalidArgument: It is a whole store, or several splits of one.

    Example:
        >>> training_rows({"x": [1.0, 2.0]}).count
        2
    """
    if isinstance(data, StoreSplit):
        return _StoredRows(tell_rows(data))
    if hasattr(data, "splits") and hasattr(data, "manifest"):
        raise InvalidArgument("Training takes one split of a store: store['train']. Received: the whole store.")
    if isinstance(data, Mapping) and any(isinstance(part, StoreSplit) for part in data.values()):
        raise InvalidArgument("Training takes one split. Received: a dict of them.")
    return _SourceRows(tell_rows(read(data)))
