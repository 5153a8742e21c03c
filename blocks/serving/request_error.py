"""RequestError: what a client did wrong, or the server cannot do now, with the status that says so."""

import reprlib
from typing import Any, Final

STATUS: Final = {
    400: "invalid argument",
    401: "unauthenticated",
    404: "not found",
    405: "method not allowed",
    408: "too slow",
    413: "too large",
    429: "exhausted",
    500: "internal",
    501: "unimplemented",
    503: "unavailable",
    504: "deadline exceeded",
}


class RequestError(Exception):
    """A request that gets no answer. Its message goes to the client: it names columns and rules, no path of ours.

    Args:
        status: The HTTP status, one of `STATUS`.
        message: The rule, what was received, and the fix.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


SHOWN: Final = 60
"""Characters of a value that an error shows."""
# of nested values some levels and items: `repr` of all of a body takes long, and too deep a one has none
_FEW = reprlib.Repr()
_FEW.maxlevel, _FEW.maxlist, _FEW.maxdict, _FEW.maxstring, _FEW.maxlong = 3, 8, 8, SHOWN, SHOWN


def shown(value: Any) -> str:
    """A value of JSON as an error shows it.

    Example:
        >>> shown("old"), shown({"b64": 3}), shown(10**400)
        ("'old'", "{'b64': 3}", 'a whole number of more than 60 digits')
        >>> shown([[[[1]]]])
        '[[[[...]]]]'
    """
    if type(value) is int and value.bit_length() > 200:
        return "a whole number of more than 60 digits"
    text = repr(value[: SHOWN + 1]) if type(value) is str else _FEW.repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
