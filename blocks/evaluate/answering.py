"""What answers rows: a model, an exported SavedModel, or a user's object, in the one form that all here ask."""

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.export.exported_predictor import ExportedPredictor
from blocks.inference.predictor import Predictor

Answers = dict[str, np.ndarray]


def as_predictor(
    model: Any,
    inputs: Sequence[str] | None = None,
    targets: Sequence[str] = (),
    classes: Sequence[Any] | None = None,
) -> Predictor:
    """What answers rows.

    Args:
        model: A `blocks.Model`; the folder of an exported SavedModel; a `Predictor`; or an object whose `predict` takes
            an Arrow table of raw rows and gives a dict of answers.
        inputs: The columns that such an object reads; None where more must be known of a model than its answers.
        targets: The columns of truth, for such an object.
        classes: In the order of its probabilities, where it does not say them itself.

    Raises:
        InvalidArgument: It is none of these.
    """
    if isinstance(model, str | os.PathLike):
        return ExportedPredictor(model)
    found: Predictor = getattr(model, "predictor", model)
    if all(hasattr(found, name) for name in ("inputs", "answers", "describe")):
        return found
    if inputs is not None and callable(getattr(model, "predict", None)):
        return ByPredict(model, inputs, targets, classes)
    also = "" if inputs is None else ", or with predict(rows)"
    raise InvalidArgument(
        "Rows are answered by a blocks.Model, the folder of an exported SavedModel, or an object with inputs, "
        f"answers(chunk) and describe(){also}. Received: {type(model).__name__}."
    )


class ByPredict:
    """A user's object with `predict`, in the role of a `blocks.inference.predictor.Predictor`.

    Args:
        model: Its `predict` takes an Arrow table of raw rows and gives a dict of answers, (rows, ...) each.
        inputs: The columns that it reads.
        targets: The columns of truth, where answers are to be judged.
        classes: In the order of the probabilities; those that the object says itself unless given.
    """

    def __init__(
        self, model: Any, inputs: Sequence[str], targets: Sequence[str] = (), classes: Sequence[Any] | None = None
    ) -> None:
        self._model, self._targets = model, list(targets)
        self._classes = getattr(model, "classes", None) if classes is None else classes
        self.inputs = list(inputs)
        self._quiet = {"verbose": False} if "verbose" in inspect.signature(model.predict).parameters else {}

    def answers(self, chunk: pa.RecordBatch) -> Answers:
        """Every answer of a chunk."""
        found = self._model.predict(pa.table(chunk.select(self.inputs)), **self._quiet)
        if not isinstance(found, Mapping):
            raise InvalidArgument(
                "predict gives a dict of answers, {'probabilities': (rows, classes)} or {'prediction': (rows,)}. "
                f"Received: {type(found).__name__}. Wrap the model."
            )
        return {name: np.asarray(values) for name, values in found.items()}

    def describe(self) -> dict[str, Any]:
        """One head, of the targets and classes that are known."""
        return {"model": "", "heads": [{"name": "", "targets": self._targets, "classes": self._classes}]}
