"""HashedNGrams: text to its runs of words and characters, each in a column by its hash."""

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features.sparse import MOST_COLUMNS
from blocks.features.spec import Entry, Feature
from blocks.preprocessors.categorical.token_table import error_of_counts, is_missing
from blocks.preprocessors.float64 import check_choice
from blocks.preprocessors.text.piece_matching import owners, true_places
from blocks.preprocessors.text.token_splitting import (
    check_split,
    distinct_cells,
    flat,
    number_of_rows,
    pairs,
    split_text,
)
from blocks.statistics import Counts, Statistic

MOST_COUNTED: Final = 4096
"""Occurrences in one text beyond which a logarithm grows no more."""


@keras.saving.register_keras_serializable(package="blocks")
class HashedNGrams(Preprocessor):
    """A column for each hash of a run of words or characters: how often the text holds it, times how rare it is.

    A bag of n-grams without a vocabulary: nothing is kept of the texts but, for tf-idf, in how many of them each column
    occurs; words that were never seen have columns too. Different n-grams may share a column: of n that occur in a data
    set, about n / `num_buckets` / 2 of each do. It is a sparse entry, for `EmbeddingBag`, or any extractor of tables.

    The hash is FarmHash's 64-bit fingerprint of the n-gram, words a space apart. N-grams of characters lie within a
    word, which a space begins and ends ("cat" has " ca", "cat", "at "), and are led by the byte 1, so that they are
    told from words. Words are runs of letters, digits, marks and "_"; case and accents are the business of a
    `Normalize` before. Of a column of Arrow lists the items are the words. A text that is missing or without a word has
    no n-gram: a `MissingIndicator` beside tells the two apart.

    Args:
        num_buckets: Number of columns.
        words: Number of neighbouring words that make an n-gram, or the least and most of them; None for none.
        characters: The same of characters; None for none.
        weighting: "tf_idf" (`count * (log((1 + n) / (1 + df)) + 1)` with n texts of which df have the column, as
            scikit-learn's default), "count", or "binary" for 1. Only the first learns.
        sublinear_tf: Whether `1 + log(count)` stands for the count.
        norm: "l2" to divide a row by its Euclidean length, or None.
        min_rows: With tf-idf, columns that fewer texts have are 0.
        max_words: Words of a text that are read at most, which bounds what a row takes; None for all.

    Returns:
        float32 of shape (batch, most, 2), for each column of a row that is not 0 its position and its weight; rows with
        fewer than the longest of the batch end in (0, 0).

    Example:
        >>> block = HashedNGrams(1000, words=(1, 2), weighting="count", norm=None)
        >>> block(np.array(["to be", "be"])).numpy().tolist()
        [[[641.0, 1.0], [597.0, 1.0], [722.0, 1.0]], [[597.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]

    Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009), without their signs.
    """

    accepts = ("text", "list")

    def __init__(
        self,
        num_buckets: int = 65_536,
        *,
        words: int | tuple[int, int] | None = (1, 2),
        characters: int | tuple[int, int] | None = None,
        weighting: str = "tf_idf",
        sublinear_tf: bool = False,
        norm: str | None = "l2",
        min_rows: int = 1,
        max_words: int | None = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_buckets = check_whole_number("HashedNGrams' num_buckets", num_buckets, 1, most=MOST_COLUMNS - 1)
        if words is None and characters is None:
            raise InvalidArgument("HashedNGrams takes n-grams of words, of characters, or both. Received: neither.")
        self.words = None if words is None else list(check_split("HashedNGrams", "words", words))
        self.characters = None if characters is None else list(check_split("HashedNGrams", "characters", characters))
        check_choice("HashedNGrams", "weighting", weighting, ("tf_idf", "count", "binary"))
        self.weighting = weighting
        self.sublinear_tf = bool(sublinear_tf)
        if norm not in ("l2", None):
            raise InvalidArgument(f"HashedNGrams' norm is 'l2' or None. Received: {norm!r}.")
        self.norm = norm
        self.min_rows = check_whole_number("HashedNGrams' min_rows", min_rows, 1)
        self.max_words = max_words
        if max_words is not None:
            check_whole_number("HashedNGrams' max_words", max_words, 1, otherwise="or None")

    def statistics(self) -> dict[str, Statistic]:
        """In how many texts each column occurs; for tf-idf alone."""
        return {"documents": Counts()} if self.weighting == "tf_idf" else {}

    def observed(self, values: Any) -> Any:
        """Each text's columns, every one once, and the number of columns for the text."""
        cells, _ = self._cells(values)
        texts = true_places(~is_missing(values))
        found = tf.concat([cells % self.num_buckets, tf.fill(tf.shape(texts), np.int64(self.num_buckets))], axis=0)
        rows = tf.concat([cells // self.num_buckets, texts], axis=0)
        order = tf.argsort(rows, stable=True)
        count = tf.cast(number_of_rows(values), tf.int64)
        return tf.RaggedTensor.from_value_rowids(tf.gather(found, order), tf.gather(rows, order), count, validate=False)

    def _cells(self, values: Any) -> tuple[Any, Any]:
        """The cells (`row * num_buckets + column`) that occur, and how often."""
        tokens = split_text(values, "words", (1, 1))
        if self.max_words is not None:
            tokens = tokens[:, : self.max_words]
        columns, rows = [], []
        if self.words is not None:
            grams = tokens if self.words == [1, 1] else tf.strings.ngrams(tokens, tuple(_lengths(self.words)), " ")
            of_words, rows_of_words = flat(grams)
            columns.append(self._bucket(of_words))
            rows.append(rows_of_words)
        if self.characters is not None:
            of_characters, rows_of_characters = self._of_characters(*flat(tokens))
            columns.append(of_characters)
            rows.append(rows_of_characters)
        return distinct_cells(tf.concat(columns, axis=0), tf.concat(rows, axis=0), self.num_buckets)

    def _of_characters(self, words: Any, rows: Any) -> tuple[Any, Any]:
        """Columns of the characters' n-grams, of each different word worked out once, and their rows."""
        assert self.characters is not None
        distinct, place = tf.unique(words)
        spelled = tf.strings.unicode_split(tf.strings.join([" ", distinct, " "]), "UTF-8", errors="replace")
        grams = tf.strings.ngrams(spelled, tuple(_lengths(self.characters)), "")
        column = self._bucket(tf.strings.join(["\x01", grams.values]))
        here = tf.gather(grams.row_lengths(), place)
        some = true_places(here > 0)
        here, begins = tf.gather(here, some), tf.gather(tf.gather(grams.row_starts(), place), some)
        owner = owners(here)
        shifts = tf.gather(begins - tf.cumsum(here, exclusive=True), owner)
        columns = tf.gather(column, shifts + tf.range(tf.size(shifts, tf.int64)))
        return columns, tf.gather(tf.gather(rows, some), owner)

    def _bucket(self, text: Any) -> Any:
        return tf.strings.to_hash_bucket_fast(text, self.num_buckets)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The rarity of each column."""
        counts = results["documents"].result()
        documents = np.zeros(self.num_buckets + 1, np.int64)
        documents[np.asarray(counts.values, np.int64)] = counts.counts
        documents, texts = documents[:-1], int(documents[-1])
        usable(texts, "HashedNGrams")
        idf = np.log((texts + 1) / (documents + 1)) + 1.0
        return {"idf": np.where(documents < self.min_rows, 0.0, idf), **error_of_counts(self, counts)}

    def _restore(self, state: State) -> None:
        if "idf" in state:
            with tf.init_scope():
                self._idf = tf.Variable(state["idf"], trainable=False)

    @tf.autograph.experimental.do_not_convert  # nothing is to be converted, and looking for it takes a second
    def compute(self, values: Any) -> Any:
        """Pairs of column and weight, float64."""
        cells, counts = self._cells(values)
        weights = tf.cast(counts, tf.float64)
        if self.weighting == "binary":
            weights = tf.ones_like(weights)
        elif self.sublinear_tf:
            # by a table: a logarithm's last bit depends on the batch
            logarithms = 1.0 + np.log(np.maximum(np.arange(MOST_COUNTED + 1.0), 1.0))
            weights = tf.gather(tf.constant(logarithms), tf.minimum(counts, MOST_COUNTED))
        if self.weighting == "tf_idf":
            weights *= tf.gather(self._idf, cells % self.num_buckets)
            there = true_places(weights > 0)
            cells, weights = tf.gather(cells, there), tf.gather(weights, there)
        rows, count = cells // self.num_buckets, number_of_rows(values)
        if self.norm == "l2":
            weights /= tf.gather(tf.sqrt(tf.math.unsorted_segment_sum(weights * weights, rows, count)), rows)
        # words and characters of a row are put together
        order = tf.argsort(rows, stable=True)
        rows = tf.gather(rows, order)
        return pairs(tf.gather(cells, order) % self.num_buckets, tf.gather(weights, order), rows, count)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """All columns as one."""
        return [Feature(name, columns, cardinality=self.num_buckets)]

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """The columns as a sparse entry."""
        return Entry.of_pairs(self.outputs(name, columns))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Pairs of shape (batch, None, 2)."""
        return keras.KerasTensor((inputs.shape[0], None, 2), "float32")

    def examples(self, dtype: str) -> list[Any]:
        """Texts with repeated and unseen words, and none."""
        return ["a a b", "!", "unseen words", "x" * 300, *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "words": self.words,
            "characters": self.characters,
            "weighting": self.weighting,
            "sublinear_tf": self.sublinear_tf,
            "norm": self.norm,
            "min_rows": self.min_rows,
            "max_words": self.max_words,
        }


def _lengths(ends: list[int]) -> range:
    return range(ends[0], ends[1] + 1)
