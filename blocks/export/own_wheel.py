"""The wheel of the blocks that runs: its files and its distribution's metadata, so that another machine has the same.

It is made of what is imported here, whether that came from an index, a wheel or a checkout, and needs neither a network
nor a build tool. The same files give the same bytes. Source: PEP 427 (the format), PEP 376 (RECORD).
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from blocks.errors import InvalidArgument

DISTRIBUTION: Final = "ml-blocks"
_PACKAGE: Final = "blocks"
_KEPT: Final = {"METADATA": "PKG-INFO", "entry_points.txt": "", "top_level.txt": ""}
"""What of the metadata a wheel has, each with what it is called beside a checkout."""
_FIRST_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""


def own_wheel() -> tuple[str, bytes]:
    """The wheel's file name and content.

    Raises:
        InvalidArgument: blocks runs without the metadata of its distribution.
    """
    try:
        own = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise InvalidArgument(
            f"A package holds the wheel of the blocks that writes it. Received: blocks without the metadata of "
            f"{DISTRIBUTION!r}. Install it: pip install {DISTRIBUTION}."
        ) from None
    name = f"{DISTRIBUTION.replace('-', '_')}-{own.version}"
    content = dict(_files_in(files(_PACKAGE), _PACKAGE))
    info = f"{name}.dist-info"
    for kept, beside in _KEPT.items():
        text = own.read_text(kept)
        if text is None and beside:
            text = own.read_text(beside)
        if text is not None:
            content[f"{info}/{kept}"] = text.encode()
    for licence in own.metadata.get_all("License-File") or ():
        if (text := own.read_text(f"licenses/{licence}")) is not None:
            content[f"{info}/licenses/{licence}"] = text.encode()
    tag = "py3-none-any"
    lines = ("Wheel-Version: 1.0", f"Generator: blocks ({own.version})", "Root-Is-Purelib: true", f"Tag: {tag}")
    content[f"{info}/WHEEL"] = "".join(f"{line}\n" for line in lines).encode()
    record = [f"{_quoted(one)},sha256={_digest(data)},{len(data)}\n" for one, data in sorted(content.items())]
    record.append(f"{info}/RECORD,,\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, data in [*sorted(content.items()), (f"{info}/RECORD", "".join(record).encode())]:
            entry = zipfile.ZipInfo(one, _FIRST_TIME)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, data)
    return f"{name}-{tag}.whl", packed.getvalue()


def _files_in(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        if one.name == "__pycache__" or one.name.startswith(".") or one.name.endswith((".pyc", "~")):
            continue
        if one.is_dir():
            yield from _files_in(one, f"{path}/{one.name}")
        else:
            yield f"{path}/{one.name}", one.read_bytes()


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name else name


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
