"""One SavedModel: written, and proven equal to what was computed offline.

The names below load when they are used: what reads an export needs no training code.
"""

from blocks.lazy import loader as _loader

_HOME = {
    "Verification": "verification",
    "export": "savedmodel",
    "golden_rows": "savedmodel",
    "package": "serving_package",
    "read_parts": "savedmodel",
    "to_onnx": "onnx_of_export",
    "verify": "verification",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = _loader(__name__, _HOME)
