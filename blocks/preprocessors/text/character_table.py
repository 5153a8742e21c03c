"""Characters to other characters, case and accents: the table that `Normalize` puts into the graph. No block.

TensorFlow's own `tf.strings.lower(encoding="utf-8")` asks the process for its language (with LC_ALL=tr_TR, "I" becomes
a dotless i), so a served model could disagree with its training. A table cannot.
"""

import unicodedata
from functools import cache
from typing import Any, Final

import numpy as np
import tensorflow as tf

from blocks.errors import InvalidArgument

MARKS: Final = ((0x300, 0x36F), (0x483, 0x487), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
"""The combining marks that are stripped: those that Latin, Greek and Cyrillic letters carry."""

SCRIPTS: Final = ("LATIN", "GREEK", "CYRILLIC")
_CASES: Final = {"lower": str.lower, "upper": str.upper, "fold": str.casefold}
_DROPPED: Final = -1
_BEYOND: Final = 0x20000


def check_case(owner: str, case: str | None) -> None:
    """Refuse a case that is none.

    Raises:
        InvalidArgument: It is not.
    """
    if case is not None and case not in _CASES:
        raise InvalidArgument(f"{owner}'s case is 'lower', 'upper', 'fold' or None. Received: {case!r}.")


def strip_marks(text: str) -> str:
    r"""Latin, Greek and Cyrillic letters without their marks, and no combining marks of theirs; all else as it is.

    Example:
        >>> strip_marks("Ảéñ Ώ ё a\u0301 ł ß ガ 한")
        'Aen Ω е a ł ß ガ 한'
    """
    return "".join(_without_marks(character) for character in text)


def _without_marks(character: str) -> str:
    if _is_mark(character):
        return ""
    base, *marks = list(unicodedata.normalize("NFD", character))
    stripped = unicodedata.name(base, "").startswith(SCRIPTS) and all(_is_mark(mark) for mark in marks)
    return base if stripped else character


def _is_mark(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in MARKS) and unicodedata.category(character) == "Mn"


@cache
def changed(case: str | None, accents: bool, spaces: bool, controls: bool = False) -> np.ndarray:
    """Every character that changes and what it becomes, by this Python's edition of Unicode.

    Args:
        case: "lower", "upper", "fold" (Unicode's full mappings of a single character, as `str.casefold` has them), or
            None.
        accents: Whether marks are stripped, before the case is changed.
        spaces: Whether what Python takes for white space becomes a space.
        controls: Whether characters that control others (marks of direction, joiners, NUL) vanish, but for white space.

    Returns:
        int32 of shape (changed, 4): the character and up to three that it becomes, -1 where there are fewer.
    """
    change = _CASES.get(case or "", str)
    rows = []
    for code in range(_BEYOND):
        character = chr(code)
        if spaces and character.isspace():
            text = " "
        elif controls and not character.isspace() and unicodedata.category(character) in ("Cc", "Cf"):
            text = ""
        else:
            text = change(_without_marks(character) if accents else character)
        if text != character:
            rows.append([code, *map(ord, text), *[_DROPPED] * (3 - len(text))])
    return np.array(rows, np.int32).reshape(-1, 4)


def dense(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `changed` gives as two tables: each character's place in the second, and what stands there; 0 for no change.

    The last entry of the first stands for all characters beyond.
    """
    places = np.zeros(int(rows[:, 0].max(initial=0)) + 2, np.int32)
    places[rows[:, 0]] = np.arange(1, len(rows) + 1)
    return places, np.concatenate([np.array([[0, _DROPPED, _DROPPED]], np.int32), rows[:, 1:]])


def replaced(text: Any, places: Any, becomes: Any) -> Any:
    """Strings (batch,), every character replaced by `dense` tables, what is no character in UTF-8 by U+FFFD."""
    return tf.strings.unicode_encode(replaced_characters(text, places, becomes), "UTF-8")


def replaced_characters(text: Any, places: Any, becomes: Any) -> Any:
    """As `replaced`, the characters as numbers: ragged (batch, None) int32."""
    decoded = tf.strings.unicode_decode(text, "UTF-8", errors="replace")
    codes = decoded.values
    # Unicode's noncharacters: `unicode_encode` writes them as U+FFFD in TensorFlow 2.16, and as they are in newer ones.
    never = tf.bitwise.bitwise_and(codes, 0xFFFE) == 0xFFFE
    codes = tf.where(never | ((codes >= 0xFDD0) & (codes <= 0xFDEF)), 0xFFFD, codes)
    place = tf.gather(places, tf.minimum(codes, tf.shape(places)[0] - 1))
    first = tf.where(place > 0, tf.gather(becomes[:, 0], place), codes)
    one_each = tf.reduce_all((first != _DROPPED) & (tf.gather(becomes[:, 1], place) == _DROPPED))

    def of_any_number() -> tuple[Any, Any]:
        several = tf.concat([first[:, tf.newaxis], tf.gather(becomes, place)[:, 1:]], axis=1)
        stays = several != _DROPPED
        rows = tf.repeat(decoded.value_rowids(), tf.reduce_sum(tf.cast(stays, tf.int64), axis=1))
        characters = tf.boolean_mask(several, stays)
        ragged = tf.RaggedTensor.from_value_rowids(characters, rows, nrows=decoded.nrows(), validate=False)
        return ragged.values, ragged.row_splits

    # mostly no character vanishes or becomes two, and a tenth of the memory will do
    values, splits = tf.cond(one_each, lambda: (first, decoded.row_splits), of_any_number)
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)
