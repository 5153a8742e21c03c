"""MultiHot: lists, or text that lists several tokens, to a column for each token."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.categorical.token_table import (
    as_features,
    check_limits,
    count_kept,
    is_missing,
    lookup_table,
    portable,
    positions,
    size,
    state_of_counts,
    state_of_given,
    token_features,
    unpack,
)
from blocks.preprocessors.float64 import check_choice
from blocks.preprocessors.text.token_splitting import (
    by_form,
    dense,
    distinct_cells,
    distinct_of_rows,
    flat,
    number_of_rows,
)
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class MultiHot(Preprocessor):
    r"""A column for each token, 1 (or how often) where the text lists it; first, if asked, one for missing and unseen.

    A column is text, cut at the separator, or Arrow lists of strings or integers (in decimal), whose items are the
    tokens; served lists are strings, each item led by the unit separator: "\x1frice\x1fbeans". ASCII white space
    around a token does not count, and an empty or null token is none. So a missing text or list says 1 in
    `<name>_missing`, one that lists nothing ("|", an empty list) 0 everywhere, and one with tokens that have no column
    1 (or how many) in `<name>_other`.

    Args:
        separator: What stands between tokens; None for ASCII white space.
        min_count: Tokens seen less often have no column.
        min_rows: Tokens that stand in fewer rows have no column; beyond 1, a row counts each of its tokens once.
        top_k: Keep this many of the most frequent tokens at most.
        output_mode: "binary", or "count" for how often the text lists a token.
        missing: What a missing text becomes: 1 in a "column" of its own, or all "zeros".
        unseen: Whether tokens without a column are told in a "column" of theirs, or not, "zeros".
        vocabulary: The tokens in order, when they are given rather than learned.
        width: How many columns were learned already (a reload says this).

    Returns:
        float32 of shape (batch, columns); (batch,) where there is only one.

    Example:
        >>> block = MultiHot(vocabulary=["beans", "rice"], output_mode="count")
        >>> block(np.array(["rice| beans|rice", "rice|fish", ""])).numpy()
        array([[0., 0., 1., 2.],
               [0., 1., 0., 1.],
               [1., 0., 0., 0.]], dtype=float32)
    """

    accepts = ("text", "list")

    def __init__(
        self,
        separator: str | None = "|",
        *,
        min_count: int = 1,
        min_rows: int = 1,
        top_k: int | None = None,
        output_mode: str = "binary",
        missing: str = "column",
        unseen: str = "column",
        vocabulary: Sequence[str] | Sequence[bytes] | None = None,
        width: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_limits("MultiHot", min_count, top_k)
        check_whole_number("min_rows", min_rows, 1)
        check_choice("MultiHot", "output_mode", output_mode, ("binary", "count"))
        check_choice("MultiHot", "missing", missing, ("column", "zeros"))
        check_choice("MultiHot", "unseen", unseen, ("column", "zeros"))
        if separator is not None and not (isinstance(separator, str) and separator):
            raise InvalidArgument(f"MultiHot's separator is a string, or None. Received: {separator!r}.")
        self.separator = separator
        self.min_count = min_count
        self.min_rows = min_rows
        self.top_k = top_k
        self.output_mode = output_mode
        self.missing = missing
        self.unseen = unseen
        self.width = width
        self.vocabulary = None if vocabulary is None else portable(vocabulary, "MultiHot's vocabulary")
        if self.vocabulary is not None:
            usable(len(self.vocabulary), "MultiHot")
            self.restore(state_of_given([str(token) for token in self.vocabulary], "MultiHot's vocabulary"))

    def statistics(self) -> dict[str, Statistic]:
        """The tokens' counts, when no vocabulary is given."""
        return {"counts": Counts()} if self.vocabulary is None else {}

    def observed(self, values: Any) -> Any:
        """The tokens of each row."""
        tokens, rows = self._tokens(values)
        if self.min_rows > 1:
            return distinct_of_rows(tokens, rows, tf.size(values))
        return tf.RaggedTensor.from_value_rowids(tokens, rows, tf.size(values, tf.int64), validate=False)

    def _tokens(self, values: Any) -> tuple[Any, Any]:
        tokens, rows = flat(by_form(values, lambda text: tf.strings.split(text, self.separator)))
        tokens = tf.strings.strip(tokens)
        present = tf.not_equal(tokens, "")
        return tf.boolean_mask(tokens, present), tf.boolean_mask(rows, present)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept tokens, in order."""
        counts = results["counts"].result()
        number = count_kept(counts, max(self.min_count, self.min_rows), self.top_k)
        usable(number + len(self._before), "MultiHot")
        return state_of_counts(self, counts, number)

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)
        self.width = len(self._before) + size(state)

    @property
    def _before(self) -> list[str]:
        asked = ((self.missing, "_missing"), (self.unseen, "_other"))
        return [end for choice, end in asked if choice == "column"]

    @property
    def tokens(self) -> list[bytes]:
        """The tokens in the order of their columns."""
        self.require_adapted()
        return unpack(self.state)

    def compute(self, values: Any) -> Any:
        """The columns, float64."""
        before = self._before
        width = len(before) + size(self.state)
        tokens, rows = self._tokens(values)
        found = positions(self._table, tokens, self.name)
        unseen = np.int64(before.index("_other") if "_other" in before else -1)
        columns = tf.where(found < 0, unseen, found + len(before))
        cells, counts = distinct_cells(columns, rows, width)
        numbers = tf.ones_like(counts) if self.output_mode == "binary" else counts
        matrix = dense(cells, tf.cast(numbers, tf.float64), number_of_rows(values), width)
        if "_missing" in before:
            absent = tf.cast(is_missing(values), tf.float64)[:, tf.newaxis]
            matrix = tf.concat([absent, matrix[:, 1:]], axis=1)
        return as_features(matrix)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """A feature for each column.

        Raises:
            NotAdapted: Their number is not known.
        """
        return token_features(self, self.width, name, columns, self._before)

    def examples(self, dtype: str) -> list[Any]:
        """Lists of the first tokens, and what is missing or unseen."""
        separator = (self.separator or " ").encode()
        tokens = self.tokens[:8]
        lists = [*tokens, separator.join(tokens), separator.join([*tokens[:1] * 3, b"unseen"]), separator]
        return [*lists, *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        config = {
            **super().get_config(),
            "separator": self.separator,
            "min_count": self.min_count,
            "top_k": self.top_k,
            "output_mode": self.output_mode,
            "missing": self.missing,
            "unseen": self.unseen,
            "vocabulary": self.vocabulary,
            "width": self.width,
        }
        # absent where it is the default: the fingerprints of older stores hold
        return config if self.min_rows == 1 else {**config, "min_rows": self.min_rows}
