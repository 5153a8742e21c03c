"""OneHot: strings or integers to a column for each token."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
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
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class OneHot(Preprocessor):
    """A column for each token, 1 where the value is that token; first, if asked, one for missing and for unseen.

    Tokens are any byte strings, or integers; "" and null are missing. They stand by falling count, ties by byte order,
    or as given. How many there are is part of the configuration once it is learned, so that a reload knows its shape.

    Args:
        min_count: Tokens seen less often have no column.
        top_k: Keep this many of the most frequent tokens at most.
        missing: What a missing value becomes: 1 in a "column" of its own, `<name>_missing`, or all "zeros".
        unseen: The same of a token without a column; its column is `<name>_other`.
        vocabulary: The tokens in order, when they are given rather than learned.
        width: How many columns were learned already (a reload says this).

    Returns:
        float32 of shape (batch, columns); (batch,) where there is only one.

    Example:
        >>> block = OneHot(missing="zeros").adapt(["rome", "oslo", "rome", None])
        >>> block(np.array(["oslo", "rome", "paris", ""])).numpy()
        array([[0., 0., 1.],
               [0., 1., 0.],
               [1., 0., 0.],
               [0., 0., 0.]], dtype=float32)
        >>> [feature.name for feature in block.outputs("city", ("city",))]
        ['city_other', 'city=rome', 'city=oslo']
    """

    categories = True
    accepts = ("text", "number")

    def __init__(
        self,
        *,
        min_count: int = 1,
        top_k: int | None = None,
        missing: str = "column",
        unseen: str = "column",
        vocabulary: Sequence[str] | Sequence[bytes] | Sequence[int] | None = None,
        width: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_limits("OneHot", min_count, top_k)
        check_choice("OneHot", "missing", missing, ("column", "zeros"))
        check_choice("OneHot", "unseen", unseen, ("column", "zeros"))
        self.min_count = min_count
        self.top_k = top_k
        self.missing = missing
        self.unseen = unseen
        self.width = width
        self.vocabulary = None if vocabulary is None else portable(vocabulary, "OneHot's vocabulary")
        if self.vocabulary is not None:
            usable(len(self.vocabulary), "OneHot")
            self.restore(state_of_given(self.vocabulary, "OneHot's vocabulary"))

    def statistics(self) -> dict[str, Statistic]:
        """The tokens' counts, when no vocabulary is given."""
        return {"counts": Counts()} if self.vocabulary is None else {}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept tokens, in order."""
        counts = results["counts"].result()
        number = count_kept(counts, self.min_count, self.top_k)
        usable(number + len(self._before), "OneHot")
        return state_of_counts(self, counts, number)

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)
        self.width = len(self._before) + size(state)

    @property
    def _before(self) -> list[str]:
        asked = ((self.missing, "_missing"), (self.unseen, "_other"))
        return [end for choice, end in asked if choice == "column"]

    @property
    def tokens(self) -> list[Any]:
        """The tokens in the order of their columns: bytes, or integers."""
        self.require_adapted()
        return unpack(self.state)

    def compute(self, values: Any) -> Any:
        """The columns, float64."""
        found = positions(self._table, values, self.name)
        before = self._before
        unseen = np.int64(before.index("_other") if "_other" in before else -1)
        missing = np.int64(0 if "_missing" in before else -1)
        columns = tf.where(is_missing(values), missing, tf.where(found < 0, unseen, found + len(before)))
        return as_features(tf.one_hot(columns, len(before) + size(self.state), dtype=tf.float64))

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """A feature for each column.

        Raises:
            NotAdapted: Their number is not known.
        """
        return token_features(self, self.width, name, columns, self._before)

    def examples(self, dtype: str) -> list[Any]:
        """The first tokens, and what is missing or unseen."""
        return [*self.tokens[:16], *super().examples(dtype)]

    def inverse(self, columns: Any) -> list[Any]:
        """Columns back to tokens: bytes or integers; None for missing and unseen."""
        array = np.asarray(columns)
        array = array[:, np.newaxis] if array.ndim == 1 else array
        tokens = [*[None] * len(self._before), *self.tokens]
        return [tokens[best] if row[best] > 0 else None for row, best in zip(array, array.argmax(axis=1), strict=True)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "min_count": self.min_count,
            "top_k": self.top_k,
            "missing": self.missing,
            "unseen": self.unseen,
            "vocabulary": self.vocabulary,
            "width": self.width,
        }
