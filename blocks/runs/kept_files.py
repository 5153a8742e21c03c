"""Files that runs keep, by their content: one copy of equal ones, however many runs hold them."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from blocks.errors import CorruptShard
from blocks.files.durable import whole_file

FOLDER = "objects"
MOST_BYTES = 2 << 30
"""Of a file: larger ones are known by their digest, and not copied."""


def keep(path: Path, runs: Path) -> dict[str, Any]:
    """Copy a file, or the files of a folder, into what runs keep.

    Args:
        path: The file or folder.
        runs: The folder of runs.

    Returns:
        For the record: where it lay, and of each file its digest and size, by its path within.
    """
    files: dict[str, Any] = {}
    inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
    for file in inside:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        size = file.stat().st_size
        files[file.name if file == path else file.relative_to(path).as_posix()] = [digest, size]
        if size <= MOST_BYTES:
            _keep_one(file, object_path(runs, digest), digest)
    return {"kind": "file" if path.is_file() else "folder", "from": str(path.resolve()), "files": files}


def give(artefact: dict[str, Any], runs: Path, into: Path, called: str | None = None) -> list[str]:
    """Write what was kept into a folder.

    Args:
        artefact: As `keep` returned it.
        runs: The folder of runs.
        into: A folder that exists.
        called: What a single file is called there; None for the name that it had.

    Returns:
        What was not kept, since it was too large.

    Raises:
        CorruptShard: What is kept has not the content any more that it is called by.
    """
    absent = []
    for name, (digest, size) in artefact["files"].items():
        kept, target = object_path(runs, digest), into / (called or name)
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise CorruptShard(f"A kept file's path lies within its folder. Received: {name!r} in {runs}.")
        if not kept.exists() and size > MOST_BYTES:
            absent.append(name)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as aside:
            shutil.copyfile(kept, aside)
            with aside.open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
                    raise CorruptShard(f"{kept} was changed since it was kept. Restore it from a copy.")
    return absent


def object_path(runs: Path, digest: str) -> Path:
    """Where the file of a digest is kept."""
    return runs / FOLDER / digest[:2] / digest[2:]


def _keep_one(file: Path, target: Path, digest: str) -> None:
    if target.exists():
        os.utime(target)  # `remove` leaves what was kept just now
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as aside:
        shutil.copyfile(file, aside)
        with aside.open("rb") as opened:  # it may have been written in between
            if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
                raise CorruptShard(f"{file} was changed while it was kept. Keep it when it is finished.")
    os.chmod(target, 0o444)
