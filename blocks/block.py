"""The roles and the contract of a block; no block lives here.

    keras.layers.Layer
    +-- Block
        +-- Preprocessor        raw values -> features                      learns statistics
        +-- FeatureExtractor    packed features -> a representation         trained; may learn from features
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
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pyarrow as pa

from blocks import targets
from blocks.data.raw import MISSING_INT, is_list, is_number, is_text, is_time, raw_type, to_arrow, to_raw
from blocks.errors import BadTarget, EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.feature_learner import FeatureLearner
from blocks.features import NUMERIC, Entry, Feature, FeatureSpec
from blocks.members import MemberDense
from blocks.statistics import Moments, Statistic

State = dict[str, np.ndarray]

FLOAT32_MAX = np.finfo(np.float32).max

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
        if state := self.state:
            twin.restore(state)
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
    """The families of Arrow types that may enter: "number", "text", "time", "list"."""

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
        families = {"number": is_number, "text": is_text, "time": is_time, "list": is_list}
        if not pa.types.is_null(type) and not any(families[family](type) for family in self.accepts):
            raise SchemaMismatch(
                f"{self.__class__.__name__} takes columns of {' or '.join(self.accepts)}. "
                f"Received: column {column!r} of type {type}. Choose another block for it"
                f"{' (MultiHot or Tokens)' if is_list(type) else ''}, or cast the column."
            )
        if pa.types.is_null(type) and "number" not in self.accepts:
            return "string" if "text" in self.accepts else "int64"
        return raw_type(type, identifier=self.identifier)

    def examples(self, dtype: str) -> list[Any]:
        """Raw values worth trying, none of them from anybody's rows: usual, extreme, missing, unseen."""
        if dtype in ("string", "list"):
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
                    keras.ops.convert_to_tensor(to_raw(chunk, dtype, self.name), _tensor_dtype(dtype))
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
    rounded = keras.ops.cast(values, "float32")
    if dtype != "float64":
        return rounded
    # what is finite stays finite, for which half the bytes are touched after rounding; infinities and NaN pass
    held = keras.ops.clip(rounded, -FLOAT32_MAX, FLOAT32_MAX)
    return keras.ops.where(keras.ops.isfinite(values), held, rounded)


