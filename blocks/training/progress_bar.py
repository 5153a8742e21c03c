"""The bar of training: one line an epoch, never wider than the terminal, never beyond its end."""

import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

import keras


class TrainingBar(keras.callbacks.ProgbarLogger):
    """What `fit` and `evaluate` show where they are to show anything; Keras adds no bar of its own beside it.

    While an epoch runs there is a bar; when it has ended, a line with its numbers, those of held-out rows in brackets.

    Args:
        what: What an evaluation is called.
    """

    def __init__(self, what: str = "evaluate") -> None:
        super().__init__()
        self._what = what
        self._bar: Any = None
        self._trains = False
        self._begun = 0.0

    def set_params(self, params: Any) -> None:
        """Take the numbers of epochs and steps."""
        self.params = params or {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Let the tests that follow be an epoch's validation."""
        self._trains = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a bar."""
        self._open(f"epoch {epoch + 1}/{self.params.get('epochs')}", self.params.get("steps"))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move it; steps that run as one call are told as a whole call, the last ones too."""
        self._move(batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Put a line in its place."""
        self._close()
        taken = time.perf_counter() - self._begun
        _say(f"epoch {epoch + 1}/{self.params.get('epochs')}", [*_metric_texts(logs or {}), f"{taken:.1f} s"])

    def on_test_begin(self, logs: Any = None) -> None:
        """Begin a bar, unless it is an epoch's validation."""
        if not self._trains:
            self._open(self._what, self.params.get("steps"))

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move it."""
        if not self._trains:
            self._move(batch + 1)

    def on_test_end(self, logs: Any = None) -> None:
        """Put a line in its place."""
        if not self._trains:
            self._close()
            _say(self._what, _metric_texts(logs or {}))

    def on_train_end(self, logs: Any = None) -> None:
        """Leave no bar behind."""
        self._close()
        self._trains = False

    def _open(self, what: str, steps: int | None) -> None:
        from tqdm import tqdm

        self._close()
        self._begun = time.perf_counter()
        shape = "{desc}  {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {remaining} left"
        self._bar = tqdm(
            desc=what,
            total=steps,
            file=sys.stderr,
            mininterval=0.2,
            dynamic_ncols=True,
            leave=False,
            unit=" steps",
            disable=not sys.stderr.isatty(),
            bar_format=None if steps is None else shape,
        )

    def _move(self, done: int) -> None:
        if self._bar is not None and not self._bar.disable:
            done = done if self._bar.total is None else min(done, self._bar.total)
            self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def _metric_texts(logs: Mapping[str, Any]) -> list[str]:
    """Metrics by name, those of held-out rows in brackets, the loss first."""
    names = [name for name in logs if not name.startswith("val_")]
    names.sort(key=lambda name: name != "loss")
    held_out = {name: f" ({float(logs[f'val_{name}']):.4g})" for name in names if f"val_{name}" in logs}
    return [f"{name} {float(logs[name]):.4g}{held_out.get(name, '')}" for name in names]


def _say(what: str, parts: list[str]) -> None:
    """One line, of as many parts as fit the terminal; the last, how long it took, always."""
    width = shutil.get_terminal_size().columns - 1 if sys.stderr.isatty() else 1_000
    *others, last = [what, *parts]
    while len(others) > 2 and len("  ".join([*others, last])) > width:
        others.pop()
    print("  ".join([*others, last]), file=sys.stderr)
