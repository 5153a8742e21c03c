"""HeadReader: a prediction table's chunks as the rows that metrics are of, head by head; unusable rows are counted.

Which metrics there are lives in `classification`, `regression` and `forecast`.
"""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.evaluate.scoring.classification import Classification, ClassRows
from blocks.evaluate.scoring.forecast import Forecast, StepRows
from blocks.evaluate.scoring.metric_sums import MetricSums
from blocks.evaluate.scoring.regression import NumberRows, Regression
from blocks.evaluate.scoring.row_selection import Rows, select_rows
from blocks.evaluate.tables.answer_columns import all_finite, label_truth, matrix, numbers, of_target, step_matrix
from blocks.targets.classes import encode_classes
from blocks.targets.description import HeadDescription
from blocks.targets.sample_weights import sample_weights

CHUNK_ROWS = 65_536
ROUNDING = 1e-6
"""By how much a probability may miss [0, 1]: a softmax in float32 ends at 1.0000001."""


@dataclasses.dataclass
class Found:
    """A chunk of one head's rows: by suffix of the metrics' names, the rows that can be judged.

    Attributes:
        rows: "" for one target; "[target]" for each of several.
        kept: By suffix, (rows,) places in the chunk of the rows that are judged.
        left_out: How many rows are left out, by why.
    """

    rows: dict[str, Rows]
    kept: dict[str, np.ndarray]
    left_out: Counter[str]


