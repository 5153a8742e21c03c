"""Stores: rows precomputed once into HDF5 or TFRecord shards, and streamed from there as shuffled minibatches.

Reading needs NumPy and h5py alone; TensorFlow is loaded by `Stream.dataset` and by TFRecord's writing and `example`
layout. The names below load when they are used.
"""

from blocks.lazy import loader as _loader

_HOME = {
    "StoredArray": "stored_array",
    "Rows": "rows",
    "SplitPlan": "rows",
    "Store": "store",
    "StoreSplit": "split",
    "Stream": "reading.stream",
    "check": "integrity",
    "feature_spec": "formats.tf_examples",
    "open_store": "store",
    "write": "store",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = _loader(__name__, _HOME)
