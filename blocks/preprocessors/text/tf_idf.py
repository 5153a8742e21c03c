"""TfIdf: text to how much each token tells about it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features.sparse import MOST_COLUMNS
from blocks.features.spec import Entry, Feature
from blocks.preprocessors.categorical.token_table import (
    as_features,
    check_limits,
    count_kept,
    is_missing,
    lookup_table,
    positions,
    size,
    state_of_counts,
    token_features,
    unpack,
)
from blocks.preprocessors.text.token_splitting import (
    check_split,
    dense,
    distinct_cells,
    distinct_of_rows,
    flat,
    number_of_rows,
    pairs,
    split_text,
)
from blocks.statistics import Counts, Statistic

WIDE = 1024
"""Columns above which a block says by itself that its features are sparse."""


@keras.saving.register_keras_serializable(package="blocks")
class TfIdf(Preprocessor):
    """A column for each of the `top_k` tokens that stand in the most texts: how often it occurs, times how rare it is.

    The weight is `count * (log((1 + n) / (1 + df)) + 1)` with n texts of which df hold the token, as scikit-learn's
    `TfidfVectorizer` has it by default; missing texts are none of the n. A text that is missing, or holds no such
    token, is 0 everywhere: a `MissingIndicator` beside tells the two apart. Only what occurs is computed, so the work
    does not grow with `top_k`, though the result does. Case and accents are the business of a `Normalize` before. Of a
    column of Arrow lists the items are the words, as `Tokens` has it.

    Args:
        top_k: Number of tokens that are kept at most; ties by byte order.
        split: "words" (runs of letters, digits, marks and "_", by Unicode), "spaces" (what stands between white space)
            or "characters".
        ngrams: Number of neighbours that make a token, or the least and most of them.
        min_count: Tokens that stand in fewer texts have no column.
        norm: "l2" to divide a row by its Euclidean length, or None.
        sparse: Whether a row holds its own tokens alone, in an entry of the column's own, rather than a number for each
            of all tokens among the other numbers. None for so where `top_k` is above 1,024: stores of thousands of
            columns that are nearly all 0 take a hundred times the memory and disk of the text.
        width: How many columns were learned already (a reload says this).

    Returns:
        float32 of shape (batch, tokens), at most `top_k`; (batch,) where there is only one. Sparse: float32 of shape
        (batch, most, 2), for each token of a row its column and its weight, in the order of the text; rows with fewer
        than the longest of the batch end in (0, 0).

    Example:
        >>> block = TfIdf(2, norm=None).adapt(["to be", "or not to be", "to do"])
        >>> block(np.array(["be be", "do", "to"])).numpy()
        array([[0.      , 2.575364],
               [0.      , 0.      ],
               [1.      , 0.      ]], dtype=float32)

    Source: scikit-learn, `TfidfTransformer` (`smooth_idf=True`, `sublinear_tf=False`).
    """

    accepts = ("text", "list")

    def __init__(
        self,
        top_k: int,
        *,
        split: str = "words",
        ngrams: int | tuple[int, int] = 1,
        min_count: int = 1,
        norm: str | None = "l2",
        sparse: bool | None = None,
        width: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_limits("TfIdf", min_count, top_k)
        if norm not in ("l2", None):
            raise InvalidArgument(f"TfIdf's norm is 'l2' or None. Received: {norm!r}.")
        self.top_k = top_k
        self.split = split
        self.ngrams = list(check_split("TfIdf", split, ngrams))
        self.min_count = min_count
        self.norm = norm
        if sparse not in (True, False, None) or (sparse and top_k >= MOST_COLUMNS):
            raise InvalidArgument(
                f"TfIdf's sparse is True (of fewer than {MOST_COLUMNS:,} columns), False or None. Received: {sparse!r} "
                f"and top_k={top_k}."
            )
        self.sparse = top_k > WIDE if sparse is None else bool(sparse)
        self.width = width

    def statistics(self) -> dict[str, Statistic]:
        """In how many texts each token stands."""
        return {"documents": Counts()}

    def observed(self, values: Any) -> Any:
        """Each text's tokens, every one once, and a "" for the text."""
        of_text = distinct_of_rows(*flat(self._split(values)), tf.size(values))
        texts = tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(tf.zeros_like(values), ~is_missing(values)), tf.cast(~is_missing(values), tf.int64)
        )
        return tf.concat([of_text, texts], axis=1)

    def _split(self, values: Any) -> Any:
        return split_text(values, self.split, (self.ngrams[0], self.ngrams[1]))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept tokens, and the rarity of each."""
        counts = results["documents"].result()
        number = count_kept(counts, self.min_count, self.top_k)
        usable(number, "TfIdf")
        texts = counts.missing  # no token is "", so that each of those stands for a text
        idf = np.log((texts + 1) / (counts.counts[:number] + 1)) + 1.0
        return {**state_of_counts(self, counts, number), "idf": idf}

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)
        with tf.init_scope():
            self._idf = tf.Variable(state["idf"], trainable=False)
        self.width = size(state)

    @property
    def tokens(self) -> list[bytes]:
        """The tokens in the order of their columns."""
        self.require_adapted()
        return unpack(self.state)

    def compute(self, values: Any) -> Any:
        """The columns, float64; of a sparse one pairs of column and weight."""
        width = size(self.state)
        words, rows = flat(self._split(values))
        cells, counts = distinct_cells(positions(self._table, words, self.name), rows, width)
        weights = tf.cast(counts, tf.float64) * tf.gather(self._idf, cells % width)
        count = number_of_rows(values)
        if self.norm == "l2":
            # summed token by token in the text's order: a matrix's row sums differ in bits between batch sizes
            squares = tf.math.unsorted_segment_sum(weights * weights, cells // width, count)
            weights /= tf.gather(tf.sqrt(squares), cells // width)
        if self.sparse:
            return pairs(cells % width, weights, cells // width, count)
        return as_features(dense(cells, weights, count, width))

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """Of a sparse one, its features by themselves.

        Raises:
            NotAdapted: Their number is not known.
        """
        return Entry.of_pairs(self.outputs(name, columns)) if self.sparse else None

    def compute_output_spec(self, inputs: Any) -> Any:
        """Shape and dtype of the features."""
        if not self.sparse:
            return super().compute_output_spec(inputs)
        return keras.KerasTensor((inputs.shape[0], None, 2), "float32")

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """A feature for each token.

        Raises:
            NotAdapted: Their number is not known.
        """
        return token_features(self, self.width, name, columns)

    def examples(self, dtype: str) -> list[Any]:
        """Texts of the first tokens, and what is missing or unseen."""
        tokens = self.tokens[:8]
        return [*tokens, b" ".join(tokens), b" ".join(tokens[:1] * 3), "unseen", "!", *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        config = {
            **super().get_config(),
            "top_k": self.top_k,
            "split": self.split,
            "ngrams": self.ngrams,
            "min_count": self.min_count,
            "norm": self.norm,
            "width": self.width,
        }
        # absent where it is not so: the fingerprints of older stores hold
        return {**config, "sparse": True} if self.sparse else config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TfIdf":
        """The block that `get_config` described; of an older version, which knew none that are sparse, too."""
        return cls(**{"sparse": False, **config})