class FeatureExtractor(Block):
    """Packed features to a representation of shape (batch, width). Trained, and free of any backend.

    `bind` tells it what the features are before it is built; alone, without a specification, it takes one float tensor.
    One with `members` returns (batch, members, width): the core then predicts for each member and averages.

    A subclass writes `make`, `call` and `compute_output_shape`. Layers inside that are `FeatureLearner`s (the bins of
    piecewise-linear embeddings) learn from features before the first training step: `fit` sees to it; alone, `adapt`
    does. What they learned is weights.

    `trainable = False` freezes it, before or after it is built; compile again if the core was compiled.
    """

    members: int | None = None
    """How many members the representation has, or None for a plain one."""

    def __init__(self, spec: FeatureSpec | Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        # features keep their precision until a layer inside casts them
        super().__init__(**{"autocast": False, **kwargs})
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

    def make(self, input_shape: Any) -> None:
        """Make the layers, the features' shapes being known."""

    def build(self, input_shape: Any) -> None:
        """Make the layers; freeze them, and give them what was learned, where that was said before they were there."""
        self.make(input_shape)
        self.built = True
        if not self.trainable:
            self.trainable = False
        if self._state is not None:
            self._restore(dict(self._state))

    @property
    def learners(self) -> list[FeatureLearner]:
        """The layers inside that learn from features; known once the extractor is built."""
        return [layer for layer in self._flatten_layers(include_self=False) if isinstance(layer, FeatureLearner)]

    @property
    def learns(self) -> bool:
        """Whether a layer inside learns from features."""
        return bool(self.learners)

    @property
    def adapted(self) -> bool:
        """Whether all that learn have learned."""
        return all(learner.adapted for learner in self.learners)

    @property
    def state(self) -> State:
        """What was learned from features, as the weights have it."""
        if not self.built:
            return super().state
        return {f"{i}/{name}": value for i, part in enumerate(self.learners) for name, value in part.state.items()}

    def _restore(self, state: State) -> None:
        if self.built and state:
            for index, learner in enumerate(self.learners):
                learner.restore({name: state[f"{index}/{name}"] for name in learner.learned})

    def forget(self) -> None:
        """Drop what a copy, not built yet, knows of features that are no longer the same."""
        self._state = None

    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics of the features that are learned from, by their names; empty where nothing is learned."""
        return {name: statistic for learner in self.learners for name, statistic in learner.statistics().items()}

    def observe(self, statistics: Mapping[str, Statistic], features: Any) -> None:
        """Update statistics by one chunk of features, NumPy arrays of shape (rows, ...)."""
        numbers = np.asarray(features[NUMERIC] if isinstance(features, Mapping) else features)
        for position, name in enumerate(number_names(self.spec, numbers.shape[1])):
            if name in statistics:
                statistics[name].update(pa.array(numbers[:, position]))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The state that follows from updated statistics. Changes nothing: `restore` does."""
        return {f"{i}/{name}": v for i, part in enumerate(self.learners) for name, v in part.learn(results).items()}

    def adapt(self, chunks: Any) -> Self:
        """Learn from features, for use outside a `Model`, whose `fit` does this.

        Args:
            chunks: Features as `call` takes them (NumPy arrays), or an iterable of such chunks.

        Returns:
            The extractor itself, built.
        """
        for features in [chunks] if isinstance(chunks, Mapping | np.ndarray) else chunks:
            if not self.built:
                self.build(keras.tree.map_structure(lambda value: (None, *np.shape(value)[1:]), features))
                statistics = self.statistics()
            self.observe(statistics, features)
        self.restore(self.learn(statistics))
        return self

    def warm_start(self, other: Any) -> list[str]:
        """Copy another extractor's weights where name (below the extractor's own) and shape agree.

        Args:
            other: A built extractor, or anything that has one as `feature_extractor`: a `Model`.

        Returns:
            The names of this extractor's weights that found no counterpart, and are as they were.

        Raises:
            InvalidArgument: One of the two is not built, or nothing fits.
        """
        other = getattr(other, "feature_extractor", other)
        for extractor in (self, other):
            if not isinstance(extractor, FeatureExtractor) or not extractor.built:
                raise InvalidArgument(
                    f"A warm start is between two built extractors. Received: {extractor!r}. Adapt both models first."
                )
        theirs = _weights_by_name(other)
        left = []
        for name, weight in (ours := _weights_by_name(self)).items():
            if name in theirs and theirs[name].shape == weight.shape:
                weight.assign(theirs[name])
            else:
                left.append(name)
        if ours and len(left) == len(ours):
            raise InvalidArgument(
                f"A warm start needs weights of the same name and shape. Received: {type(other).__name__} with "
                f"{_shapes(theirs)}, for {type(self).__name__} with {_shapes(ours)}."
            )
        return left

    def save_own_variables(self, store: Any) -> None:
        """Write the extractor's own weights; those of its layers, learned ones included, are written by them."""
        keras.layers.Layer.save_own_variables(self, store)

    def get_config(self) -> dict[str, Any]:
        """The configuration, the bound specification included."""
        return {**super().get_config(), "spec": self.spec.to_json() if self.spec is not None else None}


def number_names(spec: FeatureSpec | None, width: int) -> tuple[str, ...]:
    """Names of the numeric features; their positions where there is no specification."""
    if spec is None:
        return tuple(map(str, range(width)))
    return spec[NUMERIC].names if NUMERIC in spec else ()


def _weights_by_name(extractor: FeatureExtractor) -> dict[str, Any]:
    return {weight.path.removeprefix(f"{extractor.path}/"): weight for weight in extractor.weights}


def _shapes(weights: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {tuple(weight.shape)}" for name, weight in weights.items())


class Head(Block):
    """A representation to predictions. Knows its target, encoding and its inverse, loss, metrics and the answers' names.

    A head's state stands in its configuration too, since its shape depends on it (the number of classes). The target is
    one Arrow array: a column or, for a head of several columns, a struct of them (`blocks.targets`).

    Args:
        target: Name of the target column; names of several for a head that takes them.
        sample_weight: Name of a column of non-negative weights, or None.
        unusable: What becomes of a row whose target is missing, or unseen in training: "error" or "skip" (left out and
            counted).
        state: What an earlier `adapt` learned, as `get_config` wrote it.
    """

    takes_several: ClassVar[bool] = False
    """Whether the target may be several columns."""

    wanted: ClassVar[str] = "a target that was seen in training"
    """What a row needs to be usable."""

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        sample_weight: str | None = None,
        unusable: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if unusable not in ("error", "skip"):
            raise InvalidArgument(f"unusable is 'error' or 'skip'. Received: {unusable!r}.")
        self.target = target if isinstance(target, str) else tuple(target)
        named = bool(self.targets) and all(isinstance(name, str) for name in self.targets)
        if not named or len(set(self.targets)) < len(self.targets):
            raise InvalidArgument(f"A target is the name of a column, or distinct names of some. Received: {target!r}.")
        if not isinstance(target, str) and not self.takes_several:
            raise InvalidArgument(
                f"{type(self).__name__} has one target column. Received: {target!r}. "
                'Give the model a head for each: head={"a": ..., "b": ...}.'
            )
        self.sample_weight = sample_weight
        self.unusable = unusable
        if state:
            self.restore({name: np.array(values, dtype) for name, (dtype, values) in state.items()})

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the target's columns."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def heads(self) -> dict[str, "Head"]:
        """The heads by name, where there are several; else this one, by the name of ""."""
        return {"": self}

    @abstractmethod
    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics of the target."""

    def observed(self, target: pa.Array) -> dict[str, pa.Array]:
        """What each of the statistics, by name, is of: the target's column, unless the head says otherwise."""
        return dict.fromkeys(self.statistics(), target)

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
    def encode(self, target: pa.Array) -> tuple[Any, np.ndarray]:
        """The target as the loss takes it, an array (rows, ...), and which rows are usable, (rows,).

        An array of Arrow's null type stands for a target of which every row is missing.
        """

    @abstractmethod
    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The target as the source has it, of an encoded and usable one."""

    def encode_rows(self, chunk: pa.RecordBatch) -> tuple[Any, np.ndarray]:
        """`encode` of a chunk of the source's rows.

        Raises:
            BadTarget: A row is not usable, and `unusable` is "error".
        """
        target = targets.gather(chunk, self.target)
        encoded, usable = self.encode(target)
        if self.unusable == "error" and not usable.all():
            value = target[int(np.argmin(usable))].as_py()
            raise BadTarget(
                f"Every row needs {self.wanted}. Received: {self.target!r} = {value!r} in "
                f"{int((~usable).sum()):,} of {len(usable):,} rows. Filter such rows out, or give the head "
                "unusable='skip' to leave them out, counted."
            )
        return encoded, usable

    @property
    def class_weights(self) -> Any:
        """What rows weigh in training by their class, float32 (classes,); None where all weigh one."""
        return None

    def weigh(self, encoded: Any) -> Any:
        """What rows weigh in training by their encoded target, float32 (rows,); None where all weigh one."""
        weights = self.class_weights
        return None if weights is None else weights[encoded]

    @abstractmethod
    def default_loss(self) -> Any:
        """The default `keras.losses.Loss` over (encoded target, predictions)."""

    @abstractmethod
    def default_metrics(self) -> Any:
        """Fresh default `keras.metrics.Metric`s over (encoded target, predictions)."""

    @property
    def loss_weights(self) -> Any:
        """What the losses of several heads weigh in their sum, by head; None where there is one."""
        return None

    @abstractmethod
    def answer(self, predictions: Any) -> dict[str, Any]:
        """The named answers that predictions of shape (batch, ...) are."""

    def get_config(self) -> dict[str, Any]:
        """The configuration, learned state included."""
        return {
            **super().get_config(),
            "target": self.target if isinstance(self.target, str) else list(self.target),
            "sample_weight": self.sample_weight,
            "unusable": self.unusable,
            "state": {name: [value.dtype.str, value.tolist()] for name, value in self.state.items()},
        }


class Classifier(Head):
    """A head whose target is one of several classes or, where these do not exclude each other, any of them."""

    exclusive: ClassVar[bool] = True
    """Whether just one class is true of a row, so that the probabilities sum to 1."""

    @property
    @abstractmethod
    def classes(self) -> list[Any]:
        """The classes, as str, int, bool or float, in the order of the probabilities."""


class Regressor(Head):
    """A head whose target is a number, or several at once; its answers are in the targets' units.

    It learns the targets' moments: `mean` and `scale` (1 for a constant target), float64 of shape (), or (targets,)
    where there are several.
    """

    takes_several = True
    wanted: ClassVar[str] = "a target that is a finite number"

    def statistics(self) -> dict[str, Statistic]:
        """The moments of each target."""
        return {self.of(column, "moments"): Moments() for column in self.targets}

    def of(self, column: str, name: str) -> str:
        """What a statistic of a target column is called."""
        return name if isinstance(self.target, str) else f"{column}/{name}"

    def observed(self, target: pa.Array) -> dict[str, pa.Array]:
        """Each target column, as float64.

        Raises:
            BadTarget: One holds no numbers.
        """
        parts = {self.target: target} if isinstance(self.target, str) else targets.columns(target, self.targets)
        return {self.of(column, "moments"): pa.array(targets.numbers(parts[column], column)) for column in parts}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The targets' means and scales.

        Raises:
            BadTarget: A target has no finite number.
        """
        found = [results[self.of(column, "moments")].result() for column in self.targets]
        for column, moments in zip(self.targets, found, strict=True):
            if not moments.count:
                raise BadTarget(
                    f"A regressor learns from numbers that are there. Received: {column!r}, of whose {moments.rows:,} "
                    "values none is finite."
                )
        return self.joined(
            mean=[moments.mean for moments in found],
            scale=[moments.std if moments.std > 0 else 1.0 for moments in found],
        )

    def joined(self, **values: Sequence[float]) -> State:
        """State of one number for each target: () where there is one, else (targets,)."""
        return {
            name: np.asarray(of_each[0] if isinstance(self.target, str) else of_each, np.float64)
            for name, of_each in values.items()
        }

    @property
    def encoding(self) -> dict[str, Any]:
        """Targets and weights: any regressors of the same numbers encode alike."""
        target = self.target if isinstance(self.target, str) else list(self.target)
        return {"kind": "number", "target": target, "weight": self.sample_weight}

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The numbers themselves, float64 (rows,) or (rows, targets), and which rows are usable: finite.

        Raises:
            BadTarget: A column holds no numbers.
        """
        if isinstance(self.target, str):
            values = targets.numbers(target, self.target)
            return values, np.isfinite(values)
        parts = targets.columns(target, self.targets)
        values = np.stack([targets.numbers(parts[column], column) for column in self.targets], axis=1)
        return values, np.isfinite(values).all(axis=1)

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The numbers themselves."""
        return np.asarray(encoded, np.float64)


class Postprocessor(Block):
    """Answers to more answers, inside the exported graph. Takes and returns a dict of tensors of shape (batch, ...).

    Subclasses write `call`, and say in `needs` and `adds` which answers it reads and gives; those that learn from
    held-out answers write `statistics`, `summarize` and `learn` too.
    """

    needs: tuple[str | tuple[str, ...], ...] = ()
    """The answers that it reads; a tuple stands for any one of several."""

    adds: tuple[str, ...] = ()
    """The answers that it adds or replaces."""

    converts: bool = False
    """Whether its answers are in another unit than the target, so that nothing can be calibrated after it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self._observed: Mapping[str, Statistic] | None = None

    def bind(self, head: Head) -> None:
        """Take what must be known of the head (its classes, say); of one not adapted yet, what can be.

        Raises:
            InvalidArgument: The block has no use for a head of that kind.
        """

    def after(self, answers: Iterable[str]) -> set[str]:
        """The names of the answers once the block has run on answers of these names.

        Raises:
            InvalidArgument: One that it needs is not among them.
        """
        names = set(answers)
        for need in self.needs:
            any_of = (need,) if isinstance(need, str) else need
            if not names.intersection(any_of):
                raise InvalidArgument(
                    f"{type(self).__name__} needs {' or '.join(map(repr, any_of))} among the answers that reach it. "
                    f"Received: {', '.join(map(repr, sorted(names))) or 'none'}. "
                    "Use a head that answers it, or put the block that adds it before."
                )
        return names.union(self.adds)

    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics that `learn` needs of held-out answers; empty when nothing is learned."""
        return {}

    def summarize(
        self,
        statistics: dict[str, Statistic],
        answers: Mapping[str, np.ndarray],
        target: np.ndarray,
        weight: np.ndarray | None,
    ) -> None:
        """Update what `statistics` gave with a chunk of held-out answers; more may be added that depend on their shape.

        Args:
            statistics: By name; those of several chunks or workers can be merged.
            answers: By name, (rows, ...) each.
            target: (rows, ...) As the head encodes it.
            weight: (rows,) Or None, where all weigh one.
        """

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The state that follows from updated statistics. Changes nothing: `restore` does.

        Raises:
            EmptySource: They saw too little.
        """
        return {}

    @property
    def calibrates(self) -> bool:
        """Whether the block learns from held-out answers."""
        return bool(self.statistics())

    @property
    def learns(self) -> bool:
        """Whether the block calibrates."""
        return self.calibrates

    def require_adapted(self) -> None:
        """Refuse to go on without learned state.

        Raises:
            NotAdapted: The block must be calibrated and is not.
        """
        if not self.adapted:
            raise NotAdapted(
                f"{type(self).__name__} {self.name!r} has not been calibrated. "
                "Call model.calibrate(held_out) before the model predicts or is exported."
            )

    def observe(self, answers: Mapping[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None) -> None:
        """Take one chunk of held-out answers and encoded targets into the calibration under way."""
        # in a proxy, as the state is: Keras wraps and tracks plain dicts
        observed = dict(self._observed) if self._observed is not None else self.statistics()
        self.summarize(observed, answers, target, weight)
        self._observed = MappingProxyType(observed)

    def calibrate(self) -> None:
        """End the calibration: turn what was observed into state.

        Raises:
            EmptySource: Too little was observed.
        """
        observed, self._observed = self._observed, None
        if observed is None:
            raise EmptySource(
                f"{type(self).__name__} is calibrated on held-out rows. Received: none. Give model.calibrate some."
            )
        self.restore(self.learn(observed))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The answers; symbolic ones need no learned state, real ones do."""
        answers = args[0] if args else kwargs.get("inputs")
        if isinstance(answers, Mapping):
            self.after(answers)
        if not any(isinstance(value, keras.KerasTensor) for value in keras.tree.flatten((args, kwargs))):
            self.require_adapted()
        return super().__call__(*args, **kwargs)


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


def _tensor_dtype(raw: str) -> str:
    return "string" if raw == "list" else raw


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
