"""The code of a run, made again in a folder: its commit, and the patch on top."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from blocks.errors import InvalidArgument, WriteError
from blocks.runs.git import git, has_git
from blocks.runs.run_record import Run


def write_code(run: Run, into: Path) -> None:
    """Write the code, with nothing of git's.

    Args:
        run: Whose code.
        into: An empty folder.

    Raises:
        InvalidArgument: The code was not recorded, or its commit is in the repository no more.
    """
    code = _known(run)
    if code["commit"] is not None:
        with tempfile.TemporaryDirectory() as aside, _explained(run):
            settings = {"GIT_INDEX_FILE": f"{aside}/index"}
            git(Path(code["root"]), "read-tree", code["commit"], settings=settings)
            git(Path(code["root"]), "checkout-index", "--all", f"--prefix={into.resolve()}/", settings=settings)
    _apply(run, into)


@contextmanager
def worktree(run: Run, into: Path) -> Iterator[Path]:
    """Give a fresh working tree of the code; it is no more when the block ends.

    Args:
        run: Whose code.
        into: A folder that does not exist.

    Raises:
        InvalidArgument: The code was not recorded, or its commit is in the repository no more.
    """
    code = _known(run)
    if code["commit"] is None:
        into.mkdir()
        git(into, "init", "--quiet")
        _apply(run, into)
        yield into
        return
    root = Path(code["root"])
    with _explained(run):
        git(root, "worktree", "add", "--quiet", "--detach", str(into), code["commit"])
    try:
        _apply(run, into)
        yield into
    finally:
        with suppress(WriteError):
            git(root, "worktree", "remove", "--force", str(into))
        with suppress(WriteError):
            git(root, "worktree", "prune")


def _known(run: Run) -> dict[str, Any]:
    code = run.content["code"]
    if code["tree"] is None or not has_git():
        raise InvalidArgument(
            f"The code of a run is made again by git. Received: {run.id}, and "
            f"{code.get('why', 'there is no git here')}. Install git before you record."
        )
    if code["commit"] is not None and not Path(code["root"]).is_dir():
        raise InvalidArgument(
            f"The commit of the run {run.id} lies in the repository {code['root']}, which is not there. Bring it back."
        )
    return dict(code)


@contextmanager
def _explained(run: Run) -> Iterator[None]:
    try:
        yield
    except WriteError as error:
        code = run.content["code"]
        raise InvalidArgument(
            f"The code of the run {run.id} is the commit {code['commit'][:10]} of {code['root']} and a patch. {error}. "
            "Fetch the commit, if it is there no more."
        ) from error


def _apply(run: Run, into: Path) -> None:
    if patch := run.patch:
        # or a repository around it would take the paths as its own, and leave out what lies outside the folder
        around = {"GIT_CEILING_DIRECTORIES": str(into.resolve().parent)}
        git(into, "apply", "--whitespace=nowarn", "--binary", "-", given=patch, settings=around)
