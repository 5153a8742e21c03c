"""Exporting: the SavedModel, the proof that it gives the bits of training, and the answers of a batch of rows."""

from collections.abc import Sequence
from pathlib import Path

from blocks.errors import InvalidArgument, StoreError
from blocks.evaluate.tables.write_answers import write_answers
from blocks.export import verify as replay
from blocks.runs.made_things import MadeThings, content_digest, digest_of
from blocks.runs.project import STORE, Project
from blocks.runs.steps.fitting import trained
from blocks.runs.steps.outcome import Outcome, reason
from blocks.store import open_store


def export(project: Project, *, again: bool = False) -> Outcome:
    """Write the trained model as the next version of `export/`; one of the same model is left."""
    model, file = trained(project)
    key, made = {"model": content_digest(file)}, MadeThings(project.artefacts)
    newest = versions(project.artefacts)[-1:]
    differing = made.differs("export", key, newest)
    if newest and not again and not differing:
        return Outcome("export", project.shown(newest[0]), reused=True)
    folder = project.place("export") / str(int(newest[0].name) + 1 if newest else 1)
    folder.parent.mkdir(exist_ok=True)
    model.export(folder)
    made.note("export", key, [folder])
    return Outcome("export", f"{project.shown(folder)}, a SavedModel", reason(differing) if newest else [])


def versions(artefacts: Path) -> list[Path]:
    """The exports, the oldest first."""
    found = [
        one for one in (artefacts / "export").glob("*") if one.name.isdecimal() and (one / "saved_model.pb").exists()
    ]
    return sorted(found, key=lambda one: int(one.name))


def newest_export(artefacts: Path) -> Path:
    """The last one.

    Raises:
        InvalidArgument: There is none.
    """
    if not (found := versions(artefacts)):
        raise InvalidArgument(
            f"This step needs an export. Received: none in {artefacts / 'export'}. Run blocks export, or name one."
        )
    return found[-1]


def verify(project: Project) -> Outcome:
    """Replay golden rows and the test rows through the export in a process that cannot import blocks."""
    folder = newest_export(project.artefacts)
    split = project.split_name("test", "valid")
    try:
        store = open_store(project.artefacts / STORE)
    except StoreError:
        store = None
    of_split = None if store is None or split not in store.splits else store[split]
    found = replay(folder, project.split(split), of_split)
    return Outcome("verify", project.shown(folder), str(found).splitlines(), ok=found.ok)


def predict(project: Project, *, keys: Sequence[str] = (), again: bool = False) -> Outcome:
    """Answer the test rows by the newest export, into `predictions.parquet`."""
    folder, made = newest_export(project.artefacts), MadeThings(project.artefacts)
    source, target = project.split("test", "valid"), project.place("predictions.parquet")
    kept = list(keys or project.configuration.table("evaluate").get("keys", []))
    key = {"export": content_digest(folder), "rows": digest_of(source.fingerprint()), "keys": kept}
    differing = made.differs("predict", key, [target])
    if not again and not differing:
        return Outcome("predict", project.shown(target), reused=True)
    written = write_answers(folder, source, target, keys=kept, overwrite=True)
    made.note("predict", key, [target])
    told = f"{project.shown(target)}: {written.count():,} rows by {project.shown(folder)}"
    return Outcome("predict", told, reason(differing))
