"""Subword: text to a fixed number of ids of words and parts of words, padded."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features.spec import Entry, Feature
from blocks.preprocessors.categorical.token_table import (
    count_kept,
    error_of_counts,
    is_missing,
    pack,
    portable,
    size,
    unpack,
)
from blocks.preprocessors.text.character_table import changed, check_case, dense, replaced_characters
from blocks.preprocessors.text.piece_learning import learned_pieces
from blocks.preprocessors.text.piece_matching import LONGEST_WORD, matched, owners, piece_trie, true_places
from blocks.preprocessors.text.token_splitting import distinct_of_rows, flat, words_and_signs
from blocks.statistics import Counts, Statistic

MOST_WORDS: Final = 1 << 18
"""Distinct words that are learned from, those of the most texts: what takes seconds, not minutes."""

_BEFORE: Final = 3
"""Ids before the pieces: padding, missing, unknown."""


@keras.saving.register_keras_serializable(package="blocks")
class Subword(Preprocessor):
    """The first words of a text in pieces, as ids: an entry of its own, of `output_length` ids a row.

    A frequent word is one piece, a rare one several: "unseen" may be "un", "##see", "##n", where "##" leads what
    continues a word. So a vocabulary of thousands spells nearly every word, and few are unknown. A text is cut into
    runs of letters, digits, marks and "_", and into other signs and Chinese characters, each by itself; then each word
    greedily into the longest pieces from its left.

    Id 0 is padding, 1 a missing text (it stands first in its row), 2 an unknown word: one with a character that was
    never learned there, or of more than 100 characters. Then come the pieces: single characters by falling count, then
    the merged ones, the most frequent merge first. A text without a word is padding alone.

    Args:
        vocabulary_size: Number of ids at most, padding, missing and unknown among them.
        output_length: Number of ids in a row; later ones are cut off.
        case: "lower", "upper", "fold" or None, as of `Normalize`.
        strip_accents: As of `Normalize`. Marks of direction, joiners and other characters that control others vanish
            in any case, and bytes that are no UTF-8 become U+FFFD.
        min_rows: Words that stand in fewer texts are not learned from.
        vocabulary: The pieces in order, when they are given rather than learned (`vocabulary_size` says nothing then).

    Returns:
        int32 of shape (batch, output_length), in [0, cardinality).

    Example:
        >>> block = Subword(output_length=4, vocabulary=["call", "##ing", "!", "me"])
        >>> block(np.array(["Calling me!", "call you", ""])).numpy()
        array([[3, 4, 6, 5],
               [3, 2, 0, 0],
               [1, 0, 0, 0]], dtype=int32)

    Source: Wu et al., "Google's Neural Machine Translation System" (2016), section 4.1, for WordPiece and its greedy
        match; the vocabulary is learned by merges of the most frequent pairs (see `piece_learning`), from the number
        of texts that hold each word, rather than of its occurrences.
    """

    accepts = ("text",)

    def __init__(
        self,
        vocabulary_size: int = 8000,
        *,
        output_length: int = 128,
        case: str | None = "lower",
        strip_accents: bool = True,
        min_rows: int = 2,
        vocabulary: Sequence[str] | Sequence[bytes] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_case("Subword", case)
        self.vocabulary_size = check_whole_number(
            "Subword's vocabulary_size", vocabulary_size, _BEFORE + 1, most=1 << 24
        )
        self.output_length = check_whole_number("Subword's output_length", output_length, 1)
        self.case = case
        self.strip_accents = bool(strip_accents)
        self.min_rows = check_whole_number("Subword's min_rows", min_rows, 1)
        self._use_characters(changed(self.case, self.strip_accents, True, controls=True))
        self.vocabulary = None
        if vocabulary is not None:
            pieces = portable(vocabulary, "Subword's vocabulary")
            if not all(isinstance(piece, str) for piece in pieces):
                raise InvalidArgument(f"Subword's vocabulary is of strings. Received: {pieces[:5]!r}.")
            self.vocabulary = pieces
            self.restore(self._state_of(pieces))

    def _use_characters(self, characters: np.ndarray) -> None:
        self._characters = characters
        places, becomes = dense(characters)
        with tf.init_scope():
            self._places = tf.Variable(places, trainable=False)
            self._becomes = tf.Variable(becomes, trainable=False)

    def _state_of(self, pieces: Sequence[Any]) -> State:
        return {**pack(pa.array(pieces, pa.string())), "characters": self._characters}

    def statistics(self) -> dict[str, Statistic]:
        """In how many texts each word stands, when no vocabulary is given."""
        return {"documents": Counts()} if self.vocabulary is None else {}

    def observed(self, values: Any) -> Any:
        """Each text's words, every one once, without those that are too long."""
        words, rows = flat(words_and_signs(values))
        distinct, place = tf.unique(words)
        characters = replaced_characters(distinct, self._places, self._becomes)
        lengths = characters.row_lengths()
        usual = tf.gather((lengths > 0) & (lengths <= LONGEST_WORD), place)
        written = tf.gather(tf.strings.unicode_encode(characters, "UTF-8"), place)
        return distinct_of_rows(tf.boolean_mask(written, usual), tf.boolean_mask(rows, usual), tf.size(values))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The pieces, and the table of characters."""
        counts = results["documents"].result()
        number = count_kept(counts, self.min_rows, MOST_WORDS)
        usable(number, "Subword")
        words = counts.values.slice(0, number).cast(pa.large_string()).to_pylist()
        pieces = learned_pieces(words, counts.counts[:number], self.vocabulary_size - _BEFORE)
        return {**self._state_of(pieces), **error_of_counts(self, counts)}

    def _restore(self, state: State) -> None:
        self._use_characters(state["characters"])
        self._children, self._ends = piece_trie([piece.decode() for piece in unpack(state)])

    @property
    def tokens(self) -> list[bytes]:
        """The pieces in the order of their ids."""
        self.require_adapted()
        return unpack(self.state)

    @property
    def cardinality(self) -> int:
        """Number of ids: padding, missing, unknown, and pieces."""
        return _BEFORE + size(self.state)

    @tf.autograph.experimental.do_not_convert  # nothing is to be converted, and looking for it takes a second
    def compute(self, values: Any) -> Any:
        """The ids, int32."""
        tokens = words_and_signs(values)
        words, rows = flat(tokens)
        place_in_row = tf.range(tf.size(words, tf.int64)) - tf.gather(tokens.row_starts(), rows)
        kept = true_places(place_in_row < self.output_length)  # each is one piece at least
        distinct, place = tf.unique(tf.gather(words, kept))
        pieces, counts = matched(self._children, self._ends, replaced_characters(distinct, self._places, self._becomes))
        ids = tf.cast(tf.where(pieces < 0, np.int64(2), pieces + _BEFORE), tf.int32)
        # the pieces of each word once more wherever it stands
        here, begins = tf.gather(counts, place), tf.gather(tf.cumsum(counts, exclusive=True), place)
        word = owners(here)
        shifts = tf.gather(begins - tf.cumsum(here, exclusive=True), word)
        ids = tf.gather(ids, shifts + tf.range(tf.size(shifts, tf.int64)))
        rows = tf.gather(tf.gather(rows, kept), word)
        ragged = tf.RaggedTensor.from_value_rowids(ids, rows, tokens.nrows(), validate=False)
        padded = ragged.to_tensor(0, shape=(None, self.output_length))
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
        """Texts of the last pieces, and what is missing, unknown or too long."""
        pieces = self.tokens[-8:]
        return [*pieces, b" ".join(pieces), b"".join(pieces), "un seen\u200f!", "x" * 101, *super().examples(dtype)]

    def inverse(self, ids: Any) -> list[list[Any]]:
        """Each row's ids back to pieces, without padding; None for missing and unknown."""
        tokens = self.tokens
        return [[tokens[i - _BEFORE] if i >= _BEFORE else None for i in row if i] for row in np.asarray(ids).tolist()]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "output_length": self.output_length,
            "case": self.case,
            "strip_accents": self.strip_accents,
            "min_rows": self.min_rows,
            "vocabulary": self.vocabulary,
        }
