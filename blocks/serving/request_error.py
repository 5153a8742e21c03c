"""RequestError: what a client did wrong, or the server cannot do now, with the status that says so."""

from typing import Final

STATUS: Final = {
    400: "invalid argument",
    401: "unauthenticated",
    404: "not found",
    405: "method not allowed",
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
