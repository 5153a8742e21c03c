"""Training one trial: the model of its settings, its rung's schedule, its weights as a file, its deadline."""

import gc
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from blocks.errors import StoreError
from blocks.files.durable import whole_file
from blocks.model import Model
from blocks.store import StoreSplit
from blocks.training import defaults
from blocks.tuning.search_space import OF_OPTIMIZER
from blocks.tuning.trial_records import Record

TUNED = "tuned"
"""The name of a tuned optimizer: `fit` leaves its rate as it is."""

LOWEST = 0.01
"""Of the rate, at a schedule's end, where trials are compared."""


def optimizer_of(model: Model) -> dict[str, Any]:
    """The configuration of the optimizer that a model was compiled with, or of the default."""
    compiled = model._compiled_with
    serialized = keras.optimizers.serialize(defaults.optimizer()) if compiled is None else compiled["optimizer"]
    return dict(serialized)


def current(model: Model) -> dict[str, Any]:
    """What a model has now by the names of a search space."""
    config = optimizer_of(model)["config"]
    # Keras gives a rate as float32 holds it: 0.0020000000949949026
    rates = {name: float(f"{one:.7g}") if isinstance(one := config.get(name), float) else one for name in OF_OPTIMIZER}
    return {**model.feature_extractor.get_config(), **rates}


def is_automatic(model: Model) -> bool:
    """Whether the optimizer is the default one, whose rate is ours to choose."""
    return optimizer_of(model)["config"].get("name") == defaults.AUTO


def made(model: Model, settings: Mapping[str, Any], seed: int) -> Model:
    """A model of a trial's settings with fresh weights; the preprocessor, the head and what was learned stay.

    Raises:
        Exception: As the extractor says of settings that do not fit together.
    """
    extractor = type(model.feature_extractor)
    own = {name: value for name, value in settings.items() if name not in OF_OPTIMIZER}
    config = {**model.feature_extractor.get_config(), **own}
    trial = model.replace(feature_extractor=extractor.from_config(config), seed=seed)
    trial.automatic = tuple(name for name in trial.automatic if name != "feature_extractor" or not own)
    optimizer = optimizer_of(model)
    of_optimizer = {name: settings[name] for name in OF_OPTIMIZER if name in settings}
    optimizer["config"] = {**optimizer["config"], **of_optimizer}
    if is_automatic(model):
        optimizer["config"]["name"] = TUNED
    compiled = dict(model._compiled_with or {})
    trial.compile(**{**compiled, "optimizer": keras.optimizers.deserialize(optimizer)})
    return trial


def write_weights(trial: Model, path: Path) -> None:
    """Write a core's weights alone: Keras' own file holds the optimizer's state too, three times as much."""
    arrays = [keras.ops.convert_to_numpy(weight) for weight in trial.core.weights]
    named = {f"{i:05d}": one if one.dtype.kind in "biuf" else one.astype("float32") for i, one in enumerate(arrays)}
    with whole_file(path) as file, file.open("wb") as handle:
        np.savez(handle, **named)


def read_weights(trial: Model, path: Path) -> None:
    """Take the weights that `write_weights` wrote, of a core of the same settings."""
    with np.load(path, allow_pickle=False) as arrays:
        for name, weight in zip(sorted(arrays), trial.core.weights, strict=True):
            weight.assign(arrays[name])


class Deadline(keras.callbacks.Callback):
    """Ends training when time has run out, in the midst of an epoch too."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = at
        self.over = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        if time.monotonic() >= self._at:
            self.over = self.model.stop_training = True


def falling(rate: float, epochs: int) -> keras.callbacks.Callback:
    """Half a cosine's wave from a rate to a hundredth of it at the last epoch."""

    def of_epoch(epoch: int, now: float) -> float:
        return rate * max(0.5 * (1 + math.cos(math.pi * min(epoch / epochs, 1.0))), LOWEST)

    return keras.callbacks.LearningRateScheduler(of_epoch)


def train(
    trial: Model,
    rows: StoreSplit,
    valid: StoreSplit,
    *,
    epochs: int | None,
    seed: int,
    deadline: float,
    start: Path | None,
    weights: Path,
    rate_falls: bool,
) -> Record:
    """Train a trial through a whole schedule, judge it by the validation rows at its end, and write its weights.

    Args:
        trial: Of its settings.
        rows: To train on.
        valid: To judge by; with `epochs` None, to stop by too.
        epochs: Of the schedule; None for as long as `fit` takes it.
        seed: Decides the order of rows.
        deadline: When to stop, by the monotonic clock.
        start: A file of weights to go on from, or None for fresh ones.
        weights: The file to write.
        rate_falls: Whether the rate is ours to let fall.

    Returns:
        What came of it; an error is a record too, unless it is the store's.
    """
    begin = time.monotonic()
    clock, done = Deadline(deadline), 0

    def record(**more: Any) -> Record:
        return Record(rows.rows, done, time.monotonic() - begin, **more)

    try:
        if start is not None:
            read_weights(trial, start)
        callbacks: list[keras.callbacks.Callback] = [clock]
        if rate_falls:
            callbacks += _rate(trial, rows.rows, epochs)
        history = trial.fit(
            rows,
            validation_data=valid if epochs is None else None,
            epochs=epochs,
            seed=seed,
            callbacks=callbacks,
            verbose=0,
        )
        done = len(history.epoch)
        if clock.over and epochs is not None:
            return record(over=True)
        loss = float(trial.evaluate(valid, verbose=0)["loss"])
        if not math.isfinite(loss):
            return record(error=f"the loss on the validation rows is {loss}")
        write_weights(trial, weights)
        return record(loss=loss, over=clock.over, weights=weights.name)
    except StoreError:
        raise
    except Exception as error:  # whatever a trial's settings lead to, memory that is not there too
        return record(error=f"{type(error).__name__}: {error}"[:2000])
    finally:
        gc.collect()


def _rate(trial: Model, rows: int, epochs: int | None) -> list[keras.callbacks.Callback]:
    """What lets the rate fall: as `fit` does it by default where it chooses how long to train."""
    rate = float(trial.core.optimizer.learning_rate)
    if epochs is None and rows <= defaults.MANY_ROWS:
        return [keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=3, min_delta=0.0)]
    return [falling(rate, epochs or defaults.fixed_epochs(rows, defaults.row_passes(trial.core)))]
