"""Sigmoid: any of several labels, none or all of which may be true."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from keras import ops

from blocks.block import Classifier, State
from blocks.block.precision import wide
from blocks.classifiers.losses import LabelLoss, check_loss
from blocks.errors import BadTarget, InvalidArgument
from blocks.statistics import Counts, Missing, Statistic
from blocks.targets import target_columns as targets
from blocks.targets.classes import class_state, require_single, weights_of
from blocks.targets.label_sets import encode_flags, encode_labels, labels_of, once_a_row, require_labels

_TWO_CLASSES = 1 << 20
"""Bytes to count the values of a column in, of which there should be two."""


@keras.saving.register_keras_serializable(package="blocks")
class Sigmoid(Classifier):
    """A probability for each of several labels that do not exclude each other, by a dense layer and the sigmoid.

    The labels are the target's columns, of 0 and 1 or booleans; or what is found in one column: in Arrow lists of
    strings or integers, or in strings with a separator, where an empty list or string says that no label is true.
    The loss is the cross-entropy, its mean over the labels; the metric, `accuracy`, the share of labels told right at a
    threshold of 0.5.

    Args:
        target: Names of the columns, one a label; or the name of one column of labels.
        separator: What stands between the labels of a string; None for lists.
        classes: The labels in order, for one column, when they are given rather than learned in ascending order.
        class_weight: None, "balanced" (what is true of a label weighs as much in all as what is false), or a dict of
            label to weight. It multiplies the loss of a label where it is true, in `evaluate` too.
        label_smoothing: How much of the truth is spread over true and false alike, from 0 to below 1.
        focal_gamma: The focal loss's exponent: how much less labels count that are well predicted.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows where a column is missing, or a label was not seen in training.
        state: What an earlier `adapt` learned.

    Returns:
        `probabilities`, float32 of shape (batch, labels).

    Raises:
        BadTarget: At `adapt`, when a column is true (or false) of every row, or holds other values than 0 and 1.

    Parameters: (width + 1) * labels.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import classifiers
        >>> head = classifiers.Sigmoid("tags", separator="|", classes=["new", "red"])
        >>> head.encode(pa.array(["red|new", "", None]))
        (array([[1, 1],
               [0, 0],
               [0, 0]], dtype=uint8), array([ True,  True, False]))

    Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), the focal loss.
    """

    takes_several = True
    exclusive = False
    gap = 255
    wanted = "labels that were seen in training, or 0 or 1 in each of their columns"

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        separator: str | None = None,
        classes: Sequence[Any] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(target, str) and (separator is not None or classes is not None):
            raise InvalidArgument(
                "separator and classes are for one column of labels; several columns are labels themselves. "
                f"Received: {list(target)} with separator={separator!r}, classes={classes!r}."
            )
        if separator == "":
            raise InvalidArgument("Sigmoid's separator is not empty; None for lists. Received: ''.")
        super().__init__(
            target,
            classes=classes,
            class_weight=class_weight,
            sample_weight=sample_weight,
            on_bad_target=on_bad_target,
            state=state,
            **kwargs,
        )
        check_loss("Sigmoid", label_smoothing, focal_gamma)
        self._separator = separator
        self._smoothing = float(label_smoothing)
        self._gamma = float(focal_gamma)

    # -- the target ----------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Statistic]:
        """The counts of each column's values; or of the labels, and of the rows."""
        if isinstance(self.target, str):
            return {"counts": Counts(), "rows": Missing()}
        return {f"{column}/counts": Counts(_TWO_CLASSES) for column in self.targets}

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Count each column; or all labels of all rows, and the rows."""
        if isinstance(self.target, str):
            labels = labels_of(chunk, self._separator, self.target)
            statistics["counts"].update(once_a_row(labels))
            statistics["rows"].update(labels)
            return
        for name, part in targets.columns(chunk, self.targets).items():
            require_single(part, name)
            statistics[f"{name}/counts"].update(part)

    def without_target(self, results: Mapping[str, Statistic]) -> dict[str, tuple[int, int]]:
        """Where a column is missing."""
        names = {self.target: "rows"} if isinstance(self.target, str) else {c: f"{c}/counts" for c in self.targets}
        found = {column: results[name].result() for column, name in names.items()}
        return {column: (result.missing, result.rows) for column, result in found.items()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The labels, how many rows each is true of, and the number of rows."""
        if not isinstance(self.target, str):
            found = {column: results[f"{column}/counts"].result() for column in self.targets}
            true = [require_labels(result, column) for column, result in found.items()]
            rows = min(result.total for result in found.values())
            return {**class_state(self.targets, true, ", ".join(self.targets)), "rows": np.asarray(rows, np.int64)}
        result, seen = results["counts"].result(), results["rows"].result()
        if not result.total or not result.exact:
            raise BadTarget(
                f"A target of labels has some, and few enough to count. Received: {self.target!r} with "
                f"{result.distinct:,} distinct labels in {seen.rows:,} rows ({seen.missing:,} missing)."
            )
        count = dict(zip(result.values.to_pylist(), result.counts.tolist(), strict=True))
        labels = sorted(count) if self._given is None else self._given
        rows = np.asarray(seen.rows - seen.missing, np.int64)
        return {**class_state(labels, [count.get(label, 0) for label in labels], self.target), "rows": rows}

    @property
    def priors(self) -> np.ndarray:
        """The share of the rows that were adapted on of which each label is true, float64 (labels,)."""
        return self.state["counts"] / max(self._rows, 1)

    @property
    def _rows(self) -> int:
        # 0 where labels are given and nothing was learned
        return int(self.state.get("rows", 0))

    @property
    def encoding(self) -> dict[str, Any]:
        """Target, weights and labels."""
        target = self.target if isinstance(self.target, str) else list(self.target)
        return {
            "kind": "labels",
            "target": target,
            "weight": self.sample_weight,
            "classes": self.classes,
            "separator": self._separator,
        }

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Which labels are true, uint8 (rows, labels) of 0 and 1, and which rows are usable.

        Raises:
            BadTarget: The target holds no labels.
        """
        if isinstance(self.target, str):
            return encode_labels(target, self._separator, self.classes, self.target)
        return encode_flags(targets.columns(target, self.targets))

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The columns as booleans (rows, labels); or an array of lists of labels."""
        true = np.asarray(encoded, bool)
        if not isinstance(self.target, str):
            return true
        lists = np.empty(len(true), object)
        lists[:] = [[label for label, holds in zip(self.classes, row, strict=True) if holds] for row in true]
        return lists

    @property
    def encoded_columns(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(map(str, self.classes))

    def class_weights_of(self, counts: Sequence[int] | None) -> None:
        """None: labels are weighed in the loss, since a row has several."""
        return

    @property
    def positive_weights(self) -> np.ndarray | None:
        """What each label weighs where it is true, float32 (labels,); None where all weigh one."""
        counts = self.state["counts"]
        return weights_of(self._weights, self.classes, (self._rows - counts) / np.maximum(counts, 1))

    # -- the prediction ------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the dense layer, the labels being known.

        Raises:
            NotAdapted: They are not.
        """
        self.logits = self.dense(len(self.classes), input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Probabilities in float32, whatever the precision before."""
        return ops.sigmoid(ops.cast(self.logits(inputs), "float32"))

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, labels), float32."""
        return keras.KerasTensor((inputs.shape[0], len(self.classes)), "float32")

    def default_loss(self) -> keras.losses.Loss:
        """The cross-entropy."""
        weights = self.positive_weights
        return LabelLoss(self._smoothing, self._gamma, None if weights is None else weights.tolist())

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The share of labels told right."""
        return [keras.metrics.BinaryAccuracy(name="accuracy", dtype=wide())]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The probabilities."""
        return {"probabilities": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "separator": self._separator,
            "label_smoothing": self._smoothing,
            "focal_gamma": self._gamma,
        }
