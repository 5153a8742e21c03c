"""Names that load when they are first used, and what TensorFlow's C++ logs while it is loaded, which is left out."""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_GIVEN = LEVEL in os.environ
_ONE = threading.Lock()
# lines of its log, in the form of absl and of older versions, and what these go on with
_LOG = re.compile(
    rb"(?:[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |[IWE]0000 00:00:\d+\.\d+ ).*"
    rb"|WARNING: All log messages before absl::InitializeLog.*"
    rb"|To enable the following instructions: .*"
)


def loader(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The package's `__getattr__` and `__dir__`.

    Args:
        package: Its `__name__`.
        homes: Name to the module of the package that defines it; "" for a module of the package.

    Example:
        >>> find, names = loader("blocks", {"read": "data", "data": ""})
        >>> find("read").__name__, find("data").__name__
        ('read', 'blocks.data')
        >>> find("write")
        Traceback (most recent call last):
        AttributeError: module 'blocks' has no attribute 'write'
        >>> names()
        ['data', 'read']
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with quiet_import():
            home = import_module(f"{package}.{homes[name] or name}")
        found = getattr(home, name) if homes[name] else home
        setattr(sys.modules[package], name, found)  # not to be looked for again
        return found

    return find, lambda: sorted(homes)


def quiet_from_here() -> None:
    """Let TensorFlow's C++ log nothing but fatal errors, unless the user has chosen by `TF_CPP_MIN_LOG_LEVEL`.

    Errors of what it runs are Python exceptions as ever.
    """
    if not _GIVEN and "tensorflow" not in sys.modules:
        os.environ[LEVEL] = "3"


@contextmanager
def quiet_import() -> Iterator[None]:
    """Leave out the lines that it logs while it is loaded, before it has read that variable; any others are written."""
    if _GIVEN or not _ONE.acquire(blocking=False):
        yield
        return
    try:
        with _without_log():
            yield
    finally:
        _ONE.release()


@contextmanager
def _without_log() -> Iterator[None]:
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # there is no such stream
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            said.seek(0)
            for line in said:
                if not _LOG.match(line):
                    os.write(kept, line)
            os.close(kept)