class HeadReader:
    """Reads what one head's judgement needs from a table's chunks.

    Args:
        head: What the table says of it.
        schema: The table's.
        by_step: Whether each step of a forecast is summed up apart.

    Raises:
        SchemaMismatch: The table has no answer that can be judged.
    """

    def __init__(self, head: HeadDescription, schema: pa.Schema, *, by_step: bool = False) -> None:
        self.head = head
        self._schema = schema
        names = {name: head.prefixed(name) for name in ANSWERS if head.prefixed(name) in schema.names}
        self.names = names
        if "probabilities" not in names and "prediction" not in names:
            raise SchemaMismatch(
                f"A prediction table has the column {head.prefixed('probabilities')!r} or "
                f"{head.prefixed('prediction')!r}. Received: {', '.join(schema.names)}."
            )
        self.is_classifier = "probabilities" in names
        self.is_multilabel = self.is_classifier and head.takes_labels
        truth = schema.field(head.target_columns()[0]).type if head.targets else pa.null()
        self.is_forecast = not self.is_classifier and len(head.targets) == 1 and pt.is_nested(truth)
        self._by_step = by_step
        self.weight = head.sample_weight if head.sample_weight in schema.names else None
        self.columns = list(dict.fromkeys([*head.target_columns(), *names.values(), *filter(None, [self.weight])]))

    def metric_sums(self) -> dict[str, MetricSums]:
        """Fresh sums for each suffix."""
        weighted = self.weight is not None
        if self.is_classifier:
            if self.is_multilabel:
                return {f"[{name}]": Classification(["0", "1"], weighted) for name in self._labels()}
            return {"": Classification([text(name) for name in self.head.classes or ()], weighted)}
        several = len(self.head.targets) > 1
        quantiles = self.head.levels if "quantiles" in self.names else None
        if self.is_forecast:
            parts = list(quantiles or ()), {"low", "high"} <= set(self.names), "naive_error" in self.names
            return {"": Forecast(self._steps() if self._by_step else 1, *parts)}
        made: dict[str, Any] = {
            "levels": list(quantiles or ()),
            "interval": {"low", "high"} <= set(self.names),
            "deviation": "standard_deviation" in self.names,
            "weighted": weighted,
        }
        return {f"[{name}]" if several else "": Regression(**made) for name in self.head.targets}

    def read(self, chunk: pa.RecordBatch, start: int) -> Found:
        """The rows of a chunk that can be judged.

        Args:
            chunk: Has at least `columns`.
            start: Place of its first row in the table.
        """
        positions = np.arange(start, start + len(chunk))
        weight = None if self.weight is None else sample_weights(chunk.column(self.weight), self.weight)
        found = Found({}, {}, Counter())
        if self.is_multilabel:
            self._read_labels(chunk, positions, weight, found)
        elif self.is_classifier:
            self._read_classes(chunk, positions, weight, found)
        elif self.is_forecast:
            self._read_steps(chunk, positions, weight, found)
        else:
            self._read_numbers(chunk, positions, weight, found)
        return found

    def scores(self, chunk: pa.RecordBatch) -> np.ndarray:
        """What rows are ranked by: probabilities (rows, classes), or predictions (rows,), as float64."""
        name = self.names["probabilities" if self.is_classifier else "prediction"]
        if self.is_classifier:
            return self._probabilities(chunk).astype(np.float64, copy=False)
        return numbers(chunk.column(name), name).astype(np.float64, copy=False)

    def _probabilities(self, chunk: pa.RecordBatch) -> np.ndarray:
        """(rows, classes), a null row as NaN.

        Raises:
            InvalidArgument: There is one outside [0, 1], or NaN.
        """
        name = self.names["probabilities"]
        column = chunk.column(name)
        held = matrix(column, name)
        inside = ((held >= -ROUNDING) & (held <= 1.0 + ROUNDING)).all(axis=1)
        if not inside.all() and (bad := np.flatnonzero(~inside & np.asarray(column.is_valid()))).size:
            raise InvalidArgument(
                f"Probabilities are numbers in [0, 1]. Received: {name!r} with {held[bad[0]].tolist()} among "
                f"{len(bad):,} such rows of {len(held):,}. Give probabilities, not logits or scores; where a model "
                "of blocks gives NaN, training has diverged: fit it anew at a lower rate."
            )
        return held

    def _read_classes(self, chunk: pa.RecordBatch, positions: Any, weight: Any, found: Found) -> None:
        names = list(self.head.classes or ())
        classes = len(names)
        held = self._probabilities(chunk)
        if held.shape[1] != classes:
            raise SchemaMismatch(f"There is a probability for each of {classes} classes. Received: {held.shape[1]}.")
        target = encode_classes(chunk.column(self.head.target_columns()[0]), names, self.head.targets[0])
        finite = np.isfinite(held).all(axis=1)
        probabilities = np.clip(held.astype(np.float64, copy=False), 0.0, 1.0)
        label = probabilities[:, 1] > probabilities[:, 0] if classes == 2 else probabilities.argmax(axis=1)
        label = label.astype(np.int64)
        if "label" in self.names:
            decided = encode_classes(chunk.column(self.names["label"]), names, self.names["label"])
            label = np.where(decided >= 0, decided, label)
        epsilon = float(np.finfo(held.dtype).eps) if held.dtype.kind == "f" else float(np.finfo(np.float64).eps)
        rows = ClassRows(positions, target, probabilities, label, weight, epsilon)
        self._keep("", rows, target >= 0, {self.names["probabilities"]: finite}, found)

    def _read_labels(self, chunk: pa.RecordBatch, positions: Any, weight: Any, found: Found) -> None:
        held = self._probabilities(chunk)
        decided = None
        if "label" in self.names and pt.is_fixed_size_list(chunk.schema.field(self.names["label"]).type):
            decided = matrix(chunk.column(self.names["label"]), self.names["label"])
        epsilon = float(np.finfo(held.dtype).eps)
        targets, usable = self._label_targets(chunk)
        for i, name in enumerate(self._labels()):
            one = np.clip(held[:, i].astype(np.float64), 0.0, 1.0)
            label = (one > 0.5).astype(np.int64) if decided is None else decided[:, i].astype(np.int64)
            rows = ClassRows(
                positions, targets[:, i].astype(np.int64), np.stack([1 - one, one], axis=1), label, weight, epsilon
            )
            finite = {self.names["probabilities"]: np.isfinite(held[:, i])}
            self._keep(f"[{name}]", rows, usable, finite, found)

    def _labels(self) -> list[str]:
        return [text(name) for name in (self.head.targets if len(self.head.targets) > 1 else self.head.classes or ())]

    def _label_targets(self, chunk: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        columns = [chunk.column(name) for name in self.head.target_columns()]
        return label_truth(columns, self.head)

    def _read_numbers(self, chunk: pa.RecordBatch, positions: Any, weight: Any, found: Found) -> None:
        names = self.names
        several = len(self.head.targets) > 1
        held = {
            name: matrix(chunk.column(column), column)
            if pt.is_nested(chunk.schema.field(column).type)
            else numbers(chunk.column(column), column)
            for name, column in names.items()
            if name in ("prediction", "quantiles", "low", "high", "standard_deviation")
        }
        finite = {names[name]: all_finite(values) for name, values in held.items()}
        targets = len(self.head.targets)
        for i, (name, column) in enumerate(zip(self.head.targets, self.head.target_columns(), strict=True)):
            target = numbers(chunk.column(column), column).astype(np.float64, copy=False)
            own = {answer: of_target(values, i, targets) for answer, values in held.items()}
            quantiles = own.get("quantiles") if self.head.levels else None
            rows = NumberRows(
                positions,
                target,
                own["prediction"][:, 0],
                weight,
                quantiles,
                *(own[answer][:, 0] if answer in own else None for answer in ("low", "high", "standard_deviation")),
            )
            self._keep(f"[{name}]" if several else "", rows, np.isfinite(target), finite, found)

    def _steps(self) -> int:
        """How many steps a prediction has.

        Raises:
            SchemaMismatch: The table does not say.
        """
        kinds = [self._schema.field(name).type for name in (self.head.target_columns()[0], self.names["prediction"])]
        found = [self.head.steps, *(kind.list_size for kind in kinds if pt.is_fixed_size_list(kind))]
        if not any(found):
            raise SchemaMismatch(
                f"Steps are told apart in lists of fixed size. Received: {self.names['prediction']!r} of {kinds[1]}. "
                "Cast it, or write the table by predict_table."
            )
        return next(int(size) for size in found if size)

    def _read_steps(self, chunk: pa.RecordBatch, positions: Any, weight: Any, found: Found) -> None:
        column = self.head.target_columns()[0]
        target = step_matrix(chunk.column(column), column)
        names = [name for name in ("prediction", "quantiles", "low", "high") if name in self.names]
        held = {name: step_matrix(chunk.column(self.names[name]), self.names[name]) for name in names}
        for name, values in held.items():
            if values.shape[1] % target.shape[1] or (name != "quantiles" and values.shape != target.shape):
                raise SchemaMismatch(
                    f"A forecast has a number for each step of the target. Received: {self.names[name]!r} with "
                    f"{values.shape[1]}, {column!r} with {target.shape[1]}."
                )
        finite = {self.names[name]: all_finite(values) for name, values in held.items()}
        quantiles = None
        if "quantiles" in held and self.head.levels:
            quantiles = held["quantiles"].reshape(*target.shape, -1)
        scale = self.names.get("naive_error")
        rows = StepRows(
            positions,
            target,
            held["prediction"],
            weight,
            None if scale is None else numbers(chunk.column(scale), scale).astype(np.float64, copy=False),
            quantiles,
            held.get("low"),
            held.get("high"),
        )
        self._keep("", rows, all_finite(target), finite, found)

    def _keep(self, suffix: str, rows: Rows, usable: np.ndarray, finite: dict[str, np.ndarray], found: Found) -> None:
        kept = usable.copy()
        if not usable.all():
            found.left_out[f"unusable_targets{suffix}"] += int(np.count_nonzero(~usable))
        for name, fine in finite.items():
            if not fine.all():
                kept &= fine
                found.left_out[f"nonfinite_predictions[{name}]"] += int(np.count_nonzero(~fine))
        if kept.all():
            found.rows[suffix], found.kept[suffix] = rows, np.arange(len(kept))
        else:
            found.kept[suffix] = np.flatnonzero(kept)
            found.rows[suffix] = select_rows(rows, found.kept[suffix])


ANSWERS = ("probabilities", "label", "prediction", "quantiles", "low", "high", "standard_deviation", "naive_error")


def text(value: Any) -> str:
    """A class's name in a metric's."""
    return value if isinstance(value, str) else str(value)
