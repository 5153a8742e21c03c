"""Heads: several heads by name on one representation, in the role of one head.

Targets, predictions, losses and class weights are dicts by head; answers are flat, each named by its head and itself:
`price_prediction`. A single head goes by the name "", and its values stand alone.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pyarrow as pa

from blocks.block import Head, State
from blocks.errors import InvalidArgument
from blocks.features.names import is_plain
from blocks.statistics import Statistic
from blocks.targets import target_columns as targets
from blocks.targets.description import with_head_prefix


def of_head(values: Any, name: str) -> Any:
    """What belongs to a head: its part of a dict by head, or all where there is one head, called ""."""
    return values[name] if name else values


@keras.saving.register_keras_serializable(package="blocks")
class Heads(Head):
    """Several heads on one representation. `Model(head={"price": ..., "sold": ...})` makes it.

    A row is used when any head can use it: one whose target it lacks, by `on_bad_target="skip"`, passes over it in
    losses, metrics and calibration. All heads are learned in the same pass, and two may share a column.

    Args:
        heads: Head by name; a name is a Python identifier of ASCII characters that begins with a letter, since it
            becomes part of names of answers, losses and files.
        loss_weights: What each head's loss weighs in their sum, 1.0 unless given.
        state: What an earlier `adapt` learned.

    Raises:
        InvalidArgument: Names, weights or heads that are none, or heads with different columns of sample weights.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import classifiers, regressors
        >>> heads = Heads({"price": regressors.Mean("eur"), "sold": classifiers.Softmax("sold", classes=[0, 1])})
        >>> heads.targets
        ('eur', 'sold')
        >>> heads.encode(pa.array([{"eur": 2.5, "sold": 1}]))
        ({'price': array([2.5]), 'sold': array([1], dtype=int32)}, array([ True]))
    """

    takes_several = True

    def __init__(
        self,
        heads: Mapping[str, Head],
        *,
        loss_weights: Mapping[str, float] | None = None,
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name, head in heads.items():
            if not isinstance(head, Head) or isinstance(head, Heads):
                raise InvalidArgument(f"Several heads are a dict of heads by name. Received: {name!r}: {head!r:.80}.")
            if not isinstance(name, str) or not (name.isidentifier() and is_plain(name)):
                raise InvalidArgument(
                    "A head's name is a Python identifier of ASCII characters that begins with a letter, since it "
                    f"becomes part of names of answers, losses and files. Received: {name!r}."
                )
        weights = sorted({head.sample_weight for head in heads.values() if head.sample_weight is not None})
        if not heads:
            raise InvalidArgument(
                'A dict of heads names one at least: {"price": regressors.Mean("price")}. Received: {}.'
            )
        if len(weights) > 1:
            raise InvalidArgument(
                f"Several heads share one column of sample weights. Received: {list(heads)} with {weights}."
            )
        columns = dict.fromkeys(column for head in heads.values() for column in head.targets)
        super().__init__(tuple(columns), sample_weight=weights[0] if weights else None, **kwargs)
        self._heads = dict(heads)
        self._loss_weights = None if loss_weights is None else _checked(loss_weights, list(heads))
        if state:
            self.restore({name: np.array(values, dtype) for name, (dtype, values) in state.items()})

    @property
    def heads(self) -> dict[str, Head]:
        """The heads by name."""
        return dict(self._heads)

    # -- state: that of the heads --------------------------------------------------------------------------------------

    @property
    def adapted(self) -> bool:
        """Whether every head is."""
        return all(head.adapted for head in self._heads.values())

    @property
    def state(self) -> State:
        """Every head's state, by "head/name"."""
        return {f"{name}/{key}": value for name, head in self._heads.items() for key, value in head.state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Put every head's state into effect."""
        for name, head in self._heads.items():
            head.restore(_below(name, state))

    def save_own_variables(self, store: Any) -> None:
        """Write nothing: the heads write their own."""

    def load_own_variables(self, store: Any) -> None:
        """Read nothing."""

    # -- targets -------------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Statistic]:
        """Every head's statistics, by "head/name"."""
        return {f"{name}/{key}": one for name, head in self._heads.items() for key, one in head.statistics().items()}

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Update every head's statistics by its own columns of the target."""
        for name, head in self._heads.items():
            head.observe(_below(name, statistics), self._target(head, chunk))

    def without_target(self, results: Mapping[str, Statistic]) -> dict[str, tuple[int, int]]:
        """Of every head."""
        found: dict[str, tuple[int, int]] = {}
        for name, head in self._heads.items():
            found |= head.without_target(_below(name, results))
        return found

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Every head's state."""
        return {
            f"{name}/{key}": value
            for name, head in self._heads.items()
            for key, value in head.learn(_below(name, results)).items()
        }

    @property
    def encoding(self) -> dict[str, Any]:
        """Every head's."""
        return {"kind": "heads", "heads": {name: head.encoding for name, head in self._heads.items()}}

    def encode(self, target: pa.Array) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Encoded targets by head, with each head's gaps, and which rows any head can use."""
        return self._with_gaps({name: head.encode(self._target(head, target)) for name, head in self._heads.items()})

    def encode_rows(self, chunk: pa.RecordBatch) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """`encode` of a chunk of the source's rows, each head with its own rule for unusable ones."""
        return self._with_gaps({name: head.encode_rows(chunk) for name, head in self._heads.items()})

    def _with_gaps(
        self, parts: Mapping[str, tuple[np.ndarray, np.ndarray]]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        kept = np.logical_or.reduce([usable for _, usable in parts.values()])
        encoded = {}
        for name, (values, usable) in parts.items():
            gap = self._heads[name].gap
            if gap is None:
                kept = kept & usable
            elif not usable.all():
                values = values.copy()
                values[~usable] = gap
            encoded[name] = values
        return encoded, kept

    def decode(self, encoded: Any) -> Any:
        """The targets by head as the source has them."""
        return {name: head.decode(encoded[name]) for name, head in self._heads.items()}

    def _target(self, head: Head, target: pa.Array) -> pa.Array:
        parts = targets.columns(target, head.targets)
        return parts[head.target] if isinstance(head.target, str) else targets.struct(parts)

    # -- predictions ---------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Build every head."""
        for head in self._heads.values():
            if not head.built:
                head.build(input_shape)
        self.built = True

    def call(self, inputs: Any) -> dict[str, Any]:
        """Predictions by head."""
        return {name: head(inputs) for name, head in self._heads.items()}

    def compute_output_spec(self, inputs: Any) -> dict[str, Any]:
        """Every head's."""
        return {name: head.compute_output_spec(inputs) for name, head in self._heads.items()}

    def default_loss(self) -> dict[str, Any]:
        """Every head's, by name."""
        return {name: head.default_loss() for name, head in self._heads.items()}

    def default_metrics(self) -> dict[str, Any]:
        """Every head's, by name."""
        return {name: head.default_metrics() for name, head in self._heads.items()}

    @property
    def loss_weights(self) -> dict[str, float] | None:
        """What each head's loss weighs."""
        return None if self._loss_weights is None else dict(self._loss_weights)

    def answer(self, predictions: Any) -> dict[str, Any]:
        """Every head's answers, named by the head and themselves."""
        answers: dict[str, Any] = {}
        for name, head in self._heads.items():
            answers |= {with_head_prefix(name, key): one for key, one in head.answer(predictions[name]).items()}
        return answers

    # -- configuration -------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The configuration; learned state stands in it once."""
        config = super().get_config()
        for name in ("target", "sample_weight", "on_bad_target"):
            del config[name]
        heads = []
        for name, head in self._heads.items():
            # without the record of its building: a core builds heads by the model's seed
            config_of = {**keras.saving.serialize_keras_object(head), "build_config": None}
            heads.append([name, {**config_of, "config": {**config_of["config"], "state": None}}])
        return {**config, "heads": heads, "loss_weights": self.loss_weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Heads":
        """The block that `get_config` described."""
        heads = {name: keras.saving.deserialize_keras_object(head) for name, head in config["heads"]}
        return cls(**{**config, "heads": heads})


def _below(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(f"{name}/"): value for key, value in values.items() if key.startswith(f"{name}/")}


def _checked(weights: Mapping[str, float], names: list[str]) -> dict[str, float]:
    unknown = sorted(set(weights) - set(names), key=str)
    numbers = all(isinstance(w, int | float) and math.isfinite(w) and w >= 0 for w in weights.values())
    if unknown or not numbers or not any(weights.get(name, 1.0) for name in names):
        raise InvalidArgument(
            f"loss_weights are finite numbers >= 0 by head, not all 0; the heads are {', '.join(names)}. "
            f"Received: {dict(weights)}."
        )
    return {name: float(weights.get(name, 1.0)) for name in names}


def as_head(head: Any, loss_weights: Mapping[str, float] | None = None) -> Any:
    """Heads by name as one; what is no dict stays as it is.

    Raises:
        InvalidArgument: `loss_weights` for a single head.
    """
    if isinstance(head, Mapping):
        return Heads(head, loss_weights=loss_weights)
    if loss_weights is None:
        return head
    if not isinstance(head, Heads):
        raise InvalidArgument(f"loss_weights are for several heads. Received: {type(head).__name__} alone.")
    return Heads(head.copy().heads, loss_weights=loss_weights)
