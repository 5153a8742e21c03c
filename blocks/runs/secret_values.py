"""Secrets: values of named environment variables, and passwords in URIs, taken out of all that is written."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from blocks.errors import InvalidArgument
from blocks.files.url_passwords import without_secrets

HIDDEN = "***"
LEAST = 4
"""Characters of a secret: what is shorter stands in words by chance, and would spoil whatever it is taken out of."""

_NAMES = r"(?i:\b(?:password|passwd|pwd|sslpassword)\b)"
# of code only what is a literal: `password=asked()` is no secret, and must stay a program
_LITERALS = (
    (re.compile(r"(\w+://[^/\s:@'\"{}]*):[^@/\s'\"{}$]+@"), r"\1:***@"),
    (re.compile(rf"({_NAMES}['\"]?\s*[=:]\s*)(['\"])(?!\2)[^'\"\n{{}}$]+\2"), r"\1\2***\2"),
    (re.compile(rf"(['\"][\w =.:/@?&;*%{{}}$-]*{_NAMES}\s*=\s*)(?!\*\*\*)[^&\s'\"{{}}$%]+"), r"\1***"),
)


class Secrets:
    """What must not be written.

    Args:
        names: Of environment variables; those that are not set are none.

    Raises:
        InvalidArgument: A value is too short to be told from other text.

    Example:
        >>> os.environ["SHOP_KEY"] = "tiger/1"
        >>> secrets = Secrets(["SHOP_KEY"])
        >>> secrets.scrubbed({"url": "https://x?key=tiger%2F1", "db": "sqlite://me:pw@x", "said": ["no tiger/1"]})
        {'url': 'https://x?key=***', 'db': 'sqlite://me:***@x', 'said': ['no ***']}
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise InvalidArgument(f'secrets is a list of names of environment variables. Received: {names!r}. ["KEY"].')
        values: set[str] = set()
        for name in names:
            value = os.environ.get(name, "")
            if not value.strip():
                continue
            if len(value) < LEAST:
                raise InvalidArgument(
                    f"A secret is taken out of all that is written, so it has {LEAST} characters or more. Received: "
                    f"{name}, whose value has {len(value)}. Choose a longer one, or take {name} out of `secrets`."
                )
            values |= {value, *(line for line in value.splitlines() if len(line) >= 2 * LEAST)}  # a key of several
        # the longest first, since one may be part of another
        pattern = "|".join(_in_any_form(value) for value in sorted(values, key=lambda value: (-len(value), value)))
        self._text = re.compile(pattern) if values else None
        self._bytes = re.compile(pattern.encode()) if values else None

    def scrubbed(self, value: Any) -> Any:
        """A value of JSON, or a text, without them."""
        if isinstance(value, str):
            return without_secrets(value if self._text is None else self._text.sub(HIDDEN, value))
        if isinstance(value, Mapping):
            return {self.scrubbed(str(key)): self.scrubbed(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.scrubbed(one) for one in value]
        return value

    def scrubbed_code(self, code: bytes) -> bytes:
        """A file of a program without them: of passwords only literals are taken out, so that it stays a program.

        Example:
            >>> Secrets().scrubbed_code(b'connect("postgresql://me:tiger@x", password=asked(), pwd="cat")').decode()
            'connect("postgresql://me:***@x", password=asked(), pwd="***")'
        """
        if self._bytes is not None:
            code = self._bytes.sub(HIDDEN.encode(), code)
        try:
            text = code.decode()
        except UnicodeDecodeError:
            return code
        for pattern, instead in _LITERALS:
            text = pattern.sub(instead, text)
        return text.encode()

    def stand_in(self, data: bytes) -> bool:
        """Whether any value of a variable stands in some bytes."""
        return self._bytes is not None and self._bytes.search(data) is not None


def _in_any_form(value: str) -> str:
    """A pattern of a text as it is, or with any of its characters escaped as URLs, JSON or Python have it."""
    found = []
    for one in value:
        escaped = "".join(f"%{byte:02X}" for byte in one.encode(errors="surrogateescape"))
        forms = {one, escaped, escaped.lower(), json.dumps(one)[1:-1], repr(one)[1:-1], *("+" if one == " " else "")}
        found.append("(?:" + "|".join(sorted(map(re.escape, forms), key=lambda form: (-len(form), form))) + ")")
    return "".join(found)
