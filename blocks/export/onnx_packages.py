"""The packages of the extra `onnx`: what is said where they are not there, or do not fit this TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_onnx() -> Iterator[None]:
    """Around imports of what needs them.

    Raises:
        ImportError: They are not there, or not such as can be imported.
    """
    try:
        yield
    except (ImportError, AttributeError) as error:  # onnx 1.19.0 beside an older ml-dtypes misses an attribute
        raise ImportError(f"ONNX needs: pip install 'ml-blocks[onnx]' ({error})") from error
