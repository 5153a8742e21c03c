"""InferenceGraph: from raw rows to answers, what `model(raw)`, `predict` and the SavedModel all run. No state here."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import pyarrow as pa
import tensorflow as tf

from blocks.block import Head, Postprocessor
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features.spec import FeatureSpec
from blocks.heads import of_head
from blocks.inference.chains import chains
from blocks.preprocessors import Columns
from blocks.targets.description import with_head_prefix


class InferenceGraph:
    """The parts of a model in order: preprocessor, core, head's answer, postprocessors.

    Make a new one after any part was adapted or calibrated again: traced functions hold the tables of their time.

    Args:
        preprocessor: Adapted.
        core: Features to predictions.
        head: Gives the predictions their names.
        postprocessors: In order; by head where there are several.
    """

    def __init__(
        self,
        preprocessor: Columns,
        core: keras.Model,
        head: Head,
        postprocessors: Sequence[Postprocessor] | Mapping[str, Sequence[Postprocessor]] = (),
    ) -> None:
        self.preprocessor = preprocessor
        self.core = core
        self.head = head
        self.chains = chains(head, postprocessors)
        self.raw_signature = {
            name: tf.TensorSpec(raw.batch_shape, raw.dtype) for name, raw in preprocessor.inputs.items()
        }
        self.feature_signature = feature_signature(preprocessor.spec)
        _check_features(core, self.feature_signature)
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
        predictions = self.core(features, training=False)
        answers: dict[str, Any] = {}
        for name, chain in self.chains.items():
            answer = self.head.heads[name].answer(of_head(predictions, name))
            for block in chain:
                answer = block(answer)
            answers |= {with_head_prefix(name, key): value for key, value in answer.items()}
        return answers


def _check_features(core: keras.Model, signature: Mapping[str, tf.TensorSpec]) -> None:
    """Refuse a core that takes other features: one saved when two columns could share an entry's name."""
    takes = {name: (tuple(one.shape), one.dtype) for name, one in core.input.items()}
    gives = {name: (tuple(one.shape), one.dtype.name) for name, one in signature.items()}
    if takes != gives:
        raise InvalidArgument(
            f"A model's core takes the features that its preprocessor gives: {gives}. Received: a core that takes "
            f"{takes}, saved by another version of blocks. Make the model anew and fit it."
        )


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
        present = set(table.schema.names)
        rows = {name: table.column(name) for name in inputs if name in present}
    preprocessor.check_keys(list(rows))
    tensors = {name: _tensor(rows[name], raw, name) for name, raw in inputs.items()}
    lengths = {name: int(tensor.shape[0]) for name, tensor in tensors.items() if tensor.shape[0] is not None}
    if len(set(lengths.values())) > 1:
        raise SchemaMismatch(f"All raw columns of a batch have the same number of rows. Received: {lengths}.")
    return tensors


def _tensor(values: Any, raw: RawColumn, name: str) -> Any:
    wanted = tf.as_dtype(raw.dtype)
    if tf.is_tensor(values):
        if not values.shape.is_compatible_with(raw.batch_shape):
            raise SchemaMismatch(
                f"A raw column has shape {str(raw.batch_shape).replace('None', 'batch')}. "
                f"Received: column {name!r} of shape {tuple(values.shape)}."
            )
        if values.dtype == wanted:
            return values
        # a tensor says its dtype alone: times are int64, and fractions are no identifiers
        whole = values.dtype.is_integer or (raw.kind == "int64" and values.dtype == tf.bool)
        if tf.string in (values.dtype, wanted) or (wanted == tf.int64 and not whole):
            raise SchemaMismatch(f"Column {name!r} enters the model as {raw}. Received: {values.dtype.name}.")
        return tf.cast(values, wanted)
    return tf.constant(to_raw(to_arrow(values, name), raw, name), wanted)
