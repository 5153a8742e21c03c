"""What a server tells of a model: its columns, answers and examples, as JSON; what the page and OpenAPI are made of."""

import base64
from typing import Any

import numpy as np

from blocks.data.raw_columns import LIST_SEPARATOR, MISSING_INT, RawColumn
from blocks.serving.background_rows import usual_value
from blocks.serving.column_inputs import IMAGE, input_of
from blocks.serving.servable import Servable

EXAMPLES = 8
"""Golden rows that are shown."""
LARGEST_IMAGE = 1 << 18
"""Bytes of an image in an example."""


def model_card(name: str, servable: Servable) -> dict[str, Any]:
    """A model as JSON.

    Args:
        name: As requests call it.
        servable: The version that answers.

    Returns:
        `name`, `version`, `columns` (name, kind, means, shape, input: see `column_inputs`), `answers` (name, dtype,
        shape), `heads`, and `examples`: golden rows as a client would send them, the first of usual values alone.
    """
    rows: list[dict[str, Any]] = [dict.fromkeys(servable.inputs.raw) for _ in range(EXAMPLES)]
    for key, values in servable.golden_rows.items():
        raw = servable.inputs.raw[key]
        of_images = input_of(servable, key) == IMAGE
        said = [_image(value) if of_images else as_json(value, raw) for value in values[:EXAMPLES]]
        for row, value in zip(rows, said, strict=False):
            row[key] = value
    usual = {
        key: _image(_usual_image(values))
        if input_of(servable, key) == IMAGE
        else as_json(_usual(servable, key), servable.inputs.raw[key])
        for key, values in servable.golden_rows.items()
    }
    return {
        "name": name,
        "version": servable.version,
        "columns": [
            {
                "name": key,
                "kind": raw.kind,
                "means": raw.means,
                "shape": list(raw.shape),
                "input": input_of(servable, key),
            }
            for key, raw in servable.inputs.raw.items()
        ],
        "answers": [
            {"name": key, "dtype": dtype, "shape": [-1 if size is None else size for size in shape]}
            for key, (dtype, shape) in servable.answer_specs.items()
        ],
        "heads": [
            {
                "name": head.name,
                "targets": list(head.targets),
                "classes": None if head.classes is None else [str(one) for one in head.classes],
                "exclusive": head.exclusive,
            }
            for head in servable.heads
        ],
        "examples": [usual, *rows],
    }


def _usual(servable: Servable, name: str) -> Any:
    """What was usual in training; or, of golden values, the middle number, or the text in the middle of those there."""
    if (known := usual_value(servable, name)) is not None:
        return known
    values = servable.golden_rows[name]
    if values.ndim > 1:
        finite = [row for row in values if values.dtype == object or np.isfinite(row).all()]
        return finite[0] if finite else values[0]
    if values.dtype == object:
        texts = sorted({value for value in values.tolist() if value}, key=lambda value: (not value.isalnum(), value))
        plain = [value for value in texts if value.isalnum() and len(value) < 40] or texts
        return plain[len(plain) // 2] if plain else b""
    numbers = np.sort(values[np.isfinite(values) if values.dtype.kind == "f" else values != MISSING_INT])
    return numbers[len(numbers) // 2] if len(numbers) else values[0]


def _usual_image(values: np.ndarray) -> bytes:
    """Of golden images the first that there is."""
    return next((bytes(value) for value in values.tolist() if value), b"")


def _image(value: bytes) -> Any:
    """An image as a client would send it; None of one that is missing, or larger than a page should hold."""
    return {"b64": base64.b64encode(value).decode()} if 0 < len(value) <= LARGEST_IMAGE else None


def as_json(value: Any, raw: RawColumn) -> Any:
    """A value of a raw tensor as a client would send it; what is missing is None.

    Example:
        >>> as_json(np.float64("nan"), RawColumn("float64")), as_json(b"Oslo", RawColumn("string"))
        (None, 'Oslo')
        >>> as_json(np.int64(0), RawColumn("timestamp_utc"))
        '1970-01-01T00:00:00+00:00'
    """
    if isinstance(value, np.ndarray):
        return [as_json(one, raw) for one in value]
    if raw.dtype == "string":
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if raw.kind == "list":
            return text.split(LIST_SEPARATOR)[1:] if text.startswith(LIST_SEPARATOR) and text != LIST_SEPARATOR else []
        return text or None
    if raw.dtype == "int64":
        if int(value) == MISSING_INT:
            return None
        if raw.kind in ("timestamp", "timestamp_utc"):
            moment = np.datetime64(int(value), "us")
            text = str(moment.astype("datetime64[s]") if int(value) % 1_000_000 == 0 else moment)
            plain = "0001" <= text[:4] <= "9999" and len(text.split("T")[0]) == 10
            return (text + ("+00:00" if raw.kind == "timestamp_utc" else "")) if plain else int(value)
        return int(value)
    number = float(value)
    if not np.isfinite(number):
        return None
    return float(str(np.float32(number))) if raw.dtype == "float32" else number
