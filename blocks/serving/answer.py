"""What goes back to a client: status, headers and body."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from blocks.serving.request_error import RequestError

JSON_TYPE: Final = (b"content-type", b"application/json")
Header = tuple[bytes, bytes]


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: Of HTTP.
        headers: All but the length.
        body: Its bytes.
    """

    status: int
    headers: Sequence[Header]
    body: bytes


def json_answer(content: Any, status: int = 200) -> Answer:
    """An answer of plain JSON."""
    return Answer(status, (JSON_TYPE,), json.dumps(content).encode())


def error_answer(error: RequestError) -> Answer:
    """What a request gets that cannot be answered: `{"error": ...}`, as all protocols here have it."""
    more = {429: (b"retry-after", b"1"), 401: (b"www-authenticate", b"Bearer")}.get(error.status)
    headers = (JSON_TYPE, more) if more else (JSON_TYPE,)
    return Answer(error.status, headers, json.dumps({"error": str(error)}).encode())
