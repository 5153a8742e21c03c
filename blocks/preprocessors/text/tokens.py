"""Tokens: text or lists to a fixed number of ids, padded."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.errors import InvalidArgument
from blocks.features.spec import Entry, Feature
from blocks.preprocessors.categorical.token_table import (
    check_limits,
    count_kept,
    is_missing,
    lookup_table,
    portable,
    positions,
    size,
    state_of_counts,
    state_of_given,
    unpack,
)
from blocks.preprocessors.text.token_splitting import check_split, flat, split_text
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Tokens(Preprocessor):
    r"""The first words, characters or n-grams of a text as ids: an entry of its own, of `output_length` ids a row.

    Of a column of Arrow lists, of strings or integers (in decimal), the items that are not empty or null are the words;
    served lists are strings, each item led by the unit separator: "\x1ffree\x1fcall".

    Id 0 is padding, 1 a missing text (it stands first in its row), then come the out-of-vocabulary ids, then the tokens
    by falling count, ties by byte order. A text without a token ("!"), or an empty list, is padding alone. Case and
    accents are the business of a `Normalize` before.

    Args:
        output_length: Number of ids in a row; later tokens are cut off.
        split: "words" (runs of letters, digits, marks and "_", by Unicode), "spaces" (what stands between white space)
            or "characters".
        ngrams: Number of neighbours that make a token, or the least and most of them; the shortest come first.
        min_count: Tokens seen less often are out of vocabulary.
        top_k: Keep this many of the most frequent tokens at most.
        num_oov_indices: Number of out-of-vocabulary ids, over which such tokens are spread by their hash; 1 at least.
        vocabulary: The tokens in order, when they are given rather than learned.

    Returns:
        int32 of shape (batch, output_length), in [0, cardinality).

    Example:
        >>> block = Tokens(4, vocabulary=["free", "call", "now"])
        >>> block(np.array(["call me now!", ""])).numpy()
        array([[4, 2, 5, 0],
               [1, 0, 0, 0]], dtype=int32)
    """

    accepts = ("text", "list")

    def __init__(
        self,
        output_length: int,
        *,
        split: str = "words",
        ngrams: int | tuple[int, int] = 1,
        min_count: int = 1,
        top_k: int | None = None,
        num_oov_indices: int = 1,
        vocabulary: Sequence[str] | Sequence[bytes] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_limits("Tokens", min_count, top_k)
        if not (isinstance(output_length, int) and output_length >= 1 and num_oov_indices >= 1):
            raise InvalidArgument(
                "Tokens takes output_length >= 1 and num_oov_indices >= 1. "
                f"Received: output_length={output_length!r}, num_oov_indices={num_oov_indices!r}."
            )
        self.output_length = output_length
        self.split = split
        self.ngrams = list(check_split("Tokens", split, ngrams))
        self.min_count = min_count
        self.top_k = top_k
        self.num_oov_indices = num_oov_indices
        self.vocabulary = None if vocabulary is None else portable(vocabulary, "Tokens' vocabulary")
        if self.vocabulary is not None:
            self.restore(state_of_given(self.vocabulary, "Tokens' vocabulary"))

    def statistics(self) -> dict[str, Statistic]:
        """The tokens' counts, when no vocabulary is given."""
        return {"counts": Counts()} if self.vocabulary is None else {}

    def observed(self, values: Any) -> Any:
        """The tokens of each row."""
        return self._split(values)

    def _split(self, values: Any) -> Any:
        return split_text(values, self.split, (self.ngrams[0], self.ngrams[1]))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept tokens, in order."""
        counts = results["counts"].result()
        return state_of_counts(self, counts, count_kept(counts, self.min_count, self.top_k))

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)

    @property
    def tokens(self) -> list[bytes]:
        """The tokens in the order of their ids."""
        self.require_adapted()
        return unpack(self.state)

    @property
    def cardinality(self) -> int:
        """Number of ids: padding, missing, out of vocabulary, and tokens."""
        return 2 + self.num_oov_indices + size(self.state)

    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        tokens = self._split(values)[:, : self.output_length]
        words, _ = flat(tokens)
        found = positions(self._table, words, self.name)
        unseen = 2 + tf.strings.to_hash_bucket_fast(words, self.num_oov_indices)
        ids = tf.cast(tf.where(found < 0, unseen, found + 2 + self.num_oov_indices), tf.int32)
        padded = tokens.with_values(ids).to_tensor(0, shape=(None, self.output_length))
        first = tf.range(self.output_length) == 0
        return tf.where(is_missing(values)[:, tf.newaxis] & first, 1, padded)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The ids."""
        return [Feature(name, columns, cardinality=self.cardinality)]

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """The ids as an entry of their own."""
        return Entry("int32", (self.output_length,), tuple(self.outputs(name, columns)))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Ids of shape (batch, output_length)."""
        return keras.KerasTensor((inputs.shape[0], self.output_length), "int32")

    def examples(self, dtype: str) -> list[Any]:
        """Texts of the first tokens, and what is missing or unseen."""
        tokens = self.tokens[:8]
        return [*tokens, b" ".join(tokens), b"".join(tokens), "unseen, and more", "!", *super().examples(dtype)]

    def inverse(self, ids: Any) -> list[list[Any]]:
        """Each row's ids back to tokens, without padding; None for missing and out of vocabulary."""
        tokens, first = self.tokens, 2 + self.num_oov_indices
        return [[tokens[i - first] if i >= first else None for i in row if i] for row in np.asarray(ids).tolist()]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "output_length": self.output_length,
            "split": self.split,
            "ngrams": self.ngrams,
            "min_count": self.min_count,
            "top_k": self.top_k,
            "num_oov_indices": self.num_oov_indices,
            "vocabulary": self.vocabulary,
        }
