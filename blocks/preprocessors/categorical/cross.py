"""Cross: what several columns say together, as one id."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.categorical.hashing import check_buckets
from blocks.preprocessors.categorical.token_table import (
    as_text,
    check_limits,
    count_kept,
    is_missing,
    lookup_table,
    positions,
    size,
    state_of_counts,
    unpack,
)
from blocks.preprocessors.float64 import check_choice
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Cross(Preprocessor):
    """The combination of two or more columns of strings or integers as an id, learned or hashed.

    The values are joined to one key, each led by its length in bytes, so that no two combinations share a key:
    ("ab", "c") is `2:ab1:c`. In `Columns` its key is a tuple of columns. Without `num_buckets` the keys' vocabulary is
    learned, and the ids are those of `Vocabulary`: 0 is missing, 1 unseen, then the keys by falling count. With it the
    key is hashed (as `Hashing` does) to the ids from 1, and nothing is learned.

    Args:
        num_buckets: Number of ids beside missing when combinations are hashed; None to learn them.
        min_count: Combinations seen less often are unseen.
        top_k: Keep this many of the most frequent combinations at most.
        missing: Whether a combination is missing when "any" of its values is, or only when "all" are; then a missing
            value is one like others.

    Returns:
        int32 of shape (batch,), in [0, cardinality).

    Example:
        >>> Cross(100)((np.array(["ab", "a", ""]), np.array(["c", "bc", "c"]))).numpy()
        array([82, 85,  0], dtype=int32)
    """

    several = True
    categories = True
    accepts = ("text", "number")

    def __init__(
        self,
        num_buckets: int | None = None,
        *,
        min_count: int = 1,
        top_k: int | None = None,
        missing: str = "any",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_limits("Cross", min_count, top_k)
        check_choice("Cross", "missing", missing, ("any", "all"))
        if num_buckets is not None and (min_count != 1 or top_k is not None):
            raise InvalidArgument(
                "Cross takes num_buckets, or the limits of a learned vocabulary. "
                f"Received: num_buckets={num_buckets}, min_count={min_count}, top_k={top_k}."
            )
        self.num_buckets = None if num_buckets is None else check_buckets("Cross", num_buckets)
        self.min_count = min_count
        self.top_k = top_k
        self.missing = missing

    def statistics(self) -> dict[str, Statistic]:
        """The keys' counts, when combinations are not hashed."""
        return {"counts": Counts()} if self.num_buckets is None else {}

    def observed(self, values: Any) -> Any:
        """The keys, "" where a combination is missing."""
        if not isinstance(values, tuple | list) or len(values) < 2:
            raise InvalidArgument(
                f"Cross takes a tuple of two columns or more; in Columns its key is a tuple. Received: {values!r}."
            )
        absent = [is_missing(value) for value in values]
        parts: list[Any] = []
        for gone, value in zip(absent, values, strict=True):
            text = tf.where(gone, "", as_text(value))
            parts += [tf.as_string(tf.strings.length(text)), ":", text]
        missing = (tf.reduce_any if self.missing == "any" else tf.reduce_all)(tf.stack(absent), axis=0)
        return tf.where(missing, "", tf.strings.join(parts))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The kept keys, in order."""
        counts = results["counts"].result()
        return state_of_counts(self, counts, count_kept(counts, self.min_count, self.top_k))

    def _restore(self, state: State) -> None:
        if state:
            self._table = lookup_table(state)

    @property
    def tokens(self) -> list[bytes]:
        """The learned keys in the order of their ids."""
        self.require_adapted()
        return unpack(self.state)

    @property
    def cardinality(self) -> int:
        """Number of ids: missing, and the buckets; or missing, unseen, and the keys."""
        return 1 + self.num_buckets if self.num_buckets is not None else 2 + size(self.state)

    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        keys = self.observed(values)
        if self.num_buckets is not None:
            ids = 1 + tf.strings.to_hash_bucket_fast(keys, self.num_buckets)
        else:
            ids = 2 + positions(self._table, keys, self.name)
        return tf.cast(tf.where(tf.equal(keys, ""), np.int64(0), ids), tf.int32)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The ids."""
        return [Feature(name, columns, cardinality=self.cardinality)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "min_count": self.min_count,
            "top_k": self.top_k,
            "missing": self.missing,
        }
