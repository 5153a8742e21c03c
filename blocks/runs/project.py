"""Project: a folder with a blocks.toml, the rows and the model that its code gives, and where made things lie."""

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from blocks.data import Source, read
from blocks.errors import InvalidArgument
from blocks.model import Model, load
from blocks.runs.configuration import Configuration, resolve
from blocks.runs.object_target import is_target, load_target
from blocks.store import Store, open_store

DATA, MODEL = "data:splits", "model:model"
"""The targets that [project] may name otherwise."""

ADAPTED, TRAINED, STORE, ANSWERS = "adapted.keras", "model.keras", "store", "answers.parquet"


class Project:
    """What the steps work on.

    Args:
        configuration: As resolved.
        data: Gives the splits: a `module:object`, or a dict of split to rows, or a finished store's folder.
        model: Gives the model: a `module:object`, or a `.keras` file.
        artefacts: The folder of made things, in the project's.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        data: str | Mapping[str, Any] | None = None,
        model: str | None = None,
        artefacts: str | os.PathLike[str] = "artefacts",
    ) -> None:
        told = configuration.table("project")
        self.configuration = configuration
        self.folder = configuration.folder
        self.name = str(told.get("name") or self.folder.resolve().name)
        self.artefacts = self.folder / artefacts
        self.runs = self.folder / "runs"
        self._data = data or told.get("data") or DATA
        self._model = model or told.get("model") or MODEL

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] = ".",
        profiles: Sequence[str] = (),
        settings: Iterable[str] = (),
        *,
        step: str | None = None,
    ) -> "Project":
        """The project in a folder; the arguments are those of `blocks.runs.configuration.resolve`.

        Raises:
            InvalidArgument: As of `resolve`.
        """
        return cls(resolve(folder, profiles, settings, step=step))

    def place(self, name: str) -> Path:
        """Where a made thing of that name lies; its folder is made where there is none."""
        self.artefacts.mkdir(parents=True, exist_ok=True)
        return self.artefacts / name

    @property
    def trained(self) -> Path:
        """The trained model's file: the one that was given, or the artefact."""
        return self.place(TRAINED) if is_target(self._model) else Path(self._model)

    def shown(self, path: Path) -> str:
        """A path as it is told: from the folder that the user is in, where it lies there."""
        try:
            return str(path.resolve().relative_to(Path.cwd()))
        except ValueError:
            return str(path)

    @property
    def seed(self) -> int:
        """What all that is random starts from."""
        return int(self.configuration.values.get("seed", 0))

    @property
    def given_store(self) -> Store | None:
        """The store that was given instead of rows."""
        if isinstance(self._data, str) and (Path(self._data) / "manifest.json").exists():
            return open_store(self._data)
        return None

    @cached_property
    def splits(self) -> dict[str, Source]:
        """Split to rows.

        Raises:
            InvalidArgument: The target does not import, or gives something else.
        """
        if self.given_store is not None:
            raise InvalidArgument(
                f"This step reads raw rows. Received: {self._data}, a store, which holds features. Give files or "
                "module:object."
            )
        target = self._data if isinstance(self._data, str) else "rows"
        given = self._called(target) if isinstance(self._data, str) else self._data
        fix = 'Return a dict, {"train": blocks.read(...), ...}, such as source.split(train=0.8, valid=0.1, test=0.1).'
        if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) for name in given):
            what = type(given).__name__ + (" without entries" if isinstance(given, Mapping) and not given else "")
            raise InvalidArgument(f"{target} gives splits: names and their rows. Received: {what}. {fix}")
        if wrong := {name: type(rows).__name__ for name, rows in given.items() if rows is None or callable(rows)}:
            name, what = next(iter(wrong.items()))
            raise InvalidArgument(f"{target} gives each split's rows. Received: {what} for {name!r}. {fix}")
        return {name: read(rows) for name, rows in given.items()}

    def split(self, *names: str) -> Source:
        """The first of these splits that is there.

        Raises:
            InvalidArgument: None of them is.
        """
        return self.splits[self.split_name(*names)]

    def split_name(self, *names: str) -> str:
        """The name of the first of these splits that is there."""
        for name in names:
            if name in self.splits:
                return name
        raise InvalidArgument(
            f"This step needs the split {' or '.join(names)}. Received: {', '.join(self.splits)}. Let data.py give it."
        )

    def model(self) -> Model:
        """A fresh model, as the project's code makes it.

        Raises:
            InvalidArgument: The target does not import, or gives something else.
        """
        if not is_target(self._model):
            return load(self._model)
        made = self._called(self._model)
        if not isinstance(made, Model):
            raise InvalidArgument(
                f"{self._model} gives a blocks.Model. Received: {type(made).__name__}. Return blocks.Model(head=...)."
            )
        return made

    def _called(self, target: str) -> Any:
        found = load_target(target, self.folder)
        if isinstance(found, Model | Mapping) or not callable(found):
            return found
        takes = inspect.signature(found).parameters
        return found(self.configuration.filled()) if takes else found()
