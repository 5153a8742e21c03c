"""What extractors of text read: one entry of token ids, or of sparse n-grams; and tokens as vectors. Not a block."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from blocks.errors import InvalidArgument
from blocks.features.spec import CATEGORICAL, Entry, FeatureSpec


@dataclass(frozen=True)
class TokenEntry:
    """The entry that an extractor reads.

    Args:
        name: Of the entry among the features; None of a plain tensor.
        cardinality: Number of ids, or of columns of a sparse one.
        sparse: Whether it holds pairs of column and value.
    """

    name: str | None
    cardinality: int
    sparse: bool = False

    def of(self, inputs: Any) -> Any:
        """The entry's rows among the inputs."""
        return inputs[self.name] if isinstance(inputs, Mapping) else inputs


def token_entry(
    owner: str, spec: FeatureSpec | None, cardinality: int | None, input_shape: Any, *, sparse: bool = False
) -> TokenEntry:
    """The one entry of tokens, or where that will do of sparse n-grams, that there is.

    Raises:
        InvalidArgument: There is none, or something else beside it; or a plain tensor's ids are not known.
    """
    many = list(input_shape) if isinstance(input_shape, Mapping) else [None]
    if spec is None and cardinality is not None and len(many) == 1:
        return TokenEntry(many[0], cardinality)
    if spec is None:
        raise InvalidArgument(
            f"{owner} embeds ids by their number. Received: features of shape {input_shape} and no specification. Give "
            "it cardinality= for one tensor of ids, or spec=columns.spec, or let blocks.Model bind it."
        )
    entries = {name: entry for name, entry in spec.items() if _is_tokens(name, entry) or (sparse and entry.sparse)}
    if len(spec) != 1 or len(entries) != 1:
        wanted = "token ids (Subword, Tokens)" + (" or sparse n-grams (HashedNGrams, TfIdf)" if sparse else "")
        raise InvalidArgument(
            f"{owner} reads one entry, of {wanted}, and no other. Received: {spec!r}. Give each entry an extractor of "
            "its own, in a Tower or Joined; MLP takes tokens beside numbers."
        )
    [(name, entry)] = entries.items()
    if entry.sparse:
        return TokenEntry(name, entry.columns, sparse=True)
    of_ids = entry.features[0].cardinality
    assert of_ids is not None
    return TokenEntry(name, of_ids)


def _is_tokens(name: str, entry: Entry) -> bool:
    return entry.dtype == "int32" and len(entry.shape) == 1 and not entry.window and name != CATEGORICAL


class TokenVectors(keras.layers.Layer):
    """Ids (batch, length) to vectors (batch, length, dim) that are 0 for padding (id 0), and where there is none.

    Returns:
        The vectors, and (batch, length, 1), 1 where there is a token and 0 where there is padding.
    """

    def __init__(self, cardinality: int, dim: int, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.cardinality, self.dim = cardinality, dim

    def build(self, input_shape: Any) -> None:
        """Make the table."""
        initializer = keras.initializers.RandomNormal(stddev=self.dim**-0.5)
        self.table = self.add_weight((self.cardinality, self.dim), initializer=initializer, name="vectors")
        self.built = True

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """The vectors, and where there are some."""
        there = ops.expand_dims(ops.cast(ops.not_equal(inputs, 0), self.compute_dtype), -1)
        return ops.cast(ops.take(self.table, inputs, axis=0), self.compute_dtype) * there, there

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Of both."""
        return (*input_shape, self.dim), (*input_shape, 1)


def check_text_options(owner: str, *, dropout: float, **sizes: int | None) -> None:
    """Refuse sizes that are not positive, and a share that is none.

    Raises:
        InvalidArgument: One of them is.
    """
    wrong = {name: value for name, value in sizes.items() if value is not None and not value >= 1}
    if wrong or not 0 <= dropout < 1:
        raise InvalidArgument(
            f"{owner}'s sizes are positive, and its dropout is in [0, 1). Received: {wrong or {'dropout': dropout}}."
        )
