"""The roles and the contract of a block; no block lives here.

    keras.layers.Layer
    +-- Block
        +-- Preprocessor        raw values -> features                      learns statistics
        +-- FeatureExtractor    packed features -> a representation         trained
        +-- Head                a representation -> predictions             knows target, loss, metrics, answers
        |   +-- Classifier
        |   +-- Regressor
        +-- Postprocessor       answers -> more answers                     calibrated

A block is a final class directly below one of the five roles. What it learns from data is *state*: a dict of NumPy
arrays that `learn` computes from statistics, without touching the block, and `restore` puts into effect. The same dict
is what `.keras` files, fingerprints and copies hold, so nothing learned can be forgotten by a reload.
"""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pyarrow as pa

from blocks.data.raw import MISSING_INT, is_number, is_text, is_time, raw_type, to_arrow, to_raw
from blocks.errors import EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.features import Entry, Feature, FeatureSpec
from blocks.statistics import Statistic

State = dict[str, np.ndarray]

FLOAT32_MAX = np.float64(np.finfo(np.float32).max)

__all__ = [
    "Block",
    "Classifier",
    "FeatureExtractor",
    "Head",
    "Postprocessor",
    "Preprocessor",
    "Regressor",
    "State",
    "fingerprint",
]


class Block(keras.layers.Layer):
    """What all roles share: explicit learned state, and the rule that a block is final.

    Args:
        kwargs: `name`, `dtype` and `trainable`, as of any Keras layer.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__bases__:
            if issubclass(base, Block) and base.__module__ != __name__:
                raise TypeError(
                    f"A block is final: derive from one of the roles and wrap what you need. "
                    f"Received: {cls.__name__}, derived from {base.__name__}."
                )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._state: Mapping[str, np.ndarray] | None = None

    @property
    def adapted(self) -> bool:
        """Whether the block knows all that it must learn from data; always true of one that learns nothing."""
        return self._state is not None or not self.learns

    @property
    def learns(self) -> bool:
        """Whether the block has state at all."""
        return False

    @property
    def state(self) -> State:
        """The learned state by name: NumPy arrays, empty while nothing is learned."""
        return dict(self._state or {})

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Put learned state into effect, as `learn`, a `.keras` file or another block's `state` gave it."""
        # a proxy, since Keras and TensorFlow wrap and track every plain dict that becomes an attribute
        copies = {name: np.array(value) for name, value in state.items()}
        for value in copies.values():
            value.flags.writeable = False
        self._state = MappingProxyType(copies)
        self._restore(self.state)

    def _restore(self, state: State) -> None:
        """Make variables and tables from the state."""

    def copy(self) -> Self:
        """A new block of the same configuration and state, sharing nothing with this one."""
        twin = type(self).from_config(self.get_config())
        if self._state is not None:
            twin.restore(self._state)
        return twin

    def require_adapted(self) -> None:
        """Refuse to go on without learned state.

        Raises:
            NotAdapted: The block must learn and has not.
        """
        if not self.adapted:
            raise NotAdapted(
                f"{type(self).__name__} {self.name!r} has not been adapted. "
                "Call adapt(source) on the model or the block before it is used, saved stores or exports included."
            )

    def save_own_variables(self, store: Any) -> None:
        """Write weights, if any, and learned state into a Keras store."""
        super().save_own_variables(store)
        for name, value in self.state.items():
            store[f"state:{name}"] = value

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote."""
        names = [name for name in store.keys() if name.startswith("state:")]  # noqa: SIM118 (a Keras store, no dict)
        state = {name.removeprefix("state:"): np.asarray(store[name]) for name in names}
        super().load_own_variables({name: store[name] for name in store.keys() if name not in names})  # noqa: SIM118
        if state:
            self.restore(state)


class Preprocessor(Block):
    """Raw values to features: computed in float64, emitted as float32, or int32 for ids.

    A block for one column writes `compute` and, when it learns, `statistics` and `learn`; in a chain the values stay at
    full precision from one `compute` to the next, and only the last is rounded. A block for several columns takes and
    gets them as a tuple, in the order of its key in `Columns`.
    """

    identifier: ClassVar[bool] = False
    """Whether integers enter as int64 identifiers rather than as float64 quantities."""

    accepts: tuple[str, ...] = ("number",)
    """The families of Arrow types that may enter: "number", "text", "time"."""

    several: bool = False
    """Whether the block takes several columns, as a tuple."""

    emits_features: bool = True
    """Whether a chain may end with the block; False of one that gives text or instants for the next to use."""

    observes_rows: ClassVar[bool] = True
    """Whether `observed` gives one value a row; False where a row has several (tokens) or none."""

    uses_target: ClassVar[bool] = False
    """Whether the block learns from the target too, and encodes the rows it learned from by others than themselves."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})

    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics that `learn` needs of the values that enter; empty when nothing is learned."""
        return {}

    def observed(self, values: Any) -> Any:
        """What the statistics are of, as one tensor: the values that enter, unless the block says otherwise.

        A block of several columns, or one whose statistics are of parts of a value, derives it here with TensorFlow.
        """
        return values

    def observe(
        self, statistics: Mapping[str, Statistic], values: pa.Array, target: pa.Array, rows: np.ndarray
    ) -> None:
        """Update the statistics of a block that uses the target, in place of `update`.

        Args:
            statistics: What `statistics` gave.
            values: (rows,) What enters the block.
            target: (rows,) The head's target; a classifier's is dictionary-encoded.
            rows: (rows,) int64 positions in the source.
        """
        raise NotImplementedError

    def places(self, values: Any) -> Any:
        """What a block that uses the target must know of each value to encode it out of fold: an int64 tensor."""
        raise NotImplementedError

    def out_of_fold(self, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Emitted features of the rows, by their positions, that a block which uses the target was adapted on."""
        raise NotImplementedError

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The state that follows from updated statistics. Changes nothing: `restore` does.

        Raises:
            EmptySource: The statistics saw no usable value.
        """
        return {}

    @property
    def learns(self) -> bool:
        """Whether `statistics` asks for any."""
        return bool(self.statistics())

    @abstractmethod
    def compute(self, values: Any) -> Any:
        """The block's work at full precision: a tensor of shape (batch,) to one of shape (batch,) or (batch, k)."""

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The features that come out, in order; one unless the block says otherwise."""
        return [Feature(name, columns)]

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """The entry of higher rank that comes out (tokens, an image), in place of scalar features; None for those."""
        return None

    def raw_type(self, type: pa.DataType, column: str) -> str:
        """The dtype in which a column of this Arrow type enters the block.

        Raises:
            SchemaMismatch: The block has no use for the type.
        """
        families = {"number": is_number, "text": is_text, "time": is_time}
        if not pa.types.is_null(type) and not any(families[family](type) for family in self.accepts):
            raise SchemaMismatch(
                f"{self.__class__.__name__} takes columns of {' or '.join(self.accepts)}. "
                f"Received: column {column!r} of type {type}. Choose another block for it, or cast the column."
            )
        if pa.types.is_null(type) and "number" not in self.accepts:
            return "string" if "text" in self.accepts else "int64"
        return raw_type(type, identifier=self.identifier)

    def examples(self, dtype: str) -> list[Any]:
        """Raw values worth trying, none of them from anybody's rows: usual, extreme, missing, unseen."""
        if dtype == "string":
            return ["", "unseen", "new\nline", "\x00", "\u2028", "\N{GRINNING FACE}"]
        if dtype == "int64":
            return [MISSING_INT, 0, 1, -1, 1 << 40]
        return [float("nan"), float("inf"), float("-inf"), 0.0, 1.0, -1.5, 0.1, 1e9, 1e-9]

    def call(self, inputs: Any) -> Any:
        """The features of one column: `compute`, rounded once to float32, or int32 for ids."""
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
        shape = first.shape if len(features) == 1 else (*first.shape, len(features))
        return keras.KerasTensor(shape, "float32" if features[0].cardinality is None else "int32")

    def adapt(self, data: Any) -> Self:
        """Learn from one column, for use outside a `Model`.

        Args:
            data: Values of shape (rows,): an Arrow, NumPy, pandas or Polars column, a list, a Source of one column, or
                an iterable of such chunks or of batches (a `tf.data.Dataset`). It is read once. A tuple of them for a
                block of several columns, or of values and target for one that uses the target.

        Returns:
            The block itself.

        Raises:
            EmptySource: There is no usable value.
            InvalidArgument: The block uses the target, and there is none.
        """
        statistics = self.statistics()
        columns = data if isinstance(data, tuple) else (data,)
        if self.uses_target and len(columns) != 2:
            raise InvalidArgument(
                f"{type(self).__name__} learns from the target too: adapt((values, target)). Received: "
                f"{len(columns)} column{'s' * (len(columns) > 1)}."
            )
        rows = 0
        for chunks in zip(*(_column_chunks(column) for column in columns), strict=True):
            if self.uses_target:
                values, target = chunks
                self.raw_type(values.type, self.name)
                self.observe(statistics, values, target, np.arange(rows, rows + len(values)))
                rows += len(values)
                continue
            dtypes = [self.raw_type(chunk.type, self.name) for chunk in chunks]
            values = chunks[0]
            if type(self).observed is not Preprocessor.observed:
                raw = [
                    keras.ops.convert_to_tensor(to_raw(chunk, dtype, self.name), dtype)
                    for chunk, dtype in zip(chunks, dtypes, strict=True)
                ]
                seen = self.observed(raw[0] if len(raw) == 1 else tuple(raw)).numpy()
                values = pa.array(seen, pa.binary() if seen.dtype == object else None)
            for statistic in statistics.values():
                statistic.update(values)
        if statistics:
            self.restore(self.learn(statistics))
        return self


