"""Isolation: names that hold controls of writing direction, kept from turning around the text beside them.

The Unicode bidirectional algorithm (UAX 9): an override or embedding in a name lasts to the paragraph's end unless it
is closed. A first-strong isolate around it ends everything that begins inside.
"""

import re

FIRST_STRONG, LEFT_TO_RIGHT, RIGHT_TO_LEFT, POP = "\u2068", "\u2066", "\u2067", "\u2069"
_WORD = re.compile(r"\S*[\u202a-\u202e\u2066-\u2069]\S*")


def isolated(text: str) -> str:
    r"""The text, each of its words that holds such controls in an isolate of its own.

    By words, since in a sentence nobody knows any more where a name began.

    Example:
        >>> isolated("column a\u202eb is missing").encode("unicode_escape").decode()
        'column \\u2068a\\u202eb\\u2069 is missing'
        >>> isolated("\u2069\u202ex").encode("unicode_escape").decode()  # what would end the isolate is left out
        '\\u2068\\u202ex\\u2069'
    """
    return _WORD.sub(lambda word: FIRST_STRONG + _closed(word[0]) + POP, text)


def _closed(word: str) -> str:
    """A word that ends as many isolates as it begins."""
    kept, depth = [], 0
    for letter in word:
        if letter in (FIRST_STRONG, LEFT_TO_RIGHT, RIGHT_TO_LEFT):
            depth += 1
        elif letter == POP:
            if not depth:
                continue
            depth -= 1
        kept.append(letter)
    return "".join(kept) + POP * depth
