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


def chains(head: Head, postprocessors: Any) -> dict[str, list[Postprocessor]]:
    """Postprocessors in order, by head; those of a single head by the name of "".

    Args:
        head: One, or several by name.
        postprocessors: A sequence of them; with several heads, a dict of sequences.

    Raises:
        InvalidArgument: They are no postprocessors, or of no such head.
    """
    names = list(head.heads)
    if names == [""] and not isinstance(postprocessors, Mapping):
        postprocessors = {"": postprocessors}
    elif names == [""] or (postprocessors and not isinstance(postprocessors, Mapping)):
        raise InvalidArgument(
            "Postprocessors are a list, or with several heads a dict of lists by head: "
            f'{{"{names[0] or "price"}": [...]}}. '
            f"Received: {type(postprocessors).__name__}, for a head {type(head).__name__}."
        )
    given = dict(postprocessors or {})
    if unknown := [name for name in given if name not in names]:
        raise InvalidArgument(
            f"Postprocessors belong to a head, of which there are {', '.join(names)}. Received: {unknown}."
        )
    for block in (block for chain in given.values() for block in chain):
        if not isinstance(block, Postprocessor):
            raise InvalidArgument(f"Model's postprocessors is a Postprocessor. Received: {type(block).__name__}.")
    return {name: list(given.get(name, ())) for name in names}


def check_chains(core: keras.Model, head: Head, chains: Mapping[str, Sequence[Postprocessor]]) -> None:
    """Refuse postprocessors that lack an answer, or that would be calibrated in another unit than the target's.

    Args:
        core: Features to predictions.
        head: Names the predictions.
        chains: Postprocessors in order, by head.

    Raises:
        InvalidArgument: They do, or two heads' answers have one name.
    """
    found: dict[str, str] = {}
    for name, chain in chains.items():
        answers = set(head.heads[name].answer(of_head(core.output, name)))
        converter, used = None, set[str]()
        for block in chain:
            if block.calibrates and (stale := sorted(used & set(block.adds))):
                raise InvalidArgument(
                    f"Answers are made of calibrated {', '.join(stale)}. Received: {type(block).__name__} after a "
                    "block that has used them. Put it before."
                )
            needs = {name for need in block.needs for name in ((need,) if isinstance(need, str) else need)}
            if set(block.adds) - needs:
                used |= needs
            answers = block.after(answers)
            if converter is not None and block.calibrates:
                raise InvalidArgument(
                    f"Postprocessors are calibrated in the target's unit. Received: {type(block).__name__} after "
                    f"{type(converter).__name__}, which converts to another. Put it before."
                )
            converter = block if block.converts else converter
        for answer in [with_head_prefix(name, key) for key in answers]:
            if found.setdefault(answer, name) != name:
                raise InvalidArgument(
                    "Answers are called by their head and themselves, each otherwise than all others. Received: "
                    f"{answer!r}, of the heads {found[answer]!r} and {name!r}. Give one of the heads another name."
                )


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
