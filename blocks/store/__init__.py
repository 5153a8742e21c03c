"""Stores: rows precomputed once into HDF5 or TFRecord shards, and streamed from there as shuffled minibatches.

Reading needs NumPy and h5py alone; TensorFlow is loaded by `Stream.dataset` and by TFRecord's writing and `example`
layout. The names below load when they are used.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Entry": "rows",
    "Rows": "rows",
    "Resume": "resume",
    "SplitPlan": "rows",
    "Store": "store",
    "StoreSplit": "store",
    "Stream": "stream",
    "check": "integrity",
    "open_store": "store",
    "write": "store",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
