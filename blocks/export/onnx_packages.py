"""What needs the packages of the extra `onnx`, loaded when asked for; and what is said where they are not there."""

from importlib import import_module
from typing import Any


def onnx_module(name: str) -> Any:
    """A module of this folder that imports them.

    Args:
        name: Its name here.

    Raises:
        ImportError: The packages are not there, or not such as can be imported.
    """
    try:
        return import_module(f"blocks.export.{name}")
    except (ImportError, AttributeError) as error:  # onnx 1.19.0 beside an older ml-dtypes misses an attribute
        raise ImportError(f"ONNX needs: pip install 'ml-blocks[onnx]' ({error})") from error
