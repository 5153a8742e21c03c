"""The loop: Keras' `fit` and `evaluate` over batches, several steps a call, going on where a killed run was."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.errors import InvalidArgument
from blocks.progress import announce
from blocks.training.history import History
from blocks.training.progress_bar import TrainingBar
from blocks.training.resume import Resume
from blocks.training.training_batches import Batches, errors_of

MOST_STEPS = 32
"""Steps that run as one call, at most: worth 1.4 to 1.9 times the speed at a batch size of 1,024."""

STEPS_OF_UNKNOWN = 8


def callbacks(given: Any) -> list[keras.callbacks.Callback]:
    """Callbacks as Keras takes them, one, several or a `CallbackList`, as a list that more can be added to."""
    if given is None:
        return []
    if not isinstance(given, keras.callbacks.CallbackList):
        found = keras.tree.flatten(given)
        for callback in found:
            if not isinstance(callback, keras.callbacks.Callback):
                raise InvalidArgument(
                    f"callbacks are keras.callbacks.Callback objects. Received: {callback!r}. A function becomes one "
                    "by keras.callbacks.LambdaCallback(on_epoch_end=...)."
                )
        return found
    added_by_keras = keras.callbacks.History, keras.callbacks.ProgbarLogger
    return [callback for callback in given.callbacks if not isinstance(callback, added_by_keras)]


def fit(
    core: keras.Model,
    train: Batches,
    valid: Batches | None,
    *,
    epochs: int,
    steps_per_execution: int | None,
    **kwargs: Any,
) -> keras.callbacks.History:
    """Keras' `fit` over batches.

    Args:
        core: Compiled.
        train: To train on.
        valid: To validate on, or None.
        epochs: Number of the last epoch.
        steps_per_execution: Steps that run as one call; None to choose.
        kwargs: As of `keras.Model.fit`.
    """
    if steps_per_execution is None:
        _run_together(core, train.steps, kwargs.get("steps_per_epoch"))
    if train.steps:
        # of its own accord Keras makes a second iterator for each epoch, which takes 5 ms
        kwargs.setdefault("steps_per_epoch", train.steps)
    held_out = None if valid is None else _first(valid.dataset, kwargs.pop("validation_steps", None))
    kwargs["callbacks"] = _with_bar(kwargs.get("callbacks"), kwargs.get("verbose"))
    with _unknown_length(train, valid), errors_of(train, valid):
        return core.fit(
            train.dataset,
            validation_data=held_out,
            epochs=epochs,
            shuffle=False,
            **kwargs,
        )


def _with_bar(given: Any, verbose: Any) -> list[keras.callbacks.Callback]:
    """Callbacks with the bar of here in the place of Keras' own, where one is to be shown at all."""
    found = list(given or ())
    shows = verbose == 1 and not any(isinstance(one, keras.callbacks.ProgbarLogger) for one in found)
    return [*found, TrainingBar()] if shows else found


def _first(made: tf.data.Dataset, steps: int | None) -> tf.data.Dataset:
    """As many batches as were asked for: Keras would round up to what runs as one call."""
    return made if steps is None else made.take(check_whole_number("steps", steps, 1))


def fit_from(
    core: keras.Model,
    resume: Resume | None,
    batches_from: Callable[[int, int], Batches],
    *,
    epochs: int,
    prepare: Callable[[], None],
    **kwargs: Any,
) -> Any:
    """`fit`, going on where `resume` was when a run before was killed.

    Args:
        core: Compiled.
        resume: The callback, if there is one among the callbacks.
        batches_from: Epoch and batch to the batches from there on.
        prepare: Called when the weights to start from are there, before the first step.
        epochs: Number of the last epoch.
        kwargs: As of `fit`. `initial_epoch` has the order of that epoch.
    """
    history = History()
    kwargs["callbacks"] = [history, *kwargs.get("callbacks", ())]
    if resume is None:
        prepare()
        return fit(core, batches_from(kwargs.get("initial_epoch", 0), 0), epochs=epochs, **kwargs)
    epoch, batch = resume.restore(core)
    history.earlier = resume.history
    if (epoch, batch) != (0, 0):
        at = f"step {batch + 1} of epoch {epoch + 1}" if batch else f"epoch {epoch + 1}"
        left = "nothing is left to train" if epoch >= epochs else f"it goes on with {at}"
        announce(f"{resume.path}: {min(epoch, epochs)} of {epochs} epochs are done, {left}", kwargs.get("verbose", 0))
    prepare()
    begun = False
    first = kwargs.pop("initial_epoch", 0)
    if (epoch, batch) == (0, 0):
        epoch = first
    if batch and epoch < epochs:
        rest = batches_from(epoch, batch)
        _build_metrics(core, rest)
        ended = fit(core, rest, epochs=epoch + 1, initial_epoch=epoch, **kwargs)
        epoch, begun = epoch + 1, True
        if core.stop_training:
            return ended
    if epoch < epochs or not begun:
        return fit(core, batches_from(epoch, 0), epochs=epochs, initial_epoch=epoch, **kwargs)
    return ended


def _build_metrics(core: keras.Model, made: Batches) -> None:
    """Make the metrics' variables, as Keras does on the first batch: what they had counted is put back before it."""
    zeros = keras.tree.map_structure(
        lambda spec: tf.zeros([1 if size is None else size for size in (None, *spec.shape[1:])], spec.dtype),
        made.dataset.element_spec,
    )
    core.test_on_batch(*zeros)


def evaluate(core: keras.Model, held_out: Batches, *, steps: int | None = None, **kwargs: Any) -> dict[str, float]:
    """Keras' `evaluate` over batches: loss and metrics by name."""
    kwargs["callbacks"] = _with_bar(callbacks(kwargs.get("callbacks")), kwargs.get("verbose"))
    with _unknown_length(held_out), errors_of(held_out):
        return dict(core.evaluate(_first(held_out.dataset, steps), return_dict=True, **kwargs))


def _run_together(core: keras.Model, steps: int | None, asked: int | None) -> None:
    """Choose how many steps run as one call: few enough that an epoch still has several calls.

    Where the length is unknown it is never one: Keras' single step, called without a batch at an epoch's end, would
    count in the optimizer and move the state of dropout before it fails. Of a number of steps that was asked for it is
    a divisor, as Keras runs whole calls.

    Args:
        core: Compiled.
        steps: How many an epoch has, or None where that is not known.
        asked: The user's `steps_per_epoch`, or None.
    """
    known = [number for number in (steps, asked) if number is not None]
    wanted = 1 if known else STEPS_OF_UNKNOWN
    while known and wanted < MOST_STEPS and wanted * 8 <= min(known) and (asked or 0) % (2 * wanted) == 0:
        wanted *= 2
    if core.steps_per_execution != wanted:
        core.steps_per_execution = wanted
        core.train_function = core.test_function = None


@contextmanager
def _unknown_length(*batches: Batches | None) -> Iterator[None]:
    """Silence what Keras says of every dataset whose length it learns by its end."""
    with warnings.catch_warnings():
        if any(made is not None and made.steps is None for made in batches):
            warnings.filterwarnings("ignore", message="Your input ran out of data")
        yield
