"""Labels of a target, of which any may be true: lists, strings with a separator, or columns of 0 and 1."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_list, is_number, is_text
from blocks.errors import BadTarget
from blocks.statistics import CountsResult
from blocks.targets.classes import encode_classes


def labels_of(target: pa.Array | pa.ChunkedArray, separator: str | None, name: str) -> pa.Array:
    """A column as lists of labels; null where it is missing.

    Raises:
        BadTarget: It holds neither lists nor, with a separator, strings.

    Example:
        >>> labels_of(pa.array(["a|b", "", None]), "|", "tags").to_pylist()
        [['a', 'b'], [], None]
    """
    if isinstance(target, pa.ChunkedArray):
        target = target.combine_chunks()
    if pt.is_dictionary(target.type):
        target = target.dictionary_decode()
    if pt.is_null(target.type):
        return target.cast(pa.large_list(pa.null()))
    if is_list(target.type):
        kind = target.type.value_type
        return target.cast(pa.large_list(kind.value_type if pt.is_dictionary(kind) else kind))
    if separator is None or not is_text(target.type):
        raise BadTarget(
            "One column of labels holds lists of strings or integers, or strings and a separator. Received: "
            f"column {name!r} of type {target.type}, separator={separator!r}. Sigmoid([{name!r}]) takes a column of 0 "
            "and 1."
        )
    try:
        text = target.cast(pa.large_string())
    except pa.ArrowInvalid:
        raise BadTarget(
            f"Labels with a separator are text in UTF-8. Received: {name!r}, whose bytes are none. Decode it."
        ) from None
    lists = pc.split_pattern(text, separator)
    # no text and a separator at an end make empty parts, which are no labels
    parts, rows = lists.flatten(), pc.list_parent_indices(lists)
    kept = pc.not_equal(parts, "")
    counts = np.bincount(rows.filter(kept).to_numpy(), minlength=len(lists))
    bounds = pa.array(np.append(0, np.cumsum(counts)), pa.int64())
    return pa.LargeListArray.from_arrays(bounds, parts.filter(kept), mask=lists.is_null())


def once_a_row(lists: pa.Array) -> pa.Array:
    """All labels of all rows, each once a row.

    Example:
        >>> once_a_row(pa.array([["a", "a"], ["a", None]])).to_pylist()
        ['a', 'a']
    """
    coded = lists.flatten().dictionary_encode()
    rows, there = pc.list_parent_indices(lists).to_numpy(), coded.is_valid().to_numpy(zero_copy_only=False)
    codes = pc.fill_null(coded.indices, 0).to_numpy().astype(np.int64)
    size = max(len(coded.dictionary), 1)
    pairs = np.unique((rows * size + codes)[there])
    return coded.dictionary.take(pa.array(pairs % size))


def encode_labels(
    target: Any, separator: str | None, classes: Sequence[Any], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Which labels are true of each row, uint8 (rows, labels), and which rows are usable: there, and all labels known.

    Raises:
        BadTarget: The column holds no labels.
    """
    lists = labels_of(target, separator, name)
    items = lists.flatten()
    rows, there = pc.list_parent_indices(lists).to_numpy(), items.is_valid().to_numpy(zero_copy_only=False)
    positions = encode_classes(items, classes, name)
    encoded = np.zeros((len(lists), len(classes)), np.uint8)
    known = positions >= 0
    encoded[rows[known], positions[known]] = 1
    usable = lists.is_valid().to_numpy(zero_copy_only=False)
    usable[rows[there & ~known]] = False
    return encoded, usable


def encode_flags(columns: Mapping[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Columns of 0 and 1 as uint8 (rows, columns), and which rows have nothing else.

    Raises:
        BadTarget: A column holds no numbers.
    """
    parts = []
    for name, values in columns.items():
        if not is_number(values.type) and not pt.is_null(values.type):
            raise BadTarget(
                f"Several columns of labels hold 0 and 1 or booleans. Received: {name!r} of type {values.type}. "
                "Cast it, or give one column of labels."
            )
        parts.append(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    numbers = np.stack(parts, axis=1)
    return (numbers == 1).astype(np.uint8), ((numbers == 0) | (numbers == 1)).all(axis=1)


def require_labels(result: CountsResult, name: str) -> int:
    """In how many rows a column of 0 and 1 is 1.

    Raises:
        BadTarget: It holds anything else, or one of the two alone.
    """
    found = dict(zip(result.values.to_pylist(), result.counts.tolist(), strict=True))
    if not found or set(found) - {0, 1}:
        raise BadTarget(
            f"A label's column holds 0 and 1 or booleans. Received: {name!r} with "
            f"{', '.join(map(repr, list(found)[:5])) or 'no usable value'} "
            f"({result.missing:,} of {result.rows:,} missing)."
        )
    if len(found) < 2:
        raise BadTarget(
            f"A label is learned where it is true of some rows and false of others. Received: {name!r} with "
            f"{next(iter(found))!r} alone. Leave it out."
        )
    return found[1]
