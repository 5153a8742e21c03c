"""Road: raw rows to answers as one graph: what `model(raw)`, `predict` and the SavedModel all run. No state here."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Head, Postprocessor
from blocks.data.raw import to_arrow, to_raw
from blocks.errors import SchemaMismatch
from blocks.features import FeatureSpec
from blocks.preprocessors import Columns

DTYPES = {"float32": tf.float32, "float64": tf.float64, "int64": tf.int64, "string": tf.string}


class Road:
    """The parts of a model in order: preprocessor, core, head's answer, postprocessors.

    Make a new one after any part was adapted or calibrated again: traced functions hold the tables of their time.

    Args:
        preprocessor: Adapted.
        core: Features to predictions.
        head: Gives the predictions their names.
        postprocessors: In order.
    """

    def __init__(
        self, preprocessor: Columns, core: keras.Model, head: Head, postprocessors: Sequence[Postprocessor]
    ) -> None:
        self.preprocessor = preprocessor
        self.core = core
        self.head = head
        self.postprocessors = list(postprocessors)
        self.raw_signature = {
            name: tf.TensorSpec((None,), DTYPES[dtype], name=name) for name, dtype in preprocessor.inputs.items()
        }
        self.feature_signature = feature_signature(preprocessor.spec)
        self.answers = tf.function(self._answers, input_signature=[self.feature_signature])

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Raw columns of shape (batch,) to answers."""
        return self._answers(self.features(raw))

    def features(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Raw columns to packed features."""
        return dict(self.preprocessor(raw))

    def predictions(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """Packed features to the head's answers, before any postprocessor."""
        return self.head.answer(self.core(features, training=False))

    def _answers(self, features: Mapping[str, Any]) -> dict[str, Any]:
        answers = self.predictions(features)
        for block in self.postprocessors:
            answers = block(answers)
        return answers


def feature_signature(spec: FeatureSpec) -> dict[str, tf.TensorSpec]:
    """The tensors that packed features are."""
    return {name: tf.TensorSpec((None, *entry.shape), entry.dtype, name=name) for name, entry in spec.items()}


def raw_tensors(rows: Any, preprocessor: Columns) -> dict[str, Any]:
    """A batch of raw rows, in any form, as the tensors that enter the graph.

    Args:
        rows: A dict of columns (arrays, lists, tensors) with exactly the model's columns, or a table (anything with
            `__arrow_c_stream__`), of which the model's columns are taken.
        preprocessor: Says which columns, in which dtype.

    Raises:
        SchemaMismatch: A column is missing, extra, of another type, or not of shape (batch,).
    """
    inputs = preprocessor.inputs
    if isinstance(rows, pa.RecordBatch):
        rows = pa.table(rows)
    if not isinstance(rows, Mapping):
        if not hasattr(rows, "__arrow_c_stream__"):
            raise SchemaMismatch(
                "A batch of raw rows is a dict of columns or a table (pandas, Polars, pyarrow). "
                f"Received: {type(rows).__name__}."
            )
        table = pa.table(rows)
        rows = {name: table.column(name) for name in inputs if name in table.schema.names}
    preprocessor.check_keys(list(rows))
    tensors = {name: _tensor(rows[name], dtype, name) for name, dtype in inputs.items()}
    lengths = {name: int(tensor.shape[0]) for name, tensor in tensors.items() if tensor.shape[0] is not None}
    if len(set(lengths.values())) > 1:
        raise SchemaMismatch(f"All raw columns of a batch have the same number of rows. Received: {lengths}.")
    return tensors


def _tensor(values: Any, dtype: str, name: str) -> Any:
    wanted = DTYPES[dtype]
    if tf.is_tensor(values):
        if values.shape.rank not in (1, None):
            raise SchemaMismatch(
                f"A raw column has shape (batch,). Received: column {name!r} of shape {tuple(values.shape)}."
            )
        if values.dtype == wanted:
            return values
        if (values.dtype == tf.string) != (wanted == tf.string):
            raise SchemaMismatch(f"Column {name!r} enters the model as {dtype}. Received: {values.dtype.name}.")
        return tf.cast(values, wanted)
    return tf.constant(to_raw(to_arrow(values, name), dtype, name), wanted)


def to_numpy(answers: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Answers as NumPy arrays, strings as str (as bytes where they are no UTF-8)."""
    return {name: _numpy(value.numpy()) for name, value in answers.items()}


def _numpy(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    binary = pa.array(array.ravel(), pa.binary())
    try:
        return binary.cast(pa.string()).to_numpy(zero_copy_only=False).reshape(array.shape)
    except pa.ArrowInvalid:
        return array
