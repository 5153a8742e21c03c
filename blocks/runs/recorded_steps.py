"""What a run records of a model's steps: an observer that tells stages, seeds, inputs, metrics and progress."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from blocks.block import fingerprint
from blocks.data import Source
from blocks.runs.input_files import FileDigests, digest_of, identify
from blocks.store import StoreSplit
from blocks.store.manifest import NAME as MANIFEST
from blocks.training.observers import Observer

SECONDS = 2.0
"""Between two lines of progress within an epoch, at least."""


class RecordedSteps(Observer):
    """Says what a model does.

    Args:
        say: Writes an event: its kind, and facts by name.
        digests: Of files.
    """

    def __init__(self, say: Callable[..., None], digests: FileDigests) -> None:
        self._say, self._digests = say, digests
        self._seen: set[tuple[str, str]] = set()
        self._rows: list[str] = []
        self._told = 0.0
        self._written: Path | None = None
        self.saved: dict[Path, str] = {}

    def begins(self, step: str, model: Any, arguments: Mapping[str, Any]) -> None:
        """Say that it begins, its seeds, and the splits that a store is to hold."""
        self._rows = []
        if step in ("save", "export"):
            given = next((arguments[name] for name in ("filepath", "path") if name in arguments), None)
            self._written = None if given is None else Path(given).absolute()
        if step == "save":
            return
        self._say("begin", step=step, model=model.name)
        if step == "fit":
            self._say("seeds", step=step, model=model.seed, order=arguments.get("seed", 0))
        if step == "precompute":
            splits = arguments.get("splits")
            parts = {}
            for name, rows in splits.items() if isinstance(splits, Mapping) else ():
                if isinstance(rows, Source) and (found := self._source(rows)) is not None:
                    parts[name] = found
            if parts:
                self._stage("splits", digest_of(parts), splits=sorted(parts))

    def reads(self, rows: Any) -> None:
        """Say what the rows are."""
        if isinstance(rows, StoreSplit):
            self._rows.append(rows.name)
            self._stage("store", rows.content, split=rows.name)
            return
        found = self._source(rows)
        if found is not None and found[1]:
            self._stage("splits", digest_of(found), splits=[one["part"] for one in rows.divisions if "part" in one])

    def progresses(self, epoch: int, batch: int, metrics: Mapping[str, Any] | None) -> None:
        """Say an epoch's metrics, and now and then how far it is."""
        if metrics is not None:
            self._say("epoch", epoch=epoch + 1, metrics=metrics)
        elif time.monotonic() - self._told >= SECONDS:
            self._told = time.monotonic()
            self._say("progress", epoch=epoch + 1, batch=batch)

    def ends(self, step: str, model: Any, result: Any, error: BaseException | None) -> None:
        """Say what the step came to."""
        if error is not None:
            self._say("failed", step=step, error=type(error).__name__)
            return
        if step == "adapt":
            self._stage("preprocessor", fingerprint(model.preprocessor, model.head))
        elif step == "precompute":
            self._stage("store", result[next(iter(result.splits))].content, rows=dict(result.rows))
            if isinstance(result.path, Path):
                self.saved[(result.path / MANIFEST).absolute()] = f"{result.path.name}.{MANIFEST}"
        elif step == "fit":
            self._stage("weights", digest_of_weights(model.core), epochs=len(result.epoch))
            last = {name: values[-1] for name, values in result.history.items() if values}
            self._say("metrics", metrics={name: {"value": float(value)} for name, value in last.items()})
        elif step == "evaluate":
            split = f"{self._rows[-1]}/" if self._rows else ""
            self._say("metrics", metrics={f"{split}{name}": {"value": float(v)} for name, v in result.items()})
        elif step == "calibrate":
            blocks = [one for chain in model._chains().values() for one in chain]
            self._stage("postprocessors", fingerprint(*blocks))
        elif step in ("save", "export") and self._written is not None:
            self.saved[self._written] = name_of(self._written)
        if step != "save":
            self._say("done", step=step)

    def _stage(self, name: str, digest: str, **facts: Any) -> None:
        """Say what a stage came to, unless that was said: the same rows are read by several steps."""
        if name == "weights" or (name, digest) not in self._seen:
            self._seen.add((name, digest))
            self._say("stage", name=name, fingerprint=digest, facts=facts)

    def _source(self, source: Source) -> tuple[str, list[Any]] | None:
        """Say what a source's rows are and which files they come from: their digest, and how they are divided."""
        found = identify(source, self._digests)
        if found is None:
            return None
        digest, files, steps = found
        for file in files:
            if (file["path"], file["sha256"]) not in self._seen:
                self._seen.add((file["path"], file["sha256"]))
                self._say("input", **file)
        self._stage("data", digest, files=len(files))
        return digest, steps


def name_of(path: Path) -> str:
    """What a run calls a file or folder that it keeps: its name, and the folder's where that is a mere version.

    Example:
        >>> name_of(Path("artefacts/model.keras")), name_of(Path("export/1"))
        ('model.keras', 'export-1')
    """
    return f"{path.parent.name}-{path.name}" if path.name.isdigit() else path.name


def digest_of_weights(core: keras.Model) -> str:
    """A digest of all of a core's weights, in their order, by their bits.

    Example:
        >>> core = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> len(digest_of_weights(core))
        32
    """
    digest = hashlib.blake2b(digest_size=16)
    for variable in core.variables:
        values = np.ascontiguousarray(variable)
        digest.update(f"{values.dtype}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
