"""What explanations need of anything that predicts: its answers, and which number of them is meant."""

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.targets.description import HeadDescription

Answers = dict[str, np.ndarray]


class ByPredict:
    """A user's object with `predict`, in the role of a `blocks.inference.predictor.Predictor`.

    Args:
        model: Its `predict` takes an Arrow table of raw rows and gives a dict of answers, (rows, ...) each.
        inputs: The columns that it reads.
        target: The column of truth, where answers are to be judged.
    """

    def __init__(self, model: Any, inputs: Sequence[str], target: str | None = None) -> None:
        self._model, self._target = model, target
        self.inputs = list(inputs)
        self._quiet = {"verbose": 0} if "verbose" in inspect.signature(model.predict).parameters else {}

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
        """One head, with the object's `classes` where it has them."""
        classes = getattr(self._model, "classes", None)
        head = {"name": "", "targets": [self._target] if self._target else [], "classes": classes}
        return {"model": "", "heads": [head]}


def predictor(model: Any, inputs: Sequence[str], target: str | None = None) -> Any:
    """What answers rows: a `blocks.inference.predictor.Predictor`.

    Args:
        model: A `blocks.Model`; the folder of an exported SavedModel; a `Predictor`; or an object whose `predict` takes
            an Arrow table of raw rows and gives a dict of answers.
        inputs: The columns that such an object reads.
        target: The column of truth, for such an object.

    Raises:
        InvalidArgument: It is none of these.
    """
    if isinstance(model, str | os.PathLike):
        from blocks.export.exported_predictor import ExportedPredictor

        return ExportedPredictor(model)
    found = getattr(model, "predictor", model)
    if all(hasattr(found, name) for name in ("inputs", "answers", "describe")):
        return found
    if callable(getattr(model, "predict", None)):
        return ByPredict(model, inputs, target)
    raise InvalidArgument(
        "A model is a blocks.Model, the folder of an exported SavedModel, or an object with predict(rows). "
        f"Received: {type(model).__name__}."
    )


def output_of(answers: Mapping[str, np.ndarray], output: str | None) -> str:
    """The answer that is meant: the one named, or the model's probabilities or prediction where there is one.

    Raises:
        InvalidArgument: The name is unknown, or none is given and there are several.

    Example:
        >>> output_of({"probabilities": np.ones((1, 2)), "label": np.array(["a"])}, None)
        'probabilities'
    """
    numeric = [name for name, values in answers.items() if values.dtype.kind in "fiub"]
    if output is not None:
        if output not in numeric:
            raise InvalidArgument(f"output is one of {', '.join(numeric)}. Received: {output!r}.")
        return output
    found = [name for name in numeric if name.endswith(("probabilities", "prediction")) and "top_" not in name]
    if len(found) != 1:
        raise InvalidArgument(f"Name the answer that is meant: output=, one of {', '.join(numeric) or 'no number'}.")
    return found[0]


def component_names(described: Mapping[str, Any], output: str, width: int) -> list[Any]:
    """What the components of a vector answer are called: its head's classes, or positions where none are known."""
    for head in map(HeadDescription.from_json, described["heads"]):
        if output.endswith("probabilities") and output == head.prefixed("probabilities"):
            names = head.classes if head.classes is not None else head.targets
            return list(names) if len(names) == width else list(range(width))
    return list(range(width))


def component_of(names: Sequence[Any], output: str, target: Any) -> int:
    """The place of a component by its name.

    Raises:
        InvalidArgument: There is none of that name.
    """
    if target not in names:
        raise InvalidArgument(f"target is a class of {output}: {', '.join(map(repr, names))}. Received: {target!r}.")
    return list(names).index(target)
