"""Every error and warning that blocks raises on purpose, and nothing else.

A message says the rule that was broken, the value that broke it, and the fix.

    BlocksError
    +-- InvalidArgument      (ValueError)    an argument is outside what its docstring allows
    +-- NotAdapted           (RuntimeError)  a block or model was used before `adapt`
    +-- SchemaMismatch       (ValueError)    a column is unknown, missing, extra, or of a type that does not fit
    +-- BadTarget            (ValueError)    the target cannot be learned from: missing, unseen, one class only
    +-- EmptySource          (ValueError)    a source (or what was left of it) holds no usable row
    +-- MalformedData        (ValueError)    a file cannot be read as what it says it is
    +-- NewerFormat          (ValueError)    a store, model, export, summary or table was made by a newer blocks
    +-- WriteError           (OSError)       the operating system, or another process, keeps a file from being written
    +-- StoreError           (OSError)       something about a store on disk
    |   +-- StoreMismatch    (ValueError)    the store was made by another source, preprocessor or target
    |   +-- CorruptShard                     a checksum, count or shape of a shard does not hold
    |   +-- StoreLocked                      another live process writes this store
    |   +-- IncompleteStore                  `precompute` has not finished here; the same call resumes it
    +-- NotExportable        (ValueError)    a block cannot become part of a SavedModel

    BlocksWarning            (UserWarning)   something was decided for the user that they may want to know

`warn` is the one place that warns, at the line of the user's own program that asked for the work.
"""

import os
import sys
import sysconfig
import threading
import warnings
from types import FrameType

__all__ = [
    "BadTarget",
    "BlocksError",
    "BlocksWarning",
    "CorruptShard",
    "EmptySource",
    "IncompleteStore",
    "InvalidArgument",
    "MalformedData",
    "NewerFormat",
    "NotAdapted",
    "NotExportable",
    "SchemaMismatch",
    "StoreError",
    "StoreLocked",
    "StoreMismatch",
    "WriteError",
    "warn",
]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
# libraries that call blocks back, and Python's own modules, such as those of threads and of context managers
_LIBRARIES = tuple(f"{os.sep}site-packages{os.sep}{name}{os.sep}" for name in ("keras", "tensorflow", "pyarrow"))


class BlocksError(Exception):
    """Base of all errors that blocks raises on purpose."""


class InvalidArgument(BlocksError, ValueError):
    """An argument is outside what its docstring allows."""


class NotAdapted(BlocksError, RuntimeError):
    """A block or model was used before `adapt`."""


class SchemaMismatch(BlocksError, ValueError):
    """A column is unknown, missing, extra, or of a type that does not fit."""


class BadTarget(BlocksError, ValueError):
    """The target cannot be learned from: missing, unseen, or one class only."""


class EmptySource(BlocksError, ValueError):
    """A source, or what was left of it, holds no usable row."""


class MalformedData(BlocksError, ValueError):
    """A file cannot be read as what it says it is."""


class NewerFormat(BlocksError, ValueError):
    """A store, model, export, summary or table was made by a newer blocks than this one."""


class WriteError(BlocksError, OSError):
    """The operating system, or another process, keeps a file from being written; what was there before is untouched."""


class StoreError(BlocksError, OSError):
    """Something about a store on disk."""


class StoreMismatch(StoreError, ValueError):
    """The store was made by another source, preprocessor or target."""


class CorruptShard(StoreError):
    """A checksum, count or shape of a shard does not hold."""


class StoreLocked(StoreError):
    """Another live process writes this store."""


class IncompleteStore(StoreError):
    """`precompute` has not finished here; the same call resumes it."""


class NotExportable(BlocksError, ValueError):
    """A block cannot become part of a SavedModel."""


class BlocksWarning(UserWarning):
    """Something was decided for the user that they may want to know."""


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
