"""The code of a run, as it is when the run begins: a commit, and one patch of all that differs from it.

The patch is git's own and holds changes of tracked files, staged or not, and untracked source files: `git apply` reads
it. It is made by an index and an object store of its own, so the repository is left as it is, and of files from which
secrets were taken out. Where there is no repository, the patch makes everything out of nothing.
"""

import base64
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from blocks.runs.git import git, has_git, paths, top_of
from blocks.runs.secret_values import Secrets

MOST_BYTES = 1 << 20
"""Of an untracked file; of a changed tracked one sixteen times as much, and of all untracked ones together."""

MOST_FILES = 2000

SOURCE = frozenset(
    [
        *(".py", ".pyi", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".sql", ".sh", ".md", ".rst", ".in", ".r", ".jl"),
        *(".c", ".cc", ".cpp", ".h", ".hpp", ".rs", ".go", ".js", ".ts", ".css", ".j2", ".jinja", ".mk", ".lock"),
    ]
)
"""What may hold rows is none of them: JSON, plain text, pages, notebooks."""
_NAMES = frozenset(
    ["Makefile", "Dockerfile", "LICENSE", "requirements.txt", ".gitignore", ".gitattributes", ".env.example"]
)
_DIFF = ("diff", "--cached", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-renames", "-U3")


class Code(NamedTuple):
    """What was captured.

    Args:
        about: For the record.
        patch: What leads from the commit to the code.
    """

    about: dict[str, Any]
    patch: bytes


def capture(folder: Path, secrets: Secrets, apart: Iterable[Path] = ()) -> Code:
    """The code in a folder.

    Args:
        folder: In the repository, or any folder.
        secrets: What must not be written.
        apart: Folders that hold no code: records themselves.
    """
    folder = folder.resolve()
    if not has_git():
        return Code({"root": str(folder), "commit": None, "tree": None, "why": "there is no git"}, b"")
    top = top_of(folder)
    with tempfile.TemporaryDirectory() as aside:
        capturing = _Capturing(top or folder, Path(aside), known=top is not None)
        return capturing.code(secrets, [one.resolve() for one in apart])


class _Capturing:
    """An index and an object store aside, in which the code is staged."""

    def __init__(self, root: Path, aside: Path, *, known: bool) -> None:
        self._root = root
        objects = aside / "objects"
        objects.mkdir()
        self._settings = {"GIT_INDEX_FILE": str(aside / "index"), "GIT_OBJECT_DIRECTORY": str(objects)}
        if known:
            index, ours = (
                Path(root, os.fsdecode(git(root, "rev-parse", "--git-path", name).rstrip(b"\n")))
                for name in ("index", "objects")
            )
            self._settings["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(ours)
            if index.exists():
                shutil.copyfile(index, aside / "index")
            found = self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", refused=b"")
            self.commit = found.decode().strip() or None
        else:
            git(aside, "init", "--quiet", "--bare", "empty")
            self._settings |= {"GIT_DIR": str(aside / "empty"), "GIT_WORK_TREE": str(root)}
            self.commit = None
        self._base = self.commit or self._git("hash-object", "-w", "-t", "tree", "--stdin").decode().strip()

    def _git(self, *words: str, given: bytes | None = None, refused: bytes | None = None) -> bytes:
        try:
            return git(self._root, *words, given=given, settings=self._settings)
        except OSError:
            if refused is None:
                raise
            return refused

    def code(self, secrets: Secrets, apart: Sequence[Path]) -> Code:
        left_out = self._stage(apart)
        scrubbed, patch = [], []
        for path in paths(self._git("diff", "--cached", "--name-only", "-z", "--no-renames", self._base)):
            if self._scrub(path, secrets):
                scrubbed.append(path)
        whole = self._git(*_DIFF, self._base)
        if secrets.scrubbed_code(whole) == whole:
            patch = [whole]
        else:  # what was committed holds a secret, and would stand in the lines around a change
            for path in paths(self._git("diff", "--cached", "--name-only", "-z", "--no-renames", self._base)):
                one = self._git(*_DIFF, self._base, "--", f":(literal,top){path}")
                patch.append(one if secrets.scrubbed_code(one) == one else self._without_lines(path, one))
        about = {
            "root": str(self._root),
            "commit": self.commit,
            "tree": self._git("write-tree", "--missing-ok").decode().strip(),
            "left_out": left_out[:100],
            "scrubbed": scrubbed,
        }
        return Code(about, b"".join(patch))

    def _stage(self, apart: Sequence[Path]) -> list[list[str]]:
        """Stage what is code; what is not, and why."""
        left_out: list[list[str]] = []
        tracked: list[str] = []
        untracked: list[str] = []
        room = 16 * MOST_BYTES
        for path in paths(self._git("diff-files", "--name-only", "-z")):
            try:
                size = (self._root / path).lstat().st_size
            except OSError:  # deleted
                size = 0
            if size > 16 * MOST_BYTES:
                left_out.append([path, f"changed, and larger than {16 * MOST_BYTES:,} bytes"])
            else:
                tracked.append(path)
        for path in paths(self._git("ls-files", "--others", "--exclude-standard", "-z")):
            file = self._root / path
            if any(file.is_relative_to(one) for one in apart):
                continue
            if why := _no_source(file, room) or ("too many files" if len(untracked) >= MOST_FILES else None):
                left_out.append([path, why])
            else:
                room -= file.lstat().st_size
                untracked.append(path)
        given = b"".join(os.fsencode(path) + b"\0" for path in [*tracked, *untracked])
        self._git("update-index", "--add", "--remove", "-z", "--stdin", given=given)
        return left_out

    def _scrub(self, path: str, secrets: Secrets) -> bool:
        """Stage a file without secrets; whether any stood in it."""
        mode, _, rest = self._git("ls-files", "--stage", "-z", "--", f":(literal,top){path}").decode().partition(" ")
        if not mode.startswith("100"):  # deleted, a link, or another repository
            return False
        data = self._git("cat-file", "blob", rest[: rest.index(" ")])
        clean = secrets.scrubbed_code(data)
        if clean == data:
            return False
        blob = self._git("hash-object", "-w", "--stdin", given=clean).decode().strip()
        self._git("update-index", "--cacheinfo", f"{mode},{blob},{path}")
        return True

    def _without_lines(self, path: str, patch: bytes) -> bytes:
        """A file's patch as its new content alone, none of the old: git reads that as of a binary file."""
        header = patch.partition(b"\n--- ")[0].partition(b"\nGIT binary patch")[0]
        staged = self._git("ls-files", "--stage", "-z", "--", f":(literal,top){path}").split()
        data = self._git("cat-file", "blob", staged[1].decode()) if staged else b""
        packed = zlib.compress(data)
        lines = [b"GIT binary patch", b"literal %d" % len(data)]
        for at in range(0, len(packed), 52):
            part = packed[at : at + 52]
            count = len(part) + (64 if len(part) <= 26 else 70)  # A to Z, a to z
            lines.append(bytes([count]) + base64.b85encode(part, pad=True))
        return header + b"\n" + b"\n".join(lines) + b"\n\n"


def _no_source(file: Path, room: int) -> str | None:
    """Why an untracked file is not kept as code; None where it is."""
    try:
        about = file.lstat()
    except OSError as error:
        return str(error.strerror)
    if not stat.S_ISREG(about.st_mode):
        return "no regular file"
    if file.suffix.lower() not in SOURCE and file.name not in _NAMES:
        return "no source file"
    if file.name == "blocks.local.toml":
        return "settings of this machine, which the configuration holds"
    if about.st_size > MOST_BYTES:
        return f"larger than {MOST_BYTES:,} bytes"
    return "no room left" if about.st_size > room else None
