"""Extract: the part of a text that a regular expression finds."""

from typing import Any

import keras
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor
from blocks.errors import InvalidArgument
from blocks.preprocessors.ends_of_chains import text_output


@keras.saving.register_keras_serializable(package="blocks")
class Extract(Preprocessor):
    r"""The first match of a regular expression, or one of its groups; missing ("") where there is none. Text to text.

    The syntax is RE2's (no look-around, no back-references); the match is the leftmost, as `re.search` has it. A text
    that holds a line break or bytes that are no UTF-8 is searched like others, but such bytes match nothing.

    Args:
        pattern: The regular expression.
        group: Number of the group that is taken, 0 (the whole match) to 8.

    Returns:
        Strings of shape (batch,): in `Columns` another block follows.

    Example:
        >>> import numpy as np
        >>> Extract(r"\b(Mr|Mrs|Miss)\.", group=1)(np.array(["Braund, Mr. Owen", "nobody"])).numpy()
        array([b'Mr', b''], dtype=object)

    Source: https://github.com/google/re2/wiki/Syntax
    """

    accepts = ("text",)
    emits_features = False
    stacks = True

    def __init__(self, pattern: str, *, group: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(pattern, str):
            raise InvalidArgument(f"Extract's pattern is text. Received: {pattern!r}.")
        group = check_whole_number("Extract's group", group, most=8)
        try:
            # TensorFlow leaves the text as it is where a group is lacking; Arrow's RE2 says so
            pc.replace_substring_regex(pa.array([""]), pattern=pattern, replacement=rf"\{group}")
            pc.match_substring_regex(pa.array([""]), pattern=_around(pattern))  # an open \Q quotes what follows
        except (pa.ArrowInvalid, UnicodeEncodeError) as error:
            raise InvalidArgument(
                f"Extract takes a regular expression that RE2 knows, with group {group}. Received: {pattern!r}, of "
                f"which RE2 says: {error}."
            ) from None
        self.pattern = pattern
        self.group = group

    def compute(self, values: Any) -> Any:
        """The matches."""
        return extracted(values, self.pattern, self.group)

    def call(self, inputs: Any) -> Any:
        """The matches."""
        return self.compute(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Strings."""
        return text_output(inputs)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "pattern": self.pattern, "group": self.group}


def extracted(text: Any, pattern: str, group: int) -> Any:
    """The group of the leftmost match in each string, "" where there is none."""
    whole = _around(pattern)
    found = tf.strings.regex_full_match(text, whole)
    return tf.where(found, tf.strings.regex_replace(text, whole, rf"\{group + 1}"), "")


def _around(pattern: str) -> str:
    return rf"^\C*?({pattern})\C*$"  # \C is any byte: a dot would stop at one that is no UTF-8
