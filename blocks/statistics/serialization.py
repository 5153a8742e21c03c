"""The bytes that a statistic is saved as: a small JSON header, raw parts, a checksum. Their meaning is not known here.

    magic (8) | length of the header (uint32, little-endian) | JSON header | parts | CRC-32 of all before (uint32)

The header holds the format's version, whatever the statistic put there, and the length of each part. Nothing is
pickled, so reading a file that a stranger sent runs no code.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from blocks.errors import MalformedData
from blocks.files.format_version import refuse_newer

MAGIC = b"BLKSTAT\n"
VERSION = 1


def pack(header: dict[str, Any], parts: Sequence[bytes]) -> bytes:
    """Joins a JSON-able header and byte strings into one checked byte string."""
    header = {"version": VERSION, **header, "parts": [len(part) for part in parts]}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    body = b"".join([MAGIC, struct.pack("<I", len(text)), text, *parts])
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Splits what `pack` joined.

    Raises:
        MalformedData: The bytes are cut off, changed, of another kind, or of a version that this one does not know.
    """
    start = len(MAGIC) + 4
    if len(data) < start + 4 or data[: len(MAGIC)] != MAGIC:
        raise MalformedData(
            f"A saved statistic starts with {MAGIC!r} and has at least {start + 4} bytes. "
            f"Received: {len(data)} bytes starting with {bytes(data[:8])!r}. Pass what `to_bytes` or `save` wrote."
        )
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise MalformedData(
            f"The checksum of a saved statistic must hold. Received: {len(data)} bytes whose checksum does not. "
            "They are cut off or damaged: write them again."
        )
    (length,) = struct.unpack("<I", data[len(MAGIC) : start])
    try:
        header = json.loads(data[start : start + length])
        version, sizes = header["version"], header.pop("parts", [])
    except (ValueError, TypeError, LookupError) as error:
        raise MalformedData(
            f"A saved statistic has a JSON header with a version. Received: {error!r}. Write it again."
        ) from error
    refuse_newer("A saved statistic", version, VERSION)
    if version != VERSION:
        raise MalformedData(
            f"A saved {header.get('class', 'statistic')} of version {VERSION} can be read here. Received: version "
            f"{version}. Read it with the release of blocks that wrote it."
        )
    parts, position = [], start + length
    for size in sizes:
        parts.append(bytes(data[position : position + size]))
        position += size
    return header, parts


def array_to_bytes(values: pa.Array) -> bytes:
    """One Arrow array as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([values], names=["values"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def array_from_bytes(data: bytes) -> pa.Array:
    """The array that `array_to_bytes` wrote."""
    with pa.ipc.open_stream(data) as reader:
        values = reader.read_next_batch().column(0)
    # Arrow trusts offsets that it is given; bytes from elsewhere must not be able to make it read beyond its memory.
    values.validate(full=True)
    return values
