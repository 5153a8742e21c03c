"""The environment of a run: what decides the bits of training beside code, data and settings."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

DECISIVE = ("tensorflow", "keras", "numpy", "pyarrow", "h5py", "scikit-learn", "scipy", "datasketches")
"""Versions on which bits depend."""

BIT_VARIABLES: tuple[str, ...] = (
    "OMP_NUM_THREADS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
BIT_VARIABLES += ("TF_DETERMINISTIC_OPS", "TF_XLA_FLAGS", "XLA_FLAGS", "KERAS_BACKEND", "PYTHONHASHSEED")


def environment() -> dict[str, Any]:
    """Versions, the kind of processor, threads and settings, of this process; TensorFlow is loaded."""
    import keras
    import tensorflow as tf

    name, features = _processor()
    return {
        "python": platform.python_version(),
        "blocks": sys.modules["blocks"].__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": name,
        "instructions": features,
        "threads": threads(),
        "accelerators": [str(one.name) for one in tf.config.list_physical_devices() if one.device_type != "CPU"],
        "backend": keras.backend.backend(),
        "float": keras.backend.floatx(),
        "precision": keras.config.dtype_policy().name,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "variables": {name: os.environ[name] for name in BIT_VARIABLES if name in os.environ},
        "packages": _packages(),
    }


def threads() -> dict[str, int]:
    """Processors of this process, and TensorFlow's threads; 0 is one a processor."""
    import tensorflow as tf

    return {
        "processors": _processors(),
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }


def incomparable(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What keeps bits of two environments from being compared: "tensorflow 2.20.0, here 2.21.0".

    Bits of training are the same for one kind of processor, number of threads, oneDNN setting and version of each
    library: elsewhere they differ without anybody having changed anything.

    Args:
        first: As `environment` gave it.
        second: The other, which is here.

    Example:
        >>> here = {"processor": "EPYC", "packages": {"keras": "3.15.1"}}
        >>> incomparable({**here, "packages": {"keras": "3.14.0"}}, here)
        ['keras 3.14.0, here 3.15.1']
    """
    found = []
    for name in ("python", "blocks", "system", "machine", "processor", "instructions", "accelerators", "backend"):
        if first.get(name) != second.get(name):
            found.append(_told(name, first.get(name), second.get(name)))
    for name in ("float", "precision", "onednn"):
        if first.get(name) != second.get(name):
            found.append(_told(name, first.get(name), second.get(name)))
    for group in ("threads", "variables"):
        before, now = first.get(group, {}), second.get(group, {})
        found += [
            _told(key, before.get(key), now.get(key)) for key in sorted({*before, *now}) if _differ(before, now, key)
        ]
    before, now = first.get("packages", {}), second.get("packages", {})
    found += [_told(name, before.get(name), now.get(name)) for name in DECISIVE if _differ(before, now, name)]
    return list(dict.fromkeys(found))


def _differ(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> bool:
    # told as oneDNN's setting; the seed of Python's hashes is told with the seeds
    return name not in ("TF_ENABLE_ONEDNN_OPTS", "PYTHONHASHSEED") and before.get(name) != now.get(name)


def _told(name: str, before: Any, now: Any) -> str:
    if name == "instructions":
        return "other instruction sets of the processor"
    return f"{name} {_none(before)}, here {_none(now)}"


def _none(value: Any) -> Any:
    return "none" if value in (None, [], "") else value


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> tuple[str, str]:
    """Name of the processor, and which of its instructions libraries choose their code by."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), ""
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = (said.get("flags") or said.get("Features") or "").split()
    chosen = sorted(flag for flag in flags if flag.startswith(("sse", "avx", "fma", "amx", "asimd", "sve", "bf16")))
    return said.get("model name") or platform.processor() or platform.machine(), " ".join(chosen)


def _packages() -> dict[str, str]:
    """Version of everything that is installed where this process imports from."""
    found: dict[str, str] = {}
    for one in distributions(path=sys.path):
        name = one.metadata["Name"]
        if name:  # a folder without metadata is none
            found.setdefault(name.lower().replace("_", "-"), one.version)
    return dict(sorted(found.items()))
