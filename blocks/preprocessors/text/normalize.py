"""Normalize: text in one case, without accents, with single spaces."""

from typing import Any

import keras
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.preprocessors.ends_of_chains import text_output
from blocks.preprocessors.text.character_table import changed, check_case, dense, replaced


@keras.saving.register_keras_serializable(package="blocks")
class Normalize(Preprocessor):
    r"""Text in one case, without accents, with single spaces. Text to text.

    Works character by character, by a table that is part of the state: neither the language of the process nor another
    edition of Unicode changes it after the block was made. Bytes that are no UTF-8, and Unicode's 66
    noncharacters, become U+FFFD. Learns nothing.

    Args:
        case: "lower", "upper", "fold" (`str.casefold`: for comparing; "ß" becomes "ss"), or None to leave it. As
            Python's `str` does it, but for the sigma that ends a word, which "lower" makes like others.
        strip_accents: Whether Latin, Greek and Cyrillic letters lose the marks into which Unicode decomposes them ("é",
            "ё", "ώ", but neither "ł" nor "ø"), and combining marks of theirs vanish. Other scripts stay as they are.
        collapse_spaces: Whether runs of white space (as `str.split` knows it) become one space, and those around the
            text vanish.

    Returns:
        Strings of shape (batch,): in `Columns` another block follows.

    Example:
        >>> import numpy as np
        >>> Normalize()(np.array(["  Crème\tBRÛLÉE\n"])).numpy()
        array([b'creme brulee'], dtype=object)
    """

    accepts = ("text",)
    emits_features = False

    def __init__(
        self,
        *,
        case: str | None = "lower",
        strip_accents: bool = True,
        collapse_spaces: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_case("Normalize", case)
        self.case = case
        self.strip_accents = bool(strip_accents)
        self.collapse_spaces = bool(collapse_spaces)
        self.restore({"characters": changed(self.case, self.strip_accents, self.collapse_spaces)})

    def _restore(self, state: State) -> None:
        places, becomes = dense(state["characters"])
        with tf.init_scope():
            self._places = tf.Variable(places, trainable=False)
            self._becomes = tf.Variable(becomes, trainable=False)

    def compute(self, values: Any) -> Any:
        """The strings."""
        text = replaced(values, self._places, self._becomes)
        if self.collapse_spaces:
            text = tf.strings.regex_replace(tf.strings.regex_replace(text, "  +", " "), "^ | $", "")
        return text

    def call(self, inputs: Any) -> Any:
        """The strings."""
        return self.compute(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Strings."""
        return text_output(inputs)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "case": self.case,
            "strip_accents": self.strip_accents,
            "collapse_spaces": self.collapse_spaces,
        }
