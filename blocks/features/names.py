"""Names: what a column may be called, and how names that are made up keep clear of those that users gave.

Users' names are any text; what is derived from them (an indicator, an entry of features, an answer's column) steps
aside. What stands in a SavedModel for names that TensorFlow cannot save is `export.names`' to say.
"""

import re
from collections.abc import Container
from typing import Any

from blocks.errors import InvalidArgument

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_ENTRIES = re.compile(r"numeric|categorical|flat|packed|(reshape|mean_of_members)(_\d+)?")
"""What entries of features are not called after a column: the packed ones, what extractors take for all entries, and
layers of a core."""

LONGEST = 48


def column_name(name: Any, what: str) -> str:
    r"""A column's name, any text that files of all formats can hold.

    Args:
        name: What a user gave.
        what: Whose name it is, for the message.

    Raises:
        InvalidArgument: It is no text, holds NUL, where programs in C take a name to end, or half of a character.

    Example:
        >>> column_name("größe: cm/\u00bd", "A target")
        'größe: cm/½'
    """
    if isinstance(name, str):
        try:
            if b"\0" not in name.encode():
                return name
        except UnicodeEncodeError:
            pass
    raise InvalidArgument(
        f"{what} is a column's name: text without NUL that UTF-8 can hold. Received: {name!r}. "
        "Give the column another name where it is read, or leave it out."
    )


def aside(wanted: str, taken: Container[str]) -> str:
    """The name that is wanted or, where it is taken, the first of `wanted_2`, `wanted_3`, ... that is not.

    Example:
        >>> aside("age_missing", {"age_missing"}), aside("age_missing", {"age"})
        ('age_missing_2', 'age_missing')
    """
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def is_plain(name: str) -> bool:
    """Whether layers, tensors and weights can be called so.

    Example:
        >>> is_plain("a-1.b"), is_plain("a/b"), is_plain("_a")
        (True, False, False)
    """
    return _PLAIN.fullmatch(name) is not None


def is_entry_name(name: str) -> bool:
    """Whether an entry of features can be called so: in stores, layers, tensors and signatures alike.

    Example:
        >>> is_entry_name("text"), is_entry_name("main text"), is_entry_name("numeric")
        (True, False, False)
    """
    return is_plain(name) and _ENTRIES.fullmatch(name) is None


def entry_name(name: str, taken: Container[str]) -> str:
    """What an entry of features is called, after a column that it cannot be called: plain, and not taken.

    Args:
        name: The column's.
        taken: Names of other entries, in lower case.

    Example:
        >>> entry_name("main text", set()), entry_name("main/text", {"main_text"}), entry_name("numeric", set())
        ('main_text', 'main_text_2', 'column_numeric')
        >>> entry_name("тег", set())
        'column'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:LONGEST].lower()
    return aside(plain if is_entry_name(plain) else f"column_{plain}".rstrip("_"), taken)
