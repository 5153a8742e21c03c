"""Remove: a run's folder, and what no other run keeps of its files."""

import time
from contextlib import suppress

from blocks.errors import InvalidArgument
from blocks.files.durable import remove_tree
from blocks.files.write_errors import explained
from blocks.runs.kept_files import object_path
from blocks.runs.run_record import NAME, Run, list_runs

_SETTLED = 600.0
"""Seconds after which a kept file is surely named by the run that kept it last."""


def remove(run: Run) -> None:
    """Delete a run. What others stand on, or what goes on, is refused.

    Raises:
        InvalidArgument: Another run has it as its parent or goes on from it; or it is running.
        WriteError: The operating system keeps it from being deleted.
    """
    runs = run.folder.parent
    if run.state == "running":
        raise InvalidArgument(f"A run that goes on is not removed. Received: {run.id}. Stop it first.")
    others = [one for one in list_runs(runs) if one.id != run.id]
    standing = [one.id for one in others if run.id in (one.content["parent"], one.content["resumed_from"])]
    if standing:
        raise InvalidArgument(
            f"A run that others stand on is not removed. Received: {run.id}, of {', '.join(standing)}. Remove those "
            "first."
        )
    mine = _kept(run)
    with explained(run.folder):
        aside = run.folder.with_name(f".tmp-{run.id}")
        run.folder.rename(aside)
        remove_tree(aside)
    if len(list(runs.glob(f"*/{NAME}"))) != len(others):
        return  # what a damaged record keeps is not known
    for digest in mine.difference(*map(_kept, others)):
        file = object_path(runs, digest)
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > _SETTLED:
                file.unlink()


def _kept(run: Run) -> set[str]:
    return {digest for one in run.gathered["artefacts"].values() for digest, _ in one["files"].values()}
