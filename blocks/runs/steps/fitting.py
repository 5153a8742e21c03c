"""Fitting: the core is trained and the postprocessors learn, in a recorded run that a kill does not undo."""

import json
from pathlib import Path
from typing import Any

from blocks.block import fingerprint
from blocks.errors import BlocksError, InvalidArgument, warn
from blocks.files import durable
from blocks.model import Model, load
from blocks.runs.made_things import MadeThings, digest_of
from blocks.runs.own_code import own_code
from blocks.runs.project import TRAINED, Project
from blocks.runs.recording import Recording, record
from blocks.runs.run_record import open_run
from blocks.runs.steps.outcome import Outcome, reason
from blocks.runs.steps.preparing import config_digest, precompute
from blocks.training.observers import tell_rows

EPOCHS = 20
"""Unless [fit] says otherwise: a run that is to be resumed has a fixed length."""

_STOPPED = ("killed", "failed", "interrupted")

_JUDGING = ("inspect", "evaluate", "serve", "tune", "bench", "env")
"""What of a configuration changes nothing of a trained model."""


def fit(project: Project, *, again: bool = False) -> list[Outcome]:
    """Adapt, precompute and train as far as that is not done; the model lies in `model.keras`, the run in `runs`."""
    prepared, outcomes = precompute(project)
    model, store = prepared.model, prepared.store
    told = project.configuration.table("fit")
    fresh = project.model()  # what was learned of the rows is the store's
    parts = (fresh.feature_extractor, fresh.head, *_postprocessors(fresh))
    key = {
        "store": digest_of(store.fingerprint),
        "model": digest_of([config_digest(*parts), fresh.seed]),
        "training": digest_of(model.core.get_compile_config()) if model.core.compiled else "auto",
        "own code": own_code(*parts),
        "settings": {"epochs": EPOCHS, **told, "seed": project.seed},
    }
    file, made = project.place(TRAINED), MadeThings(project.artefacts)
    differing = made.differs("fit", key, [file])
    if not again and not differing:
        return [*outcomes, Outcome("fit", project.shown(file), reused=True)]
    if "train" not in store.splits:
        raise InvalidArgument(f"fit trains on the split train. Received: {', '.join(store.splits)}.")
    held_out = store["valid"] if "valid" in store.splits else None
    unfinished, digest = _Unfinished(project), digest_of(key)
    earlier = None if again else unfinished.run_of(digest)
    values = project.configuration.values
    with record(project.runs, {**values, "secrets": values.get("env", [])}, resumes=earlier) as run:
        unfinished.note(digest, run.id)
        _tell_what_it_stands_on(project, model, run)
        model.fit(
            store["train"],
            validation_data=held_out,
            epochs=told.get("epochs", EPOCHS),
            batch_size=told.get("batch_size"),
            seed=project.seed,
            callbacks=[run.resume(told.get("save_every", 1000))],
        )
        if held_out is not None:
            calibrate(model, held_out)
        model.save(file)
    configuration = {name: one for name, one in project.configuration.values.items() if name not in _JUDGING}
    made.note(
        "fit", key, [file], configuration=configuration, profiles=list(project.configuration.profiles), run=run.id
    )
    unfinished.forget()
    last = {name: values[-1] for name, values in model.history.history.items() if values}
    went_on = [] if earlier is None else [f"went on where the run {earlier} was stopped"]
    lines = [*([] if went_on else reason(differing)), *went_on, f"recorded in {project.shown(run.folder)}"]
    lines += [", ".join(f"{name} {value:.4g}" for name, value in last.items())]
    epochs = f"{len(model.history.epoch)} epoch{'s' if len(model.history.epoch) > 1 else ''}"
    return [*outcomes, Outcome("fit", f"{project.shown(file)}: {epochs}", lines)]


class _Unfinished:
    """Which run a fit was that has not ended: the same fit goes on with it."""

    def __init__(self, project: Project) -> None:
        self._file, self._runs = project.place("unfinished.json"), project.runs

    def run_of(self, digest: str) -> str | None:
        """The run that was stopped in a fit of that key, where it is still there."""
        try:
            noted = json.loads(self._file.read_text())
            run = open_run(self._runs / noted["run"])
        except (OSError, ValueError, TypeError, LookupError, BlocksError):
            return None
        return noted["run"] if noted["fit"] == digest and run.state in _STOPPED else None

    def note(self, digest: str, run: str) -> None:
        """Say which run it is now."""
        durable.write_text(self._file, json.dumps({"fit": digest, "run": run}))

    def forget(self) -> None:
        """The fit has ended."""
        self._file.unlink(missing_ok=True)


def _tell_what_it_stands_on(project: Project, model: Model, run: Recording) -> None:
    """What the record says of rows and preprocessor, whether this call or an earlier one adapted."""
    if project.given_store is None:
        for rows in project.splits.values():
            tell_rows(rows)
    run.stage("preprocessor", fingerprint(model.preprocessor, model.head))


def calibrate(model: Model, held_out: Any) -> None:
    """Let what calibrates learn; where nothing does, keep the answers, from which drift is told."""
    if any(block.calibrates for block in _postprocessors(model)):
        model.calibrate(held_out)
    else:
        model.keep_answers(held_out)


def trained(project: Project) -> tuple[Model, Path]:
    """The trained model and its file; what it was fitted with otherwise than the project now says is told.

    Raises:
        InvalidArgument: There is none.
    """
    file = project.trained
    if not file.exists():
        raise InvalidArgument(f"This step needs a trained model. Received: no {project.shown(file)}. Run blocks fit.")
    noted = MadeThings(project.artefacts).of("fit").get("configuration")
    if (
        noted is not None
        and file == project.place(TRAINED)
        and (changed := _changes(noted, project.configuration.values))
    ):
        warn(f"{project.shown(file)} was fitted with {'; '.join(changed)}. Give the same --profile and --set, or fit.")
    return load(file), file


def _changes(before: Any, now: Any, at: str = "") -> list[str]:
    """What of a configuration was otherwise, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [name for name in {**before, **now} if at or name not in _JUDGING]
        return [one for name in names for one in _changes(before.get(name), now.get(name), f"{at}{name}.")]
    return [] if before == now else [f"{at[:-1]} = {before} (now {now})"]


def _postprocessors(model: Model) -> list[Any]:
    chains = model.postprocessors
    return [block for chain in (chains.values() if isinstance(chains, dict) else [chains]) for block in chain]
