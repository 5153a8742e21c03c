"""Vocabulary: strings or integers to ids."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.categorical.token_table import (
    as_text,
    count_kept,
    is_missing,
    joint_positions,
    joint_tables,
    lookup_table,
    portable,
    positions,
    size,
    state_of_counts,
    state_of_given,
    unpack,
)
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Vocabulary(Preprocessor):
    """Each token to an id: 0 is missing, then the out-of-vocabulary ids, then the tokens by falling count.

    Ties in the count go by byte order. Tokens are any byte strings, or integers; "" and null are missing. An unseen
    token is spread over the out-of-vocabulary ids by its hash (FarmHash, stable over versions and machines).

    Counts are exact while the distinct tokens (their bytes, and 24 more each) fit in half of that memory. Beyond, only
    frequent tokens are counted, a warning names the bound, and `count_error` holds it: every token that occurs more
    often is counted, by at most so many too few; so `top_k` may choose wrongly only among tokens whose counts differ by
    no more than that, and `min_count` keeps the tokens that surely have it.

    Args:
        min_count: Tokens seen less often are out of vocabulary.
        top_k: Keep this many of the most frequent tokens at most.
        num_oov_indices: Number of out-of-vocabulary ids; with 0 an unseen token counts as missing.
        vocabulary: The tokens in order, when they are given rather than learned.
        max_bytes: Memory for counting, while learning; about five times as much while counts are put together. None for
            64 MiB, or within a model for the column's share of what `adapt` may take; what is given here is beside it.

    Returns:
        int32 of shape (batch,), in [0, cardinality).

    Example:
        >>> block = Vocabulary().adapt(["rome", "oslo", "rome", None])
        >>> block(np.array(["oslo", "rome", "paris", ""])).numpy()
        array([3, 2, 1, 0], dtype=int32)
    """

    categories = True
    accepts = ("text", "number")

    def __init__(
        self,
        *,
        min_count: int = 1,
        top_k: int | None = None,
        num_oov_indices: int = 1,
        vocabulary: Sequence[str] | Sequence[bytes] | Sequence[int] | None = None,
        max_bytes: int | None = None,
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
        self.max_bytes = max_bytes
        self._counts()  # refuses too little
        self.vocabulary = None if vocabulary is None else portable(vocabulary, "A given vocabulary")
        if self.vocabulary is not None:
            self.restore(state_of_given(self.vocabulary, "A given vocabulary"))

    def statistics(self) -> dict[str, Statistic]:
        """The tokens' counts, when no vocabulary is given."""
        return {"counts": self._counts()} if self.vocabulary is None else {}

    def _counts(self) -> Counts:
        return Counts() if self.max_bytes is None else Counts(self.max_bytes, shared=False)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept tokens, in order."""
        counts = results["counts"].result()
        return state_of_counts(self, counts, count_kept(counts, self.min_count, self.top_k))

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)

    @property
    def tokens(self) -> list[Any]:
        """The tokens in the order of their ids: bytes, or integers."""
        self.require_adapted()
        return unpack(self.state)

    @property
    def count_error(self) -> int:
        """By how much the counts that chose the tokens may be too small: 0 where all tokens fit in memory."""
        self.require_adapted()
        return int(self.state.get("count_error", 0))

    @property
    def cardinality(self) -> int:
        """Number of ids: missing, out of vocabulary, and tokens."""
        return 1 + self.num_oov_indices + size(self.state)

    @classmethod
    def stack(cls, blocks: Sequence[Self]) -> Any:
        """The vocabularies of several columns in the tables of all."""
        kinds = {"integers" in block.state for block in blocks}
        return _Vocabularies(blocks) if len(kinds) == 1 else None

    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        return self.ids(positions(self._table, values, self.name), values)

    def ids(self, found: Any, values: Any) -> Any:
        """The ids, int32, of values whose positions in the vocabulary were found, -1 where it lacks one."""
        if self.num_oov_indices > 1:
            tokens = tf.cast(values, tf.int64) if values.dtype.is_floating else values  # whole, of a block before
            unseen = 1 + tf.strings.to_hash_bucket_fast(as_text(tokens), self.num_oov_indices)
        else:
            unseen = tf.fill(tf.shape(found), tf.constant(self.num_oov_indices, tf.int64))
        ids = tf.where(found < 0, unseen, found + 1 + self.num_oov_indices)
        return tf.cast(tf.where(is_missing(values), tf.zeros_like(ids), ids), tf.int32)

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
        config = {
            **super().get_config(),
            "min_count": self.min_count,
            "top_k": self.top_k,
            "num_oov_indices": self.num_oov_indices,
            "vocabulary": self.vocabulary,
        }
        # absent where it is the default: the fingerprints of older stores hold
        return config if self.max_bytes is None else {**config, "max_bytes": self.max_bytes}


class _Vocabularies:
    """Several vocabularies of equal configuration over (columns, rows)."""

    def __init__(self, blocks: Sequence[Vocabulary]) -> None:
        self._block, self._count = blocks[0], len(blocks)
        self._numbers, self._places = joint_tables([block.state for block in blocks])

    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        found = joint_positions(self._numbers, self._places, self._count, values, self._block.name)
        return self._block.ids(found, values)
