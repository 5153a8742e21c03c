"""Vocabulary: strings or integers to ids."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.data.raw import MISSING_INT, to_arrow, to_raw
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features import Feature
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Vocabulary(Preprocessor):
    """Each token to an id: 0 is missing, then the out-of-vocabulary ids, then the tokens by falling count.

    Ties in the count go by byte order. Tokens are any byte strings, or integers; "" and null are missing. An unseen
    token is spread over the out-of-vocabulary ids by its hash (FarmHash, stable over versions and machines).

    Args:
        min_count: Tokens seen less often are out of vocabulary.
        top_k: Keep this many of the most frequent tokens at most.
        num_oov_indices: Number of out-of-vocabulary ids; with 0 an unseen token counts as missing.
        vocabulary: The tokens in order, when they are given rather than learned.

    Returns:
        int32 of shape (batch,), in [0, cardinality).

    Example:
        >>> block = Vocabulary().adapt(["rome", "oslo", "rome", None])
        >>> block(np.array(["oslo", "rome", "paris", ""])).numpy()
        array([3, 2, 1, 0], dtype=int32)
    """

    identifier = True
    accepts = ("text", "number")

    def __init__(
        self,
        *,
        min_count: int = 1,
        top_k: int | None = None,
        num_oov_indices: int = 1,
        vocabulary: Sequence[str] | Sequence[bytes] | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min_count < 1 or num_oov_indices < 0 or (top_k is not None and top_k < 1):
            raise InvalidArgument(
                "Vocabulary takes min_count >= 1, top_k >= 1 or None, num_oov_indices >= 0. "
                f"Received: min_count={min_count}, top_k={top_k}, num_oov_indices={num_oov_indices}."
            )
        self.min_count = min_count
        self.top_k = top_k
        self.num_oov_indices = num_oov_indices
        self.vocabulary = None if vocabulary is None else [_portable(token) for token in vocabulary]
        if self.vocabulary is not None:
            given = to_arrow(self.vocabulary, "vocabulary")
            if len(given.unique()) != len(given) or given.null_count:
                raise InvalidArgument("A given vocabulary holds every token once and no null. Received: repeats.")
            self.restore(_pack(given))

    @property
    def learns(self) -> bool:
        """Only when no vocabulary is given."""
        return self.vocabulary is None

    def statistics(self) -> dict[str, Statistic]:
        """The tokens' counts."""
        return {"counts": Counts()} if self.learns else {}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept tokens, in order."""
        counts = results["counts"].result()
        kept = int(np.searchsorted(-counts.counts, -self.min_count, side="right"))
        return _pack(counts.values.slice(0, kept if self.top_k is None else min(kept, self.top_k)))

    def _restore(self, state: State) -> None:
        tokens = _unpack(state)
        with tf.init_scope():
            ids = tf.range(len(tokens), dtype=tf.int64) + 1 + self.num_oov_indices
            if not tokens:  # TensorFlow has no empty tables, and what is missing is 0 whatever the table says
                tokens, ids = [MISSING_INT if "integers" in state else b""], tf.zeros(1, tf.int64)
            keys = tf.constant(tokens, tf.int64 if "integers" in state else tf.string)
            self._table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), default_value=-1)

    @property
    def tokens(self) -> list[Any]:
        """The tokens in the order of their ids: bytes, or integers."""
        self.require_adapted()
        return list(_unpack(self.state))

    @property
    def cardinality(self) -> int:
        """Number of ids: missing, out of vocabulary, and tokens."""
        state = self.state
        return 1 + self.num_oov_indices + len(state.get("integers", state.get("lengths", ())))

    def raw_type(self, type: pa.DataType, column: str) -> str:
        """String or int64: a quantity has no vocabulary.

        Raises:
            SchemaMismatch: The column holds fractions.
        """
        value_type = type.value_type if pt.is_dictionary(type) else type
        if pt.is_floating(value_type) or pt.is_decimal(value_type):
            raise SchemaMismatch(
                f"Vocabulary takes strings or integers. Received: column {column!r} of type {type}. Cast identifiers "
                f"that were read as floats (read(..., column_types={{{column!r}: 'int64'}})), or bucketize quantities."
            )
        if pt.is_null(type) and "integers" in self.state:
            return "int64"
        return super().raw_type(type, column)

    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        if values.dtype != self._table.key_dtype:
            if self._table.key_dtype == tf.string:
                raise SchemaMismatch(f"{self.name} was adapted on strings. Received: {values.dtype.name}.")
            if not values.dtype.is_integer and values.dtype != tf.bool:
                raise SchemaMismatch(f"{self.name} was adapted on integers. Received: {values.dtype.name}.")
            values = tf.cast(values, tf.int64)
        found = self._table.lookup(values)
        text = values if values.dtype == tf.string else tf.as_string(values)
        absent = tf.equal(text, "") if values.dtype == tf.string else tf.equal(values, MISSING_INT)
        if self.num_oov_indices > 1:
            unseen = 1 + tf.strings.to_hash_bucket_fast(text, self.num_oov_indices)
        else:
            unseen = tf.fill(tf.shape(found), tf.constant(self.num_oov_indices, tf.int64))
        ids = tf.where(found < 0, unseen, found)
        return tf.cast(tf.where(absent, tf.zeros_like(ids), ids), tf.int32)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The ids."""
        return [Feature(name, columns, cardinality=self.cardinality)]

    def examples(self, dtype: str) -> list[Any]:
        """The first tokens, and what is missing or unseen."""
        return [*self.tokens[:16], *super().examples(dtype)]

    def inverse(self, ids: Any) -> list[Any]:
        """Ids back to tokens: bytes or integers; None for missing and out of vocabulary."""
        tokens = self.tokens
        first = 1 + self.num_oov_indices
        return [tokens[i - first] if i >= first else None for i in np.asarray(ids).tolist()]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "min_count": self.min_count,
            "top_k": self.top_k,
            "num_oov_indices": self.num_oov_indices,
            "vocabulary": self.vocabulary,
        }


def _portable(token: Any) -> Any:
    """A token as JSON can hold it."""
    if isinstance(token, bytes):
        return token.decode()
    return token if isinstance(token, str) else int(token)


def _pack(tokens: pa.Array) -> State:
    """Tokens as arrays that survive any byte: one run of bytes and the lengths, or the integers."""
    if not (pt.is_string(tokens.type) or pt.is_large_string(tokens.type) or _is_binary(tokens.type)):
        if pt.is_null(tokens.type):
            return _pack(tokens.cast(pa.string()))
        return {"integers": to_raw(tokens, "int64")}
    array = tokens.cast(pa.large_binary())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1] if len(array) else [0]
    content = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.zeros(0, np.uint8)
    return {"bytes": content.copy(), "lengths": np.diff(bounds).astype(np.int64)}


def _is_binary(type: pa.DataType) -> bool:
    return pt.is_binary(type) or pt.is_large_binary(type) or pt.is_string_view(type)


def _unpack(state: State) -> list[Any]:
    if "integers" in state:
        return list(state["integers"].tolist())
    offsets = np.concatenate([[0], np.cumsum(state["lengths"])]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(state["bytes"].tobytes())]
    return list(pa.Array.from_buffers(pa.large_binary(), len(state["lengths"]), buffers).to_pylist())
