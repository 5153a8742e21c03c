"""Resume: a callback that lets a killed `fit` go on in the middle of an epoch, to the same weights bit for bit."""

import json
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from blocks.arguments import check_whole_number, checked_methods
from blocks.errors import CorruptShard, InvalidArgument, StoreMismatch, warn
from blocks.files.durable import whole_file
from blocks.files.json_schema import violation
from blocks.files.regular_files import NotRegular, open_regular
from blocks.files.write_errors import explained
from blocks.training.history import kept

_FILE = "resume.npz"
_NATURAL = {"type": "integer", "minimum": 0}
_ABOUT = {
    "type": "object",
    "required": ["batches", "epoch", "batch", "dtypes", "metrics"],
    "properties": {
        "batches": {"type": "object"},
        "epoch": _NATURAL,
        "batch": _NATURAL,
        "metrics": {**_NATURAL, "maximum": 1_000_000},
        "dtypes": {"type": "array", "items": {"type": "string"}},
    },
}
# What a damaged archive makes NumPy and zipfile raise; an OSError is of the disk or of permissions
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    AttributeError,
    OverflowError,
    MemoryError,
)


@checked_methods()
class Resume(keras.callbacks.Callback):
    """Save weights, optimizer, metrics and position every few steps; begin from there when the same call is repeated.

    For `blocks.Model.fit`, which restores what was saved. With a Keras model of your own, do that before each `fit`:

        resume = Resume("run", every=100)
        epoch, batch = resume.restore(model)        # (0, 0) where nothing was saved; the model is compiled
        rest = split.stream(1024, epoch=epoch, batch=batch)
        steps = len(rest) - batch
        order = {"steps_per_epoch": steps, "initial_epoch": epoch, "epochs": epoch + 1, "shuffle": False}
        model.fit(rest.dataset(), callbacks=[resume], **order)

    The same `model.fit(store["train"], callbacks=[Resume(path)], ...)` after a kill goes on with exactly the batches
    not yet seen. On a CPU the final weights equal, bit for bit, those of a run that was never interrupted. What other
    callbacks remember (patience, best so far) starts anew. After the last epoch the file says so, and the same call
    trains no more. Training on rows that are transformed on the fly goes on from the last epoch that was finished.

    A run that goes on in mid-epoch is two of Keras' runs, the rest of that epoch and the others: callbacks begin twice
    (`CSVLogger` wants `append=True`).

    Args:
        path: A folder of its own; made where there is none.
        every: Steps between two savings, at least: Keras tells of steps that run as one call together
            (`steps_per_execution`, up to 32 unless `compile` says otherwise). One takes about the time of writing three
            times the weights.

    Raises:
        StoreMismatch: At the start of `fit`, when the file is of a model of another shape, or of other batches.
        InvalidArgument: At the start of a `fit` before which `restore` was not called.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Resume(folder, every=100).position
        (0, 0)
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1000) -> None:
        super().__init__()
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InvalidArgument(f"Resume saves into a folder of its own. Received: {str(path)!r}, which is a file.")
        self.every = check_whole_number("every", every, 1)
        self.batches: dict[str, Any] = {}
        self.history: dict[str, Any] | None = None
        self._epoch = self._batch = self._offset = 0
        self._saved = 0
        self._metrics: list[np.ndarray] | None = None
        self._restored: list[tuple[Any, np.ndarray]] = []
        self._looked = False

    @property
    def position(self) -> tuple[int, int]:
        """Epoch, and batches of it that are done."""
        return self._epoch, self._batch

    def restore(self, core: keras.Model) -> tuple[int, int]:
        """Put what was saved, if anything, into a compiled core; return epoch and batch to go on from.

        Raises:
            StoreMismatch: It was saved by a model of another shape, or over other batches.
            CorruptShard: The file is damaged.
        """
        self._looked = True
        self._epoch = self._batch = self._offset = 0
        self.history = None
        if not (self.path / _FILE).exists():
            return 0, 0
        core.optimizer.build(core.trainable_variables)
        about, values, metrics = self._load()
        if about["batches"] != self.batches:
            raise StoreMismatch(
                f"A run is resumed over the same batches. Received: other {_other(about['batches'], self.batches)} "
                f"than {self.path} was saved with. Repeat the call as it was, or give Resume another folder."
            )
        variables = _variables(core)
        if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
            raise StoreMismatch(
                f"A run is resumed by the same model. Received: weights of other shapes than {self.path} holds. "
                "Give Resume another folder."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self._metrics = metrics
        self.history = about.get("history")
        self._epoch, self._batch = about["epoch"], about["batch"]
        self._offset = self._saved = self._batch
        self._restored = list(zip(variables, values, strict=True)) if self._batch else []
        return self.position

    def _load(self) -> tuple[dict[str, Any], list[np.ndarray], list[np.ndarray]]:
        """What was saved: about the run, the variables' values, the metrics'."""
        file = self.path / _FILE
        try:
            with os.fdopen(open_regular(file), "rb") as opened, np.load(opened, allow_pickle=False) as saved:
                about = json.loads(saved["about"].tobytes())
                if broken := violation(about, _ABOUT):
                    raise ValueError(broken)
                values = [_read(saved[f"v{i}"], about["dtypes"][i]) for i in range(len(about["dtypes"]))]
                return about, values, [saved[f"m{i}"] for i in range(about["metrics"])]
        except (NotRegular, *_DAMAGED) as error:
            raise CorruptShard(
                f"What Resume saved in {file} is damaged ({type(error).__name__}: {error}). Restore the file; or "
                "delete it, and the same call begins anew."
            ) from error

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse to begin anew what was saved: that is overwritten soon."""
        if not self._looked:
            raise InvalidArgument(
                "Resume restores a run before training begins, as blocks.Model.fit does. Received: Keras' fit of "
                "another model. Call epoch, batch = resume.restore(model) before it, and give it the stream from there "
                "on: stream(..., epoch=epoch, batch=batch).dataset(), initial_epoch=epoch."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count batches from where the epoch begins."""
        self._epoch, self._batch, self._saved = epoch, self._offset, self._offset
        if self._offset and self._metrics is not None:
            variables = self.model.metrics_variables
            if [variable.shape for variable in variables] == [value.shape for value in self._metrics]:
                for variable, value in zip(variables, self._metrics, strict=True):
                    variable.assign(value)
            else:
                warn(
                    f"Resume: {self.path} was saved with other metrics, so those of epoch {epoch + 1} are of the rows "
                    f"from step {self._offset + 1} on."
                )
        self._metrics = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Undo what callbacks did to the rate at the beginning of an epoch that had begun before."""
        for variable, value in self._restored:
            variable.assign(value)
        self._restored = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save when enough steps are done."""
        self._batch = self._offset + batch + 1
        # after the last step the epoch's end saves; Keras numbers a last, shorter execution as if it were a full one
        steps = self.params["steps"]
        within = self.batches.get("store", True) is not None and (steps is None or batch + 1 < steps)
        if within and self._batch - self._saved >= self.every:
            self._save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save at the border of two epochs."""
        self._epoch, self._batch, self._offset = epoch + 1, 0, 0
        self._save()

    def _save(self) -> None:
        variables = [np.asarray(v) for v in _variables(self.model)]
        metrics = [np.asarray(v) for v in self.model.metrics_variables]
        about = {
            "batches": self.batches,
            "epoch": self._epoch,
            "batch": self._batch,
            "dtypes": [value.dtype.name for value in variables],
            "metrics": len(metrics),
            "history": kept(getattr(self.model, "history", None)),
        }
        arrays = {f"v{i}": _written(value) for i, value in enumerate(variables)}
        arrays |= {f"m{i}": value for i, value in enumerate(metrics)}
        with explained(self.path / _FILE):
            self.path.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path / _FILE) as aside, aside.open("wb") as file:
                np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        self._saved = self._batch


def _other(saved: dict[str, Any], given: dict[str, Any]) -> str:
    """What differs between two runs' batches, with both values where they tell a reader anything."""
    differing = []
    for name in sorted(given.keys() | saved.keys()):
        before, now = saved.get(name), given.get(name)
        if before != now:
            digests = any(isinstance(value, str | dict | list) for value in (before, now))
            differing.append(name if digests else f"{name} ({now!r}, saved with {before!r})")
    return ", ".join(differing)


def _written(value: np.ndarray) -> np.ndarray:
    """An array as NumPy's own files hold it: bfloat16 by its bits."""
    return value.view(np.uint16) if value.dtype.name == "bfloat16" else value


def _read(value: np.ndarray, dtype: str) -> np.ndarray:
    """Undo `_written`; a bfloat16 is the first half of a float32."""
    return (value.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else value


def _variables(core: keras.Model) -> list[Any]:
    """All that training changes: weights, the optimizer's, and the states of random generators."""
    return [*core.variables, *core.optimizer.variables]
