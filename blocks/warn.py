"""Warn: the one place that warns, at the line of the user's own program that asked for the work."""

import os
import sys
import sysconfig
import threading
import warnings
from types import FrameType

from blocks.errors import BlocksWarning

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
# libraries that call blocks back, and Python's own modules, such as those of threads and of context managers
_LIBRARIES = tuple(f"{os.sep}site-packages{os.sep}{name}{os.sep}" for name in ("keras", "tensorflow", "pyarrow"))


def warn(message: str) -> None:
    """Say something that the user may want to know: once for each line of theirs that it is true of.

    Args:
        message: One line.
    """
    frame = _users(sys._getframe(1)) or _users(_of_main_thread())
    if frame is None:
        warnings.warn(message, BlocksWarning, stacklevel=2)
        return
    warnings.warn_explicit(
        message,
        BlocksWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__") or "<unknown>",
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _users(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of a program that is neither blocks nor a library that blocks calls."""
    while frame is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _of_main_thread() -> FrameType | None:
    """Where the main thread stands: it waits for what a thread of blocks does."""
    return sys._current_frames().get(threading.main_thread().ident or 0)


def _is_library(file: str) -> bool:
    if file.startswith(_PACKAGE) or file.startswith("<frozen "):
        return True
    if any(part in file for part in _LIBRARIES):
        return True
    return file.startswith(_STANDARD) and f"{os.sep}site-packages{os.sep}" not in file
