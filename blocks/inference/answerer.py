"""Answerer: a model from raw rows to answers: called, asked to predict, or handed to whatever judges predictions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np

from blocks.arguments import check_whole_number, checked_methods
from blocks.data import read
from blocks.inference.graph import InferenceGraph, raw_tensors
from blocks.inference.model_predictor import ModelPredictor
from blocks.inference.predictor import predict
from blocks.offline.transform import Transform
from blocks.progress import Verbose

PREDICT_ROWS = 8192

_walked: ContextVar[bool] = ContextVar("walked", default=False)


@contextmanager
def while_keras_walks() -> Iterator[None]:
    """While Keras reads every attribute of a model in search of layers, which must not make what takes long."""
    token = _walked.set(True)
    try:
        yield
    finally:
        _walked.reset(token)


def _hide_while_walked(name: str) -> None:
    if _walked.get():
        raise AttributeError(name)


_HINTS = {
    "predict": {
        "steps": "Leave it out: every row is answered.",
        **dict.fromkeys(("path", "keys"), "A file is written by model.predict_table(rows, path, keys=[...])."),
    },
}


@checked_methods(hints=_HINTS)
class Answerer(keras.Model):
    """What a `blocks.Model` answers by; of its parts it uses `preprocessor`, `core`, `head` and `postprocessors`."""

    def __call__(self, rows: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Answers of a batch of raw rows, as tensors.

        Args:
            rows: A dict with exactly the model's columns, each of shape (batch,), or a table that has them.

        Raises:
            NotAdapted, SchemaMismatch: As they say.
        """
        self._require_core("call the model")
        if not any(isinstance(value, keras.KerasTensor) for value in keras.tree.flatten(rows)):
            rows = raw_tensors(rows, self.preprocessor)
        return super().__call__(rows, *args, **kwargs)

    def call(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The graph itself."""
        return self.graph(inputs)

    @property
    def graph(self) -> InferenceGraph:
        """The parts in order, ready to run."""
        _hide_while_walked("graph")
        self._require_core("use the model")
        if self._parts.graph is None:
            for chain in self._chains().values():
                for block in chain:
                    block.require_adapted()
            self._parts.graph = InferenceGraph(self.preprocessor, self.core, self.head, self.postprocessors)
        return self._parts.graph

    @property
    def transform(self) -> Transform:
        """The preprocessor's fast path over Arrow chunks."""
        _hide_while_walked("transform")
        if self._parts.transform is None:
            self._parts.transform = Transform(self.preprocessor)
        return self._parts.transform

    def predict(
        self,
        data: Any,
        *,
        batch_size: int = PREDICT_ROWS,
        verbose: Verbose = "auto",
    ) -> dict[str, np.ndarray]:
        """Answers of raw rows, in chunks; `predict_table` writes them to a file instead.

        Args:
            data: Anything that `blocks.read` takes. A dict holds the model's columns and, at most, its target and
                weights; a source may hold any others.
            batch_size: Rows that go through the core at once.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

        Returns:
            A dict of NumPy arrays, (rows, ...) each.

        Raises:
            NotAdapted, SchemaMismatch, EmptySource: As they say.
        """
        self._require_core("predict")
        batch_size = check_whole_number("batch_size", batch_size, 1)
        self._warn_untrained("predict")
        if isinstance(data, Mapping):
            beside = {*self.head.targets, self.head.sample_weight} - set(self.preprocessor.inputs)
            self.preprocessor.check_keys([name for name in data if name not in beside])
        return predict(self._predictor(batch_size), read(data), verbose=verbose)

    @property
    def predictor(self) -> ModelPredictor:
        """The model as `blocks.evaluate` takes it: it answers chunks of raw rows."""
        _hide_while_walked("predictor")
        self._require_core("predict")
        self._warn_untrained("predict")
        return self._predictor(PREDICT_ROWS)

    def _predictor(self, batch_size: int) -> ModelPredictor:
        return ModelPredictor(self.graph, self.transform, batch_size)
