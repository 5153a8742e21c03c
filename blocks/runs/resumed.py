"""Going on with a run that was killed: the position that its `Resume` saved is the next run's beginning."""

import shutil
from pathlib import Path

from blocks.files.durable import whole_file
from blocks.training.resume import Resume

FOLDER = "resume"


def resume_callback(run: Path, every: int) -> Resume:
    """A `Resume` that saves into a run's folder.

    Args:
        run: The folder.
        every: Steps between two savings.
    """
    return Resume(run / FOLDER, every)


def copy_position(earlier: Path, run: Path) -> None:
    """Begin a run where an earlier one was; where that had saved nothing, at the beginning.

    The earlier one keeps its own, since another may go on from there too.
    """
    saved = earlier / FOLDER
    for file in sorted(saved.iterdir()) if saved.is_dir() else ():
        if file.is_file() and not file.name.startswith("."):
            (run / FOLDER).mkdir(exist_ok=True)
            with whole_file(run / FOLDER / file.name) as aside:
                shutil.copyfile(file, aside)
