"""Sense: what no JSON Schema can say of a manifest. Applied whenever one is read, before a byte is allocated for it.

A checksum says that a manifest was not damaged, not who wrote it. What is asked here: that shards have the names that
the writer gives (so they lie inside the folder, once each), that numbers add up, and that rows take no more memory
than their files can hold.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from blocks.errors import InvalidArgument
from blocks.features.sparse import MOST_COLUMNS
from blocks.store.formats import shard_format
from blocks.store.formats.shard import RECORDS, Access, ShardFormat
from blocks.store.stored_array import MAX_KEY_BYTES, StoredArray, parted

SPLIT_NAME = re.compile(r"\w[\w.-]*")
MAX_AXES = 31
"""An array of NumPy 1 has 32, one of them the rows'."""

MAX_EMPTY_ROWS = 1 << 24
"""Rows of a chunk that take no bytes."""


def nonsense(content: Mapping[str, Any]) -> str | None:
    """What cannot be in a manifest that fits the schema, the first such thing; None where all makes sense.

    Example:
        >>> nonsense({"format": "hdf5", "layout": "example", "compression": None})
        "layout must be 'chunk' for format='hdf5'. Received: 'example'."
    """
    return next(_of_manifest(content), None)


def nonsense_of_entries(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """The same of entries alone."""
    return next(_of_entries(entries), None)


def _of_manifest(content: Mapping[str, Any]) -> Iterator[str]:
    try:
        form = shard_format(content["format"], content["layout"], content["compression"])
    except InvalidArgument as error:
        yield str(error)
        return
    yield from _of_entries(content["entries"])
    for split, found in content["splits"].items():
        if not SPLIT_NAME.fullmatch(split):
            yield f"splits: {split!r} is no name of a split"
        if found["rows"] != sum(shard["rows"] for shard in found["shards"]):
            yield f"splits/{split}/rows: is not the sum of its shards' rows"
        for index, shard in enumerate(found["shards"]):
            for problem in _of_shard(content, form, split, index, shard, last=index == len(found["shards"]) - 1):
                yield f"splits/{split}/shards/{index}: {problem}"


def _of_entries(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [entry["name"] for entry in entries]
    if names != sorted(set(names)):
        yield "entries: names are not in ascending order, once each"
    if not any(name.startswith("features/") for name in names):
        yield "entries: there are no features"
    for entry in entries:
        name, shape, columns = entry["name"], entry["shape"], entry["columns"]
        if "\0" in name:
            yield f"entries: {name!r} holds a NUL"
        if entry["dtype"] == "S":
            if shape or not name.startswith("keys/"):
                yield f"entries: {name!r} may not hold strings of shape {shape}"
        elif not _is_dtype(entry["dtype"]):
            yield f"entries: {name!r} is of {entry['dtype']!r}, which is no type of a little-endian number"
        if len(shape) > MAX_AXES:
            yield f"entries: {name!r} has {len(shape)} axes"
        if entry.get("sparse") and not (
            name.startswith("features/") and entry["dtype"] == "<f4" and len(shape) == 1 and shape[0] < MOST_COLUMNS
        ):
            yield f"entries: {name!r} may not be sparse: {entry['dtype']} of shape {shape}"
        if columns is not None and len(columns) not in (1, *shape[-1:]):
            yield f"entries: {name!r} has {len(columns)} names of columns for the shape {shape}"


def _is_dtype(text: str) -> bool:
    try:
        return np.dtype(text).str == text
    except TypeError:
        return False


def _of_shard(
    content: Mapping[str, Any], form: ShardFormat, split: str, index: int, shard: Mapping[str, Any], *, last: bool
) -> Iterator[str]:
    if shard["file"] != form.file_name(split, index):
        yield f"its file is {form.file_name(split, index)}, not {shard['file']!r}"
    rows, size = shard["rows"], content["rows_per_chunk"]
    if rows > content["rows_per_shard"] or (rows < content["rows_per_shard"] and not last):
        yield f"it has {rows} rows, where shards have {content['rows_per_shard']}"
    parts = {part.name: part for part in parted(map(StoredArray.from_json, content["entries"]))}
    strings = {name for name, part in parts.items() if part.is_string}
    running = {name for name, part in parts.items() if part.running}
    access = form.access(content["compression"])
    chunks = -(-rows // size)
    summed = {RECORDS} if access == "records" else parts.keys()
    if shard["sums"].keys() != summed or any(len(digits) != 8 * chunks for digits in shard["sums"].values()):
        yield f"its sums are not one of each entry for each of {chunks} chunks"
    placed = set() if access == "library" else summed
    each = chunks if form.by_chunk else 1
    if shard["offsets"].keys() != placed or any(len(places) != each for places in shard["offsets"].values()):
        yield f"its offsets are not {each} of each entry"
    widths = shard["widths"]
    if widths.keys() != strings | running or any(len(widths[name]) != each for name in strings):
        yield f"its widths are not {each} of each key of strings, and those of sparse entries"
    if any(not 1 <= width <= MAX_KEY_BYTES for name in strings for width in widths[name]):
        yield f"a key takes more than {MAX_KEY_BYTES} bytes, or none"
    if any(len(widths[name]) != chunks for name in running):
        yield f"its widths are not one of each sparse entry for each of {chunks} chunks"
    yield from _of_sizes(content, form, shard, parts)


def _of_sizes(
    content: Mapping[str, Any], form: ShardFormat, shard: Mapping[str, Any], parts: Mapping[str, StoredArray]
) -> Iterator[str]:
    """Rows that their file cannot hold, and places beyond its end."""
    rows, size, most = shard["rows"], content["rows_per_chunk"], shard["bytes"]
    access, capacity = form.access(content["compression"]), most * form.compressions[content["compression"]]
    for name, part in parts.items():
        if part.running:
            yield from _of_running(form, access, shard, part, capacity)
            continue
        widths = shard["widths"].get(name)
        if widths is None:
            widths = [np.dtype(part.dtype).itemsize * math.prod(part.shape)]
        row = max(widths)
        if not row and min(rows, size) > MAX_EMPTY_ROWS:
            yield f"{name!r} has {min(rows, size)} rows of no bytes in a chunk"
        if access == "records" and name in shard["widths"]:
            row = 1  # a string is as wide as the widest of its chunk
        if rows * (row if len(widths) == 1 else min(widths)) > capacity:
            yield f"{most} bytes cannot hold {rows} rows of {row} bytes of {name!r}"
        if access != "arrays":
            continue
        for chunk, offset in enumerate(shard["offsets"][name]):
            there = min(size, rows - chunk * size) if form.by_chunk else rows
            if offset + there * widths[chunk if len(widths) > 1 else 0] > most:
                yield f"{name!r} lies beyond the end of its file"
    starts = shard["offsets"].get(RECORDS, [])
    if starts != sorted(set(starts)) or any(start > most for start in starts):
        yield "its records do not follow each other"


def _of_running(
    form: ShardFormat, access: Access, shard: Mapping[str, Any], part: StoredArray, capacity: int
) -> Iterator[str]:
    """The same of the values of sparse rows, which are listed by chunk."""
    counts, most = shard["widths"][part.name], shard["bytes"]
    if sum(counts) * part.row_bytes() > capacity:
        yield f"{most} bytes cannot hold {sum(counts)} values of {part.name!r}"
    if access == "arrays":
        there = counts if form.by_chunk else [sum(counts)]
        ends = (
            offset + count * part.row_bytes() for offset, count in zip(shard["offsets"][part.name], there, strict=True)
        )
        if any(end > most for end in ends):
            yield f"{part.name!r} lies beyond the end of its file"
