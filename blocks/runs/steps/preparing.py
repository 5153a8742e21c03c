"""Preparing: what is learned of the rows before training, and the store; each made once."""

from dataclasses import dataclass
from typing import Any

import keras

from blocks.block.base import without_names
from blocks.errors import InvalidArgument
from blocks.files.durable import remove_tree
from blocks.inspection.profile.describe import describe
from blocks.model import Model, load
from blocks.progress import check_verbose
from blocks.runs.made_things import MadeThings, digest_of
from blocks.runs.own_code import own_code
from blocks.runs.project import ADAPTED, STORE, Project
from blocks.runs.steps.outcome import Outcome, reason
from blocks.store import Store


@dataclass(frozen=True)
class Prepared:
    """A model that is adapted and not trained, with the store of its features."""

    model: Model
    store: Store


def inspect(project: Project, *, again: bool = False) -> Outcome:
    """Describe the rows: what is there, what leaks, what stands twice; a page of it lies in the artefacts."""
    told = project.configuration.table("inspect")
    target = told.get("target")
    if target is None:
        targets = project.model().head.targets
        target = targets[0] if targets else None
    key = {"rows": _rows(project, *project.splits), "settings": {**told, "target": target}}
    made, page = MadeThings(project.artefacts), project.place("data.html")
    if not again and not made.differs("inspect", key, [page]):
        return Outcome("inspect", project.shown(page), reused=True)
    profile = describe(project.splits, target=target, key=told.get("key"), time=told.get("time"), seed=project.seed)
    profile.save(page)
    made.note("inspect", key, [page])
    return Outcome("inspect", f"{project.shown(page)}, and in short:", str(profile).splitlines())


def adapt(project: Project, *, again: bool = False) -> tuple[Model, Outcome]:
    """A model with what the training rows teach, from `adapted.keras` where that fits."""
    model = project.model()
    file, made = project.place(ADAPTED), MadeThings(project.artefacts)
    key = {
        "rows": _rows(project, "train"),
        **{name: config_digest(getattr(model, name)) for name in ("preprocessor", "head")},
        "own code": own_code(model.preprocessor, model.head),
        "settings": project.configuration.table("adapt"),
    }
    differing = made.differs("adapt", key, [file])
    if not again and not differing:
        return _with_fresh_parts(load(file), model), Outcome("adapt", project.shown(file), reused=True)
    model.adapt(project.split("train"), memory=project.configuration.table("adapt").get("memory"))
    model.save(file)
    made.note("adapt", key, [file])
    told = f"{project.shown(file)}: statistics and targets of the training rows"
    return model, Outcome("adapt", told, reason(differing))


def precompute(project: Project, *, again: bool = False) -> tuple[Prepared, list[Outcome]]:
    """The store of all splits, and the model that it is of; a store that fits is left, a killed one is finished."""
    if project.given_store is not None:
        model = project.model()
        if not hasattr(model, "core"):
            raise InvalidArgument(
                "A store goes with the adapted model that it was made by. Received: a model that is not adapted. Give "
                "its .keras file: blocks fit artefacts/adapted.keras STORE."
            )
        return Prepared(model, project.given_store), []
    model, adapted = adapt(project)
    path, made = project.place(STORE), MadeThings(project.artefacts)
    told = project.configuration.table("precompute")
    key = {
        "rows": _rows(project, *project.splits),
        "adapted": made.of("adapt")["files"],
        "own code": own_code(model.preprocessor, model.head),
        "settings": told,
    }
    differing = made.differs("precompute", key, [])
    if path.exists() and (again or "own code" in differing):  # a store knows own code by its name alone
        remove_tree(path)
    # a store that fits says so by itself too, unless it is told to show nothing
    verbose = 0 if not differing else check_verbose("auto")
    store = model.precompute(project.splits, path, overwrite=True, verbose=verbose, **told)
    made.note("precompute", key, [])
    rows = ", ".join(f"{name} {store.rows[name]:,}" for name in project.splits)
    outcome = Outcome("precompute", f"{project.shown(path)}: rows of {rows}", reused=store.reused)
    return Prepared(model, store), [adapted, outcome]


def _with_fresh_parts(adapted: Model, fresh: Model) -> Model:
    """The adapted model with all that adapting does not concern as the project's code has it now."""
    automatic = "feature_extractor" in fresh.automatic
    model = adapted.replace(
        feature_extractor="auto" if automatic else fresh.feature_extractor,
        postprocessors=fresh.postprocessors,
        seed=fresh.seed,
    )
    if fresh._compiled_with is not None:
        model._compiled_with = fresh._compiled_with
        model._compile_core()
    return model


def config_digest(*parts: Any) -> str:
    """A digest of what parts of a model are made of, names aside."""
    return digest_of([without_names(keras.saving.serialize_keras_object(part)) for part in parts])


def _rows(project: Project, *names: str) -> str:
    return digest_of({name: project.split(name).fingerprint() for name in names})