def emit(values: Any) -> Any:
    """Full precision to what leaves a preprocessor: float64 rounded once to float32, in its range, and ids to int32.

    Example:
        >>> import numpy as np
        >>> emit(np.array([0.1], "float64")).dtype.name
        'float32'
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    if dtype.startswith(("int", "uint", "bool")):
        return keras.ops.cast(values, "int32")
    if dtype == "float64":
        # what is finite stays finite; infinities and NaN pass
        held = keras.ops.clip(values, -FLOAT32_MAX, FLOAT32_MAX)
        values = keras.ops.where(keras.ops.isfinite(values), held, values)
    return keras.ops.cast(values, "float32")


class FeatureExtractor(Block):
    """Packed features to a representation of shape (batch, width). Trained, and free of any backend.

    `bind` tells it what the features are before it is built; alone, without a specification, it takes one float tensor.
    """

    def __init__(self, spec: FeatureSpec | Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec if spec is None or isinstance(spec, FeatureSpec) else FeatureSpec.from_json(spec)

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification of the features to come.

        Raises:
            InvalidArgument: The extractor is built already, for other features.
        """
        if self.built and self.spec != spec:
            raise InvalidArgument(
                f"{type(self).__name__} is built for {self.spec}. Received: {spec}. Use a new extractor: copy() it."
            )
        self.spec = spec

    def get_config(self) -> dict[str, Any]:
        """The configuration, the bound specification included."""
        return {**super().get_config(), "spec": self.spec.to_json() if self.spec is not None else None}


