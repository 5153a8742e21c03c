"""One SavedModel: written, and proven equal to what was computed offline.

The names below load when they are used: what reads an export needs no training code.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Verification": "verification",
    "export": "savedmodel",
    "golden_rows": "savedmodel",
    "read_parts": "savedmodel",
    "verify": "verification",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
