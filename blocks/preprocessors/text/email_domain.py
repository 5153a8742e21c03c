"""EmailDomain: the domain of an e-mail address."""

from typing import Any, Final

import keras
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.preprocessors.ends_of_chains import text_output
from blocks.preprocessors.text.extract import extracted

ADDRESS: Final = r"^\s*(?:[^<>]*<)?[^<>@\s]+@([^<>@\s]*[^<>@\s.])\.?(?:>\s*)?\s*$"


@keras.saving.register_keras_serializable(package="blocks")
class EmailDomain(Preprocessor):
    """What stands after the "@", in lower case; missing ("") where the text is no e-mail address. Text to text.

    An address has one "@", something before and after it, and no white space; a name before `<address>`, white space
    around and a dot at the end are allowed. Only the letters A to Z are lowered: domains in other scripts stay. Bytes
    that are no UTF-8, and quoted local parts that hold an "@" or a space, make no address. Learns nothing.

    Returns:
        Strings of shape (batch,): in `Columns` another block follows.

    Example:
        >>> import numpy as np
        >>> EmailDomain()(np.array(["ann@Example.COM", "Bob <bob@mail.example.org>", "none", ""])).numpy()
        array([b'example.com', b'mail.example.org', b'', b''], dtype=object)
    """

    accepts = ("text",)
    emits_features = False
    stacks = True

    def compute(self, values: Any) -> Any:
        """The domains."""
        # without an encoding `lower` knows A to Z alone, and does not ask the process for its language
        return tf.strings.lower(extracted(values, ADDRESS, 1))

    def call(self, inputs: Any) -> Any:
        """The domains."""
        return self.compute(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Strings."""
        return text_output(inputs)

    def examples(self, dtype: str) -> list[Any]:
        """Addresses, and what is none."""
        return ["a@b.c", "A B <a.b@C.D.>", "a@b@c", "@", *super().examples(dtype)]
