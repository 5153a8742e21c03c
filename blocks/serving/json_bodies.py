"""JSON as TensorFlow Serving speaks it: by orjson, and by the standard library where there is NaN or Infinity."""

import json
from typing import Any

import numpy as np
import orjson

from blocks.serving.request_error import RequestError


def loads(text: bytes) -> Any:
    """What a request's body says; NaN, Infinity and numbers too large for floats are taken.

    Raises:
        RequestError: It is no JSON, or nested too deep.

    Example:
        >>> loads(b'{"instances": [{"age": NaN}]}')
        {'instances': [{'age': nan}]}
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            content = json.loads(text.decode("utf-8-sig"))
            if b"\\u" in text:  # the library takes halves of surrogate pairs, which are no text
                json.dumps(content, ensure_ascii=False).encode()
            return content
        except RecursionError:
            raise RequestError(400, "JSON Parse error: nested too deep") from None
        except ValueError:  # UnicodeDecodeError is one
            raise RequestError(400, f"JSON Parse error: {error}") from None


def dumps(value: Any, *, finite: bool) -> bytes:
    """JSON of plain values and NumPy arrays; float32 as the shortest text that reads back as the same.

    Args:
        value: Dicts, lists, text, numbers, arrays.
        finite: Whether no float of it is NaN or infinite: JSON has no word for those, TensorFlow Serving has.

    Example:
        >>> dumps({"a": np.float32([0.1, 2])}, finite=True)
        b'{"a":[0.1,2.0]}'
        >>> dumps({"a": np.float32([np.nan, np.inf, 0.1])}, finite=False)
        b'{"a":[NaN,Infinity,0.1]}'
    """
    if finite:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        shortest = value.astype(str).astype(np.float64) if value.dtype == np.float32 else value
        return shortest.tolist()
    return value
