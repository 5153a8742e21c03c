"""A package that serves an export anywhere: a Dockerfile, the export, the wheel of blocks, pins and checksums."""

import errno
import gzip
import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.export.export_manifest import read_manifest
from blocks.export.own_wheel import own_wheel
from blocks.export.pinned_requirements import minor, pinned_requirements
from blocks.files.durable import whole_file, whole_folder
from blocks.files.regular_files import open_regular
from blocks.files.write_errors import explained

SUMS: Final = "SHA256SUMS"
ARCHIVES: Final = (".tar.gz", ".tgz")
PORT: Final = 8501
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PIECE: Final = 1 << 20
_DOCKERFILE: Final = """\
# Serves the model {name!r}, version {version}.
#   sha256sum --check SHA256SUMS
#   docker build --tag {tag} .
#   docker run --publish {port}:{port} {tag}
FROM python:{python}-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=2 MPLCONFIGDIR=/tmp
WORKDIR /serving

COPY requirements.txt ./
RUN pip install --no-cache-dir --requirement requirements.txt

COPY . ./
RUN sha256sum --check --quiet SHA256SUMS \\
    && pip install --no-cache-dir --no-deps --no-index wheels/{wheel} \\
    && useradd --system --no-create-home --uid 10001 serving

USER 10001
EXPOSE {port}
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \\
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/health/ready', timeout=4)"]
ENTRYPOINT ["blocks", "serve", "{name}=models/{name}/{version}", "--host", "0.0.0.0", "--port", "{port}"]
"""

Content = bytes | Path


@checked()
def package(
    export: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, name: str | None = None
) -> Path:
    """Write what a machine with Docker, or with Python, needs to serve an export; nothing is downloaded here.

    It holds `Dockerfile` (slim, not as root, with a health check), `models/NAME/VERSION` (the export), `wheels/` (the
    wheel of the blocks that runs here, made of its own files, wherever it came from), `requirements.txt` (the versions
    that made the export, and all that they need as it is installed here) and `SHA256SUMS` over all of these, for
    `sha256sum --check`. The same input gives the same bytes.

    Args:
        export: The folder of an exported SavedModel.
        out: An archive to write (.tar.gz, .tgz), or a folder that is not there yet; NAME-VERSION.tar.gz unless given.
        name: What requests will call the model; the folder's name, or that of the one above a version's number.

    Returns:
        What was written.

    Raises:
        InvalidArgument: The folder is no export, or holds links; or the name is none for an image.
        WriteError: There is something at `out`, or it cannot be written.
        MalformedData: The export is damaged.

    Example:
        >>> package("no/such/export")
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: no/such/export is no SavedModel that blocks exported: ...
    """
    folder = Path(os.path.abspath(export))
    versions = {key: str(value) for key, value in read_manifest(export).get("versions", {}).items()}
    version = int(folder.name) if folder.name.isdecimal() else 1
    called = name if name is not None else folder.parent.name if folder.name.isdecimal() else folder.name
    if not _NAME.fullmatch(called):
        raise InvalidArgument(
            f"A package's model is called by letters, digits, '.', '_' and '-'. Received: {called!r}. Name it: name=."
        )
    wheel, wheel_bytes = own_wheel()
    content: dict[str, Content] = {
        f"models/{called}/{version}/{file.relative_to(folder).as_posix()}": file for file in _files(folder)
    }
    content[f"wheels/{wheel}"] = wheel_bytes
    content["requirements.txt"] = "".join(f"{line}\n" for line in pinned_requirements(versions)).encode()
    python = minor(versions.get("python", "3.11"))
    content["Dockerfile"] = _DOCKERFILE.format(
        name=called, version=version, tag=f"{called.lower()}:{version}", port=PORT, python=python, wheel=wheel
    ).encode()
    content[SUMS] = "".join(f"{_digest(content[one])}  {one}\n" for one in sorted(content)).encode()
    target = Path(out) if out is not None else Path(f"{called}-{version}.tar.gz")
    with explained(target):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        if target.name.endswith(ARCHIVES):
            _write_archive(target, f"{called}-{version}", content)
        else:
            _write_folder(target, content)
    return target


def _files(folder: Path) -> Iterator[Path]:
    """The files of an export, but what is hidden: a writer's remains.

    Raises:
        InvalidArgument: There are links, or names that checksums cannot say.
    """
    for one in sorted(folder.rglob("*")):
        inside = one.relative_to(folder).parts
        if any(part.startswith(".") for part in inside) or (one.is_dir() and not one.is_symlink()):
            continue
        if one.is_symlink() or not one.is_file():
            raise InvalidArgument(f"A package holds regular files alone. Received: '{one}'. Put the file itself there.")
        if set(str(one.relative_to(folder))) & set("\\\n\r"):
            raise InvalidArgument(f"{SUMS} takes no file whose name has a backslash or a line's end: {one.name!r}.")
        yield one


def _digest(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with os.fdopen(open_regular(content), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_folder(target: Path, content: Mapping[str, Content]) -> None:
    with whole_folder(target) as folder:
        folder.chmod(0o755)
        for name, one in sorted(content.items()):
            file = folder / name
            for parent in reversed(file.relative_to(folder).parents):
                (folder / parent).mkdir(mode=0o755, exist_ok=True)
            with file.open("wb") as written:
                if isinstance(one, bytes):
                    written.write(one)
                else:
                    with os.fdopen(open_regular(one), "rb") as read:
                        while piece := read.read(_PIECE):
                            written.write(piece)
            file.chmod(0o644)  # the container's user is another


def _write_archive(target: Path, top: str, content: Mapping[str, Content]) -> None:
    with (
        whole_file(target) as path,
        path.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, one in sorted(content.items()):
            entry = tarfile.TarInfo(f"{top}/{name}")  # of nobody, at no time
            entry.mode = 0o644
            if isinstance(one, bytes):
                entry.size = len(one)
                archive.addfile(entry, io.BytesIO(one))
            else:
                with os.fdopen(open_regular(one), "rb") as read:
                    entry.size = os.fstat(read.fileno()).st_size
                    archive.addfile(entry, read)
