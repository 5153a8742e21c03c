"""History: loss and metrics by epoch, as Keras keeps them, and with those of before a reload or a kill."""

from typing import Any

import keras
import numpy as np


class History(keras.callbacks.History):
    """Keras' history of one call of `fit`, told of an epoch before the user's callbacks: a model that they save has it.

    Args:
        earlier: Epochs of the same training from before, as `kept` gave them.
    """

    def __init__(self, earlier: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.earlier = earlier
        self.epoch: list[int] = []
        self._last: dict[str, Any] = {}
        self._names_at_end: set[str] = set()

    def on_train_begin(self, logs: Any = None) -> None:
        """Keep what is there: a run that goes on in mid-epoch begins twice."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take an epoch's numbers."""
        super().on_epoch_end(epoch, logs)
        self._last, self._names_at_end = logs or {}, set(logs or ())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Take what callbacks have added to the epoch before: the learning rate."""
        for name, value in self._last.items():
            if name not in self._names_at_end:
                self.history.setdefault(name, []).append(value)
        self._last = {}

    def on_train_end(self, logs: Any = None) -> None:
        """The same after the last epoch."""
        self.on_epoch_begin(-1)


def kept(history: Any) -> dict[str, Any] | None:
    """A history as JSON holds it, epochs from before included; None where there is none.

    Args:
        history: A Keras history, or None.

    Example:
        >>> history = History({"epoch": [0], "history": {"loss": [0.5]}})
        >>> history.epoch, history.history = [1], {"loss": [0.25]}
        >>> kept(history)
        {'epoch': [0, 1], 'history': {'loss': [0.5, 0.25]}}
    """
    if history is None:
        return None
    earlier = getattr(history, "earlier", None) or {"epoch": [], "history": {}}
    names = dict.fromkeys([*earlier["history"], *history.history])
    return {
        "epoch": [*earlier["epoch"], *map(int, history.epoch)],
        "history": {
            name: [*earlier["history"].get(name, ()), *np.asarray(history.history.get(name, ()), float).tolist()]
            for name in names
        },
    }


def whole_history(history: Any) -> keras.callbacks.History:
    """A history with the epochs from before among its own; empty where there is none."""
    found = keras.callbacks.History()
    epochs = kept(history) or {"epoch": [], "history": {}}
    found.epoch, found.history = epochs["epoch"], epochs["history"]
    return found
