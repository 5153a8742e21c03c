"""Texts as they are compared where spelling should not matter: without case, accents and superfluous white space."""

import pyarrow as pa
import pyarrow.compute as pc

# Latin, Greek and Cyrillic letters are decomposed into these; the vowels of other scripts are other marks
_ACCENTS = r"[\x{0300}-\x{036f}]+"


def folded(texts: pa.Array) -> pa.Array:
    r"""Text in lower case, without accents, with single spaces, as `preprocessors.Normalize` makes it.

    Args:
        texts: (n,) Strings.

    Returns:
        (n,) large_string; null stays null.

    Example:
        >>> folded(pa.array(["  Crème\tBRÛLÉE ", "creme brulee"])).to_pylist()
        ['creme brulee', 'creme brulee']
    """
    plain = pc.utf8_normalize(texts.cast(pa.large_string()), form="NFKD")
    plain = pc.utf8_lower(pc.replace_substring_regex(plain, _ACCENTS, ""))
    plain = pc.replace_substring_regex(plain, r"[\s\pZ]+", " ")
    return pc.utf8_trim(pc.utf8_normalize(plain, form="NFC"), " ")
