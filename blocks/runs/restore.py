"""Restore: what a run kept, and the code that made it, into a folder."""

import os
from pathlib import Path

from blocks.errors import InvalidArgument, warn
from blocks.files.durable import whole_folder
from blocks.files.write_errors import explained
from blocks.runs.code_checkout import write_code
from blocks.runs.kept_files import give
from blocks.runs.run_record import NAME, Run


def restore(run: Run, into: str | os.PathLike[str]) -> Path:
    """Write models, store manifests and other files that a run kept, and its code, into a folder, whole or not at all.

    Args:
        run: The run.
        into: A folder that does not exist. The code is in `code`, the rest by the names that the run has.

    Raises:
        InvalidArgument: The folder exists, or the code cannot be made again.
        CorruptShard: A kept file is not what it was.
    """
    final = Path(into)
    if final.exists():
        raise InvalidArgument(f"restore never overwrites. Received: '{final}', which exists. Name another folder.")
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(final) as folder:
            (folder / "code").mkdir()
            write_code(run, folder / "code")
            (folder / NAME).write_bytes((run.folder / NAME).read_bytes())
            for name, artefact in run.gathered["artefacts"].items():
                own = Path(name).name  # two stores' manifests had one name
                target, called = (folder / own, None) if artefact["kind"] == "folder" else (folder, own)
                absent = give(artefact, run.folder.parent, target, called)
                if absent:
                    warn(f"restore: {', '.join(absent)} of {name} was too large to be kept, and is not there.")
    return final
