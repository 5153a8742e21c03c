"""Vectors: text to the given vectors of its words, averaged or one after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor, State
from blocks.errors import InvalidArgument
from blocks.features.spec import Entry, Feature
from blocks.preprocessors.categorical.token_table import lookup_table, pack, positions, unpack
from blocks.preprocessors.text.token_splitting import flat, number_of_rows, split_text


@keras.saving.register_keras_serializable(package="blocks")
class Vectors(Preprocessor):
    """The vectors that a given table has for the words of a text: their mean, or the first of them as a sequence.

    The table (GloVe, fastText, word2vec as text) is frozen: it is state of the preprocessor, kept in saved models and
    exports, and learns nothing. The mean is numbers like others, for any extractor; a sequence is an entry of its own,
    for `Keras(layer, inputs=name)`.
    Vectors that go on learning are the weights of an extractor: `EmbeddingBag().set_weights([block.rows_of(tokens)])`
    behind a `Tokens` or `Subword` block.

    Words are runs of letters, digits, marks and "_"; case and accents are the business of a `Normalize` before. Words
    that the table lacks are left out. A text that is missing or has no word of the table is 0 everywhere: a
    `MissingIndicator` beside tells it apart.

    Args:
        table: A pair of words and an array (words, dim); or a file of lines "word number number ...", whose first line
            may be that of word2vec and fastText, "words dim" (.txt, .vec). Doubled words count once, the first time.
        top_k: Read this many words at most, the first ones: such files begin with the most frequent.
        output_length: Number of vectors in a row of a sequence, after which there are zeros; None for the mean.
        dim: Width of the vectors, which a reload says.

    Returns:
        float32 of shape (batch, dim), or (batch, output_length, dim).

    Example:
        >>> block = Vectors((["good", "bad"], np.array([[1.0, 0.5], [-1.0, 0.0]])))
        >>> block(np.array(["good, good, bad!", "unheard of"])).numpy().round(3).tolist()
        [[0.3330000042915344, 0.3330000042915344], [0.0, 0.0]]

    Source: Pennington, Socher, Manning, "GloVe" (2014), for one such table.
    """

    accepts = ("text", "list")

    def __init__(
        self,
        table: Any = None,
        *,
        top_k: int | None = None,
        output_length: int | None = None,
        dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.top_k = None if top_k is None else check_whole_number("Vectors' top_k", top_k, 1)
        if output_length is not None:
            check_whole_number("Vectors' output_length", output_length, 1, otherwise="or None for the mean")
        self.output_length = output_length
        self.dim = dim
        if table is not None:
            words, vectors = _of_file(Path(table), top_k) if isinstance(table, str | Path) else table
            self.restore(_state_of(words, np.asarray(vectors), top_k))
        elif dim is None:
            raise InvalidArgument("Vectors takes a table: a file, or words and an array. Received: none.")

    @property
    def adapted(self) -> bool:
        """Whether the table is there: a configuration alone has none."""
        return self._state is not None

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)
        self.dim = int(state["vectors"].shape[1])
        with tf.init_scope():
            self._vectors = tf.Variable(state["vectors"], trainable=False)

    @property
    def tokens(self) -> list[bytes]:
        """The words in the order of the table."""
        self.require_adapted()
        return unpack(self.state)

    def rows_of(self, tokens: Sequence[bytes], before: int = 3) -> np.ndarray:
        """The vectors of other tokens, 0 where the table has none: weights to begin with for an `EmbeddingBag`.

        Args:
            tokens: As the `tokens` of a `Tokens` or `Subword` block has them.
            before: Ids before the first token, whose vectors are 0.

        Returns:
            float32 of shape (before + tokens, dim).
        """
        self.require_adapted()
        place = {word: row for row, word in enumerate(self.tokens)}
        found = np.array([place.get(token, -1) for token in tokens], np.int64)
        vectors = self.state["vectors"]
        rows = np.where(found[:, np.newaxis] < 0, np.float32(0), vectors[np.maximum(found, 0)])
        return np.concatenate([np.zeros((before, vectors.shape[1]), np.float32), rows])

    @tf.autograph.experimental.do_not_convert  # nothing is to be converted, and looking for it takes a second
    def compute(self, values: Any) -> Any:
        """The mean in float64, or the sequence."""
        words, rows = flat(split_text(values, "words", (1, 1)))
        place = positions(self._table, words, self.name)
        known = tf.where(place >= 0)[:, 0]
        place, rows, count = tf.gather(place, known), tf.gather(rows, known), number_of_rows(values)
        if self.output_length is not None:
            ragged = tf.RaggedTensor.from_value_rowids(place + 1, rows, tf.cast(count, tf.int64), validate=False)
            there = ragged.to_tensor(0, shape=(None, self.output_length))
            vectors = tf.gather(self._vectors, tf.maximum(there - 1, 0))
            return tf.where(there[..., tf.newaxis] > 0, vectors, tf.zeros_like(vectors))
        vectors = tf.cast(tf.gather(self._vectors, place), tf.float64)
        total = tf.math.unsorted_segment_sum(vectors, rows, count)
        number = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, count)
        return total / tf.cast(tf.maximum(number, 1), tf.float64)[:, tf.newaxis]

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """A feature for each place of the vectors."""
        if self.output_length is not None:
            return [Feature(name, columns)]
        return [Feature(f"{name}_{place}", columns) for place in range(self.dim or 0)]

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """A sequence as an entry of its own."""
        if self.output_length is None:
            return None
        return Entry("float32", (self.output_length, self.dim), tuple(self.outputs(name, columns)))

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, dim), or (batch, output_length, dim)."""
        places = () if self.output_length is None else (self.output_length,)
        return keras.KerasTensor((inputs.shape[0], *places, self.dim), "float32")

    def examples(self, dtype: str) -> list[Any]:
        """Texts of the first words, and what is missing or unknown."""
        words = self.tokens[:5]
        return [*words, b" ".join(words), "unheard", "!", *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration, without the table."""
        return {
            **super().get_config(),
            "top_k": self.top_k,
            "output_length": self.output_length,
            "dim": self.dim,
        }


def _state_of(words: Sequence[Any], vectors: np.ndarray, top_k: int | None) -> State:
    """The state that a table makes.

    Raises:
        InvalidArgument: Words and vectors do not fit, or are none.
    """
    if isinstance(words, str | bytes) or vectors.ndim != 2 or len(words) != len(vectors) or not vectors.size:
        raise InvalidArgument(
            f"Vectors takes as many words as rows of numbers. Received: {len(words):,} words and an array of shape "
            f"{vectors.shape}."
        )
    if vectors.dtype.kind not in "fiu" or not np.isfinite(vectors).all():
        raise InvalidArgument("Vectors takes finite numbers. Received: some that are not.")
    tokens = [word if isinstance(word, bytes) else str(word).encode() for word in words][:top_k]
    rows = list({word: place for place, word in reversed([*enumerate(tokens)]) if word}.values())[::-1]
    return {**pack(pa.array([tokens[row] for row in rows], pa.binary())), "vectors": vectors[rows].astype(np.float32)}


def _of_file(path: Path, top_k: int | None) -> tuple[list[bytes], np.ndarray]:
    """Words and vectors of a file of lines.

    Raises:
        InvalidArgument: A line has another number of numbers than the first, or something else.
    """
    words: list[bytes] = []
    rows: list[np.ndarray] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            word, *numbers = line.rstrip().split(b" ")
            if number == 1 and len(numbers) == 1:
                continue  # how many there are, and how wide
            if top_k is not None and len(words) == top_k:
                break
            try:
                rows.append(np.array(numbers, np.float64).astype(np.float32))
            except ValueError:
                rows.append(np.zeros(0, np.float32))
            words.append(word)
            if not len(rows[-1]) or len(rows[-1]) != len(rows[0]):
                raise InvalidArgument(
                    f"Every line of {path.name} is a word and as many numbers as the first, a space apart. Received: "
                    f"line {number:,}, {line[:60]!r}."
                )
    return words, np.array(rows).reshape(len(rows), -1)
