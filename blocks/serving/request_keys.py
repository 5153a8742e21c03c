"""Keys of a request's rows: what stands beside the model's columns to know rows by, in the prediction log alone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from blocks.serving.request_error import RequestError

MOST_CHARACTERS: Final = 256
Keys = dict[str, list[str | None]]


def keys_of_rows(rows: Sequence[Any], keys: Collection[str], columns: Collection[str]) -> tuple[Sequence[Any], Keys]:
    """Rows without their keys, and the keys as text.

    Args:
        rows: As a request has them; what is no object is left alone.
        keys: Those that the operator chose.
        columns: The model's; a key among them is a column.

    Raises:
        RequestError: A key is neither text, whole number nor null, or is too long.
    """
    apart = [key for key in keys if key not in columns]
    if not apart:
        return rows, {}
    objects = [row if type(row) is dict else {} for row in rows]
    found = {key: [_text(key, row.get(key)) for row in objects] for key in apart}
    left = [
        {name: value for name, value in row.items() if name not in found} if type(row) is dict else row for row in rows
    ]
    return left, found


def keys_of_columns(inputs: Mapping[str, Any], keys: Collection[str], columns: Collection[str], rows: int) -> Keys:
    """The keys of a request by column, as text; the arguments are those of `keys_of_rows`.

    Raises:
        RequestError: As there, or a key has not one value a row.
    """
    found = {}
    for key in keys:
        if key in columns:
            continue
        values = inputs.get(key, [None] * rows)
        if type(values) is not list or len(values) != rows:
            raise RequestError(400, f"Key {key!r} is a list of one value a row, {rows}. Received another.")
        found[key] = [_text(key, value) for value in values]
    return found


def _text(key: str, value: Any) -> str | None:
    if type(value) is int and value.bit_length() <= 128:
        return str(value)
    if value is None or (type(value) is str and len(value) <= MOST_CHARACTERS and _is_text(value)):
        return value
    raise RequestError(
        400, f"Key {key!r} takes text of at most {MOST_CHARACTERS} characters, whole numbers or null. Received another."
    )


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)