class Head(Block):
    """A representation to predictions. Knows its target column, encoding, loss, metrics and the answers' names.

    A head's state stands in its configuration too, since its shape depends on it (the number of classes).

    Args:
        target: Name of the target column.
        sample_weight: Name of a column of non-negative weights, or None.
        unusable: What becomes of a row whose target is missing, or unseen in training: "error" or "skip" (left out and
            counted).
        state: What an earlier `adapt` learned, as `get_config` wrote it.
    """

    def __init__(
        self,
        target: str,
        *,
        sample_weight: str | None = None,
        unusable: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if unusable not in ("error", "skip"):
            raise InvalidArgument(f"unusable is 'error' or 'skip'. Received: {unusable!r}.")
        self.target = target
        self.sample_weight = sample_weight
        self.unusable = unusable
        if state:
            self.restore({name: np.array(values, dtype) for name, (dtype, values) in state.items()})

    @abstractmethod
    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics of the target column."""

    @abstractmethod
    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The state that follows from the target's statistics.

        Raises:
            BadTarget: They allow no learning: no usable value, or one class only.
        """

    @property
    def learns(self) -> bool:
        """Heads always learn from their target."""
        return True

    @property
    @abstractmethod
    def encoding(self) -> dict[str, Any]:
        """What decides how a target is encoded, as JSON-able data: heads with equal ones can share a store."""

    @abstractmethod
    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The target as the loss takes it, and which rows are usable: two arrays of shape (rows,)."""

    def weigh(self, encoded: np.ndarray) -> np.ndarray | None:
        """Weights that the head gives to rows by their target, float32 (rows,); None where all weigh one."""
        return None

    @abstractmethod
    def default_loss(self) -> keras.losses.Loss:
        """The default loss over (encoded target, predictions)."""

    @abstractmethod
    def default_metrics(self) -> list[keras.metrics.Metric]:
        """Fresh default metrics over (encoded target, predictions)."""

    @abstractmethod
    def answer(self, predictions: Any) -> dict[str, Any]:
        """The named answers that predictions of shape (batch, ...) are."""

    def get_config(self) -> dict[str, Any]:
        """The configuration, learned state included."""
        return {
            **super().get_config(),
            "target": self.target,
            "sample_weight": self.sample_weight,
            "unusable": self.unusable,
            "state": {name: [value.dtype.str, value.tolist()] for name, value in self.state.items()},
        }


class Classifier(Head):
    """A head whose target is one of several classes."""

    @property
    @abstractmethod
    def classes(self) -> list[Any]:
        """The classes, as str, int, bool or float, in the order of the probabilities."""


class Regressor(Head):
    """A head whose target is a number; its answers are in the target's unit."""


class Postprocessor(Block):
    """Answers to more answers, inside the exported graph. Takes and returns a dict of tensors of shape (batch, ...).

    Subclasses write `call`; those that calibrate write `statistics`, `observe` and `learn` too.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})

    def bind(self, head: Head) -> None:
        """Take what must be known of the head (its classes, say).

        Raises:
            InvalidArgument: The block has no use for a head of that kind.
        """

    @property
    def calibrates(self) -> bool:
        """Whether the block learns from held-out answers."""
        return False

    def observe(self, answers: Mapping[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None) -> None:
        """Take one chunk of held-out answers and encoded targets into the calibration under way."""

    def calibrate(self) -> None:
        """End the calibration: turn what was observed into state.

        Raises:
            EmptySource: Too little was observed.
        """


def fingerprint(*blocks: Block) -> str:
    """A digest of configurations (names aside) and learned state: equal when the blocks do the same, bit for bit.

    Returns:
        64 hexadecimal digits (BLAKE2b).
    """
    digest = hashlib.blake2b(digest_size=32)
    for block in blocks:
        config = _without_names(keras.saving.serialize_keras_object(block))
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        for name, value in sorted(block.state.items()):
            digest.update(f"{name}:{value.dtype.str}:{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _without_names(config: Any) -> Any:
    """A serialised configuration without what differs between two equal blocks: names, dtypes, build records."""
    if isinstance(config, Mapping):
        if "class_name" in config and isinstance(config.get("config"), Mapping):
            kept = {k: v for k, v in config["config"].items() if k not in ("name", "dtype", "trainable")}
            return [config["class_name"], _without_names(kept)]
        return {key: _without_names(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_without_names(value) for value in config]
    return config


def _column_chunks(data: Any) -> Iterable[pa.Array]:
    if isinstance(data, pa.ChunkedArray):
        return data.chunks
    if hasattr(data, "schema") and hasattr(data, "chunks"):
        if len(data.schema) != 1:
            raise InvalidArgument(
                f"A block learns from one column. Received: a source of {len(data.schema)}: "
                f"{', '.join(data.schema.names)}. Select one: source.select([...])."
            )
        return (chunk.column(0) for chunk in data.chunks(65_536))
    if isinstance(data, pa.Array | np.ndarray) or hasattr(data, "__arrow_c_stream__"):
        return [to_arrow(_flat(data))]
    if isinstance(data, list | tuple) and not (data and isinstance(data[0], pa.Array | pa.ChunkedArray | np.ndarray)):
        return [to_arrow(list(data))]
    if isinstance(data, Iterable):
        return (to_arrow(_flat(chunk)) for chunk in data)
    raise InvalidArgument(
        f"adapt takes a column of values or an iterable of chunks of it. Received: {type(data).__name__}."
    )


def _flat(chunk: Any) -> Any:
    """A chunk of shape (rows, 1), as Keras' `FeatureSpace` makes them, as one of shape (rows,)."""
    shape: tuple[int, ...] = tuple(getattr(chunk, "shape", ()))
    return np.asarray(chunk)[:, 0] if len(shape) == 2 and shape[-1] == 1 else chunk


def usable(count: float, name: str) -> None:
    """Refuse to learn from nothing.

    Raises:
        EmptySource: `count` is 0.
    """
    if not count:
        raise EmptySource(
            f"{name} learns from values that are there. Received: a column with none (all missing or infinite, or no "
            "rows at all). Leave the column out, or give one with values."
        )
