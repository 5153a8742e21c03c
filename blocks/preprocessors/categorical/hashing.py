"""Hashing: strings or integers to a fixed number of ids, without a vocabulary."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.categorical.token_table import as_text, is_missing


@keras.saving.register_keras_serializable(package="blocks")
class Hashing(Preprocessor):
    """Each value to one of `num_buckets` ids by its hash, from 1; 0 is missing. Learns nothing.

    The hash is FarmHash's 64-bit fingerprint of the salt followed by the value, modulo the number of buckets: it is
    published to stay as it is on every machine and in every version. An integer hashes as its decimal digits.

    Args:
        num_buckets: Number of ids beside missing, 1 to 2^31 - 2.
        salt: Another text gives another, independent hash: two of them beside each other tell most collisions apart.

    Returns:
        int32 of shape (batch,), in [0, num_buckets].

    Example:
        >>> Hashing(1000)(np.array(["rome", "oslo", "rome", ""])).numpy()
        array([403, 659, 403,   0], dtype=int32)

    Source: https://github.com/google/farmhash (Fingerprint64).
    """

    categories = True
    accepts = ("text", "number")
    stacks = True

    def __init__(self, num_buckets: int, *, salt: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_buckets = check_buckets("Hashing", num_buckets)
        if not isinstance(salt, str):
            raise InvalidArgument(f"Hashing's salt is a string. Received: {salt!r}.")
        self.salt = salt

    @property
    def cardinality(self) -> int:
        """Number of ids: missing, and the buckets."""
        return 1 + self.num_buckets

    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        return tf.cast(tf.where(is_missing(values), np.int64(0), 1 + self._bucket(as_text(values))), tf.int32)

    def _bucket(self, text: Any) -> Any:
        salted = tf.strings.join([tf.constant(self.salt), text]) if self.salt else text
        return tf.strings.to_hash_bucket_fast(salted, self.num_buckets)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The ids."""
        return [Feature(name, columns, cardinality=self.cardinality)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "num_buckets": self.num_buckets, "salt": self.salt}


def check_buckets(owner: str, num_buckets: Any) -> int:
    """A number of buckets.

    Raises:
        InvalidArgument: It is none that int32 ids can count.
    """
    return check_whole_number(f"{owner}'s num_buckets", num_buckets, 1, most=2**31 - 2)
