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

from blocks.features.sparse import MOST_COLUMNS
from blocks.store.rows import MAX_KEY_BYTES, StoredArray, parted

SPLIT_NAME = re.compile(r"\w[\w.-]*")
SUFFIXES = {"hdf5": ".h5", "tfrecord": ".tfrecord"}
MAX_AXES = 31
"""An array of NumPy 1 has 32, one of them the rows'."""

MAX_EMPTY_ROWS = 1 << 24
"""Rows of a chunk that take no bytes."""

# Bytes of rows that a byte of a file may become: deflate ends at 1,032; a packed integer of an example takes one of 8.
_EXPANSION = {None: 1, "gzip": 1032, "lzf": 128}
_EXAMPLE_EXPANSION = 8


def shard_name(split: str, index: int, format: str) -> str:
    """Name the file of a shard.

    Example:
        >>> shard_name("train", 3, "hdf5")
        'train-00003.h5'
    """
    return f"{split}-{index:05d}{SUFFIXES[format]}"


def nonsense(content: Mapping[str, Any]) -> str | None:
    """What cannot be in a manifest that fits the schema, the first such thing; None where all makes sense.

    Example:
        >>> nonsense({"format": "hdf5", "layout": "example", "compression": None})
        'layout: HDF5 has no layout example'
    """
    return next(_of_manifest(content), None)


def nonsense_of_entries(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """The same of entries alone."""
    return next(_of_entries(entries), None)


def _of_manifest(content: Mapping[str, Any]) -> Iterator[str]:
    if content["format"] == "hdf5" and content["layout"] != "chunk":
        yield f"layout: HDF5 has no layout {content['layout']}"
    if content["format"] == "tfrecord" and content["compression"] is not None:
        yield f"compression: TFRecord has no compression {content['compression']}"
    yield from _of_entries(content["entries"])
    for split, found in content["splits"].items():
        if not SPLIT_NAME.fullmatch(split):
            yield f"splits: {split!r} is no name of a split"
        if found["rows"] != sum(shard["rows"] for shard in found["shards"]):
            yield f"splits/{split}/rows: is not the sum of its shards' rows"
        for index, shard in enumerate(found["shards"]):
            for problem in _of_shard(content, split, index, shard, last=index == len(found["shards"]) - 1):
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
    content: Mapping[str, Any], split: str, index: int, shard: Mapping[str, Any], *, last: bool
) -> Iterator[str]:
    if shard["file"] != shard_name(split, index, content["format"]):
        yield f"its file is {shard_name(split, index, content['format'])}, not {shard['file']!r}"
    rows, size = shard["rows"], content["rows_per_chunk"]
    if rows > content["rows_per_shard"] or (rows < content["rows_per_shard"] and not last):
        yield f"it has {rows} rows, where shards have {content['rows_per_shard']}"
    parts = {part.name: part for part in parted(map(StoredArray.from_json, content["entries"]))}
    strings = {name for name, part in parts.items() if part.is_string}
    running = {name for name, part in parts.items() if part.running}
    examples = content["layout"] == "example"
    chunks = -(-rows // size)
    summed = {"records"} if examples else parts.keys()
    if shard["sums"].keys() != summed or any(len(digits) != 8 * chunks for digits in shard["sums"].values()):
        yield f"its sums are not one of each entry for each of {chunks} chunks"
    placed = set() if content["compression"] is not None else summed
    each = chunks if content["format"] == "tfrecord" else 1
    if shard["offsets"].keys() != placed or any(len(places) != each for places in shard["offsets"].values()):
        yield f"its offsets are not {each} of each entry"
    widths = shard["widths"]
    if widths.keys() != strings | running or any(len(widths[name]) != each for name in strings):
        yield f"its widths are not {each} of each key of strings, and those of sparse entries"
    if any(not 1 <= width <= MAX_KEY_BYTES for name in strings for width in widths[name]):
        yield f"a key takes more than {MAX_KEY_BYTES} bytes, or none"
    if any(len(widths[name]) != chunks for name in running):
        yield f"its widths are not one of each sparse entry for each of {chunks} chunks"
    yield from _of_sizes(content, shard, parts, chunks)


def _of_sizes(
    content: Mapping[str, Any], shard: Mapping[str, Any], parts: Mapping[str, StoredArray], chunks: int
) -> Iterator[str]:
    """Rows that their file cannot hold, and places beyond its end."""
    rows, size, most = shard["rows"], content["rows_per_chunk"], shard["bytes"]
    for name, part in parts.items():
        if part.running:
            yield from _of_running(content, shard, part)
            continue
        widths = shard["widths"].get(name)
        if widths is None:
            widths = [np.dtype(part.dtype).itemsize * math.prod(part.shape)]
        row = max(widths)
        if not row and min(rows, size) > MAX_EMPTY_ROWS:
            yield f"{name!r} has {min(rows, size)} rows of no bytes in a chunk"
        if content["layout"] == "example":
            expansion = _EXAMPLE_EXPANSION
            # a string is as wide as the widest of its chunk
            row = 1 if name in shard["widths"] else row
        else:
            expansion = _EXPANSION[content["compression"]]
        if rows * (row if len(widths) == 1 else min(widths)) > most * expansion:
            yield f"{most} bytes cannot hold {rows} rows of {row} bytes of {name!r}"
        if content["compression"] is not None or content["layout"] == "example":
            continue
        for chunk, offset in enumerate(shard["offsets"][name]):
            held = min(size, rows - chunk * size) if content["format"] == "tfrecord" else rows
            if offset + held * widths[chunk if len(widths) > 1 else 0] > most:
                yield f"{name!r} lies beyond the end of its file"
    starts = shard["offsets"].get("records", [])
    if starts != sorted(set(starts)) or any(start > most for start in starts):
        yield "its records do not follow each other"


def _of_running(content: Mapping[str, Any], shard: Mapping[str, Any], part: StoredArray) -> Iterator[str]:
    """The same of the values of sparse rows, which are listed by chunk."""
    counts, most = shard["widths"][part.name], shard["bytes"]
    examples = content["layout"] == "example"
    expansion = _EXAMPLE_EXPANSION if examples else _EXPANSION[content["compression"]]
    if sum(counts) * part.row_bytes() > most * expansion:
        yield f"{most} bytes cannot hold {sum(counts)} values of {part.name!r}"
    if content["compression"] is None and not examples:
        held = counts if content["format"] == "tfrecord" else [sum(counts)]
        ends = (
            offset + count * part.row_bytes() for offset, count in zip(shard["offsets"][part.name], held, strict=True)
        )
        if any(end > most for end in ends):
            yield f"{part.name!r} lies beyond the end of its file"
