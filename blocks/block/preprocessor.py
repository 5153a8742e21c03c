"""Preprocessor: the role of what turns raw values into features."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pyarrow as pa

from blocks.block.base import Block
from blocks.block.column_chunk import ColumnChunk, chunks_of_column, observations, side_by_side
from blocks.data.arrow_types import is_list, is_number, is_text, is_time, is_window
from blocks.data.raw_arrays import to_raw, values_one_by_one
from blocks.data.raw_columns import MISSING_INT, RawColumn, raw_column
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features.spec import Entry, Feature
from blocks.statistics import Statistic

FLOAT32_MAX = np.finfo(np.float32).max


class Preprocessor(Block):
    """Raw values to features: computed in float64, emitted as float32, or int32 for ids.

    A block for one column writes `compute` and, when it learns, `statistics` and `learn`; in a chain the values stay at
    full precision from one `compute` to the next, and only the last is rounded. A block for several columns takes and
    gets them as a tuple, in the order of its key in `Columns`.

    A block that takes numbers takes windows too, lists of so many numbers in every row: `compute` then gets the values
    of all windows one after the other, and so do the statistics.
    """

    identifier: ClassVar[bool] = False
    """Whether integers enter as int64 identifiers rather than as float64 quantities."""

    categories: ClassVar[bool] = False
    """Whether values are categories, strings or int64 identifiers, so that a column of fractions is refused."""

    accepts: tuple[str, ...] = ("number",)
    """The families of Arrow types that may enter: "number", "text", "time", "list"."""

    several: bool = False
    """Whether the block takes several columns, as a tuple."""

    one_kind_of_time: ClassVar[bool] = False
    """Whether the times among several columns must be of one kind, all with a zone say."""

    emits_features: bool = True
    """Whether a chain may end with the block; False of one that gives text or instants for the next to use."""

    uses_target: ClassVar[bool] = False
    """Whether the block learns from the target too, and encodes the rows it learned from by others than themselves."""

    stacks: ClassVar[bool] = False
    """Whether `compute` works on several columns at once too: values of shape (columns, rows) for (rows,), and state
    with a first axis of columns (numbers as (columns, 1)). Wide tables then run as few operations. What an argument
    `add_indicator` adds, if there is one, is the last feature."""

    add_indicator: bool = False
    """Whether a last feature, `<name>_missing`, says where a value was missing; an argument of the blocks that can."""

    row_by_row: ClassVar[bool] = False
    """Whether each value is worked on as it comes, since values are large and hardly one comes twice: images, say."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})

    @classmethod
    def stack(cls, blocks: Sequence[Self]) -> Any:
        """What does the work of several blocks, one a column, at once; None where they work one by one.

        Args:
            blocks: Of the same configuration, and adapted.

        Returns:
            Something with `compute`, from (columns, rows) to (columns, rows) or (columns, rows, k), each column with
            the bits that its own block gives. It holds its variables and tables as attributes.
        """
        if not cls.stacks:
            return None
        states = [block.state for block in blocks]
        shapes = [{name: (value.shape, value.dtype) for name, value in state.items()} for state in states]
        if any(shape != shapes[0] for shape in shapes):
            return None
        stacked = cls.from_config(blocks[0].get_config())
        if states[0]:
            rows = {name: np.stack([state[name] for state in states]) for name in states[0]}
            stacked.restore({name: row if row.ndim > 1 else row[:, np.newaxis] for name, row in rows.items()})
        return stacked

    def observed(self, values: Any) -> Any:
        """What the statistics are of, as one tensor: the values that enter, unless the block says otherwise.

        A block of several columns, or one whose statistics are of parts of a value, derives it here with TensorFlow;
        parts of which a row has any number (tokens) as a ragged tensor (batch, None).
        """
        return values

    def observe(self, statistics: dict[str, Statistic], chunk: ColumnChunk) -> None:
        """Update statistics by a chunk: each by all of its values, unless the block says otherwise."""
        for statistic in statistics.values():
            statistic.update(chunk.values)

    def places(self, values: Any) -> Any:
        """What a block that uses the target must know of each value to encode it out of fold: an int64 tensor."""
        raise NotImplementedError

    def out_of_fold(self, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Emitted features of the rows, by their positions, that a block which uses the target was adapted on."""
        raise NotImplementedError

    @abstractmethod
    def compute(self, values: Any) -> Any:
        """The block's work at full precision: a tensor of shape (batch,) to one of shape (batch,) or (batch, k)."""

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The features that come out, in order; unless the block says otherwise, one and its missing-indicator."""
        return [Feature(name, columns)] + ([Feature(f"{name}_missing", columns)] if self.add_indicator else [])

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """The entry of higher rank that comes out (tokens, an image), in place of scalar features; None for those."""
        return None

    def unreadable(self, values: np.ndarray, features: np.ndarray) -> Mapping[int, str]:
        """Which values, by row, were there and could not be read, and why: what a pass over a source tells of.

        Args:
            values: (rows,) Raw values that entered.
            features: (rows, ...) What was made of them.
        """
        return {}

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """As what a column of this Arrow type enters the block: see `blocks.data.raw_columns`.

        Raises:
            SchemaMismatch: The block has no use for the type.
        """
        families = {"number": is_number, "text": is_text, "time": is_time, "list": is_list}
        value_type = type.value_type if pa.types.is_dictionary(type) else type
        if self.takes_windows and is_window(value_type):
            return raw_column(value_type, window=True)
        if self.categories and (pa.types.is_floating(value_type) or pa.types.is_decimal(value_type)):
            raise SchemaMismatch(
                f"{self.__class__.__name__} takes strings or integers. Received: column {column!r} of type {type}. "
                f"Cast identifiers that were read as floats (read(..., column_types={{{column!r}: 'int64'}})), or "
                "bucketize quantities."
            )
        if self.categories and pa.types.is_null(value_type):
            return RawColumn("int64" if "integers" in self.state else "string")
        if not pa.types.is_null(type) and not any(families[family](type) for family in self.accepts):
            raise SchemaMismatch(
                f"{self.__class__.__name__} takes columns of {' or '.join(self.accepts)}. "
                f"Received: column {column!r} of type {type}. Choose another block for it"
                f"{_for_lists(type)}, or cast the column."
            )
        if pa.types.is_null(type) and "number" not in self.accepts:
            return RawColumn("string" if "text" in self.accepts else "instant" if "time" in self.accepts else "list")
        return raw_column(type, identifier=self.identifier or self.categories, window=self.takes_windows)

    @property
    def takes_windows(self) -> bool:
        """Whether windows enter value by value: the block takes numbers, by themselves and as quantities."""
        return "number" in self.accepts and not (self.identifier or self.categories or self.uses_target)

    def examples(self, dtype: str) -> list[Any]:
        """Raw values worth trying, none of them from anybody's rows: usual, extreme, missing, unseen.

        Args:
            dtype: "float32", "float64", "int64" (times too, in microseconds), "string" or "list".
        """
        if dtype in ("string", "list"):
            return ["", "unseen", "new\nline", "\x00", "\u2028", "\N{GRINNING FACE}"]
        if dtype == "int64":
            return [MISSING_INT, 0, 1, -1, 1 << 40]
        return [float("nan"), float("inf"), float("-inf"), 0.0, 1.0, -1.5, 0.1, 1e9, 1e-9]

    def call(self, inputs: Any) -> Any:
        """The features of one column: `compute`, rounded once to float32, or int32 for ids.

        A column may have shape (batch, 1), as Keras' `FeatureSpace` makes them; a single feature keeps that shape. Each
        value of windows (batch, n) gives the features that it gives alone: (batch, n), or (batch, n, k).
        """
        if length := self._window_length(inputs):
            features = emit(
                self.compute(keras.tree.map_structure(lambda column: keras.ops.reshape(column, -1), inputs))
            )
            return keras.ops.reshape(features, (-1, length, *features.shape[1:]))
        if not isinstance(inputs, tuple | list) and len(inputs.shape) == 2 and inputs.shape[1] == 1:
            features = emit(self.compute(inputs[:, 0]))
            return features[:, None] if len(features.shape) == 1 else features
        return emit(self.compute(inputs))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The features of raw values; symbolic inputs need no learned state, real ones do."""
        if not any(isinstance(value, keras.KerasTensor) for value in keras.tree.flatten((args, kwargs))):
            self.require_adapted()
        return super().__call__(*args, **kwargs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Shape and dtype of the features, known without learned state."""
        first = keras.tree.flatten(inputs)[0]
        features = self.outputs("x", ("x",))
        rows = first.shape if self._window_length(inputs) else first.shape[:1]
        shape = first.shape if len(features) == 1 else (*rows, len(features))
        return keras.KerasTensor(shape, "float32" if features[0].cardinality is None else "int32")

    def _window_length(self, inputs: Any) -> int:
        """How many values the windows of a call have; 0 where it is of none."""
        first = keras.tree.flatten(inputs)[0]
        if not self.takes_windows or len(first.shape) != 2 or first.shape[1] in (None, 1) or first.dtype == "string":
            return 0
        return int(first.shape[1])

    def adapt(self, data: Any) -> Self:
        """Learn from one column, for use outside a `Model`.

        Args:
            data: Values of shape (rows,), or (rows, n) of windows, all of whose values count alike: an Arrow, NumPy,
                pandas or Polars column, a list, a Source of one column, or an iterable of such chunks or of batches (a
                `tf.data.Dataset`). It is read once. A tuple of them for a block of several columns, or of values and
                target for one that uses the target.

        Returns:
            The block itself.

        Raises:
            EmptySource: There is no usable value.
            InvalidArgument: The block uses the target, and there is none.
        """
        columns = data if isinstance(data, tuple) else (data,)
        if self.uses_target and len(columns) != 2:
            raise InvalidArgument(
                f"{type(self).__name__} learns from the target too: adapt((values, target)). Received: "
                f"{len(columns)} column{'s' * (len(columns) > 1)}."
            )
        chunks = side_by_side([chunks_of_column(column) for column in columns])
        statistics = self.observe_all(self._with_target(chunks) if self.uses_target else map(self.column_chunk, chunks))
        if statistics:
            self.restore(self.learn(statistics))
        return self

    def column_chunk(self, columns: Sequence[pa.Array]) -> ColumnChunk:
        """What the statistics of a block that stands first in its chain are of, in a chunk of its column or columns.

        Raises:
            SchemaMismatch: The block has no use for a column's type.
        """
        raws = [self.raw_column(column.type, self.name) for column in columns]
        if type(self).observed is Preprocessor.observed:
            return ColumnChunk(values_one_by_one(columns[0], raws[0], self.name))
        tensors = [
            keras.ops.convert_to_tensor(to_raw(column, raw, self.name).reshape(-1), raw.dtype)
            for column, raw in zip(columns, raws, strict=True)
        ]
        return ColumnChunk(observations(self.observed(tensors[0] if len(tensors) == 1 else tuple(tensors))))

    def _with_target(self, chunks: Iterable[tuple[pa.Array, ...]]) -> Iterator[ColumnChunk]:
        rows = 0
        for values, target in chunks:
            self.raw_column(values.type, self.name)
            yield ColumnChunk(values, target, np.arange(rows, rows + len(values)))
            rows += len(values)


def _for_lists(type: pa.DataType) -> str:
    """Which blocks take a column of this type, if it holds lists."""
    if is_window(type):
        return " (blocks of numbers, Standardize() or Bucketize(...), take windows)"
    if is_list(type):
        return " (MultiHot, Tokens or TfIdf take lists)"
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        return " (windows are lists of one length, which their type says: column.cast(pa.list_(pa.float64(), 24)), say)"
    return ""


def emit(values: Any) -> Any:
    """Full precision to what leaves a preprocessor: float64 rounded once to float32, in its range, and ids to int32.

    Pixels of images, uint8 (batch, height, width, channels), stay as they are.

    Example:
        >>> import numpy as np
        >>> emit(np.array([0.1], "float64")).dtype.name
        'float32'
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    if dtype == "uint8" and len(values.shape) == 4:
        return values
    if dtype.startswith(("int", "uint", "bool")):
        return keras.ops.cast(values, "int32")
    rounded = keras.ops.cast(values, "float32")
    if dtype != "float64":
        return rounded
    # what is finite stays finite, for which half the bytes are touched after rounding; infinities and NaN pass
    clipped = keras.ops.clip(rounded, -FLOAT32_MAX, FLOAT32_MAX)
    return keras.ops.where(keras.ops.isfinite(values), clipped, rounded)
