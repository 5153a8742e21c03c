"""Every error and warning that blocks raises on purpose, and nothing else.

A message says the rule that was broken, the value that broke it, and the fix.

    BlocksError
    +-- InvalidArgument      (ValueError)    an argument is outside what its docstring allows
    +-- NotAdapted           (RuntimeError)  a block or model was used before `adapt`
    +-- SchemaMismatch       (ValueError)    a column is unknown, missing, extra, or of a type that does not fit
    +-- BadTarget            (ValueError)    the target cannot be learned from: missing, unseen, one class only
    +-- EmptySource          (ValueError)    a source (or what was left of it) holds no usable row
    +-- MalformedData        (ValueError)    a file cannot be read as what it says it is
    +-- WriteError           (OSError)       the operating system, or another process, keeps a file from being written
    +-- StoreError           (OSError)       something about a store on disk
    |   +-- StoreMismatch    (ValueError)    the store was made by another source, preprocessor or target
    |   +-- CorruptShard                     a checksum, count or shape of a shard does not hold
    |   +-- StoreLocked                      another live process writes this store
    |   +-- IncompleteStore                  `precompute` has not finished here; the same call resumes it
    +-- NotExportable        (ValueError)    a block cannot become part of a SavedModel

    BlocksWarning            (UserWarning)   something was decided for the user that they may want to know
"""

__all__ = [
    "BadTarget",
    "BlocksError",
    "BlocksWarning",
    "CorruptShard",
    "EmptySource",
    "IncompleteStore",
    "InvalidArgument",
    "MalformedData",
    "NotAdapted",
    "NotExportable",
    "SchemaMismatch",
    "StoreError",
    "StoreLocked",
    "StoreMismatch",
    "WriteError",
]


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
