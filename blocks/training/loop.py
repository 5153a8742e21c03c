"""Training: what `fit`, `evaluate` and `calibrate` are given, as batches; and Keras' loops run over them.

A store's split is streamed; anything else is read and transformed on the fly. How either makes its batches lives in
`store` and `feed`.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import FeatureExtractor, Head, fingerprint
from blocks.data import read
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch, StoreMismatch, warn
from blocks.offline.encoded_rows import EncodedRows, dataset
from blocks.offline.store_parts import store_parts, why_not
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.progress import announce
from blocks.store import StoreSplit, Stream
from blocks.training.core import Core
from blocks.training.history import History
from blocks.training.progress_bar import TrainingBar
from blocks.training.resume import Resume

MOST_STEPS = 32
"""Steps that run as one call, at most: worth 1.4 to 1.9 times the speed at a batch size of 1,024."""

STEPS_OF_UNKNOWN = 8

LEARN_ROWS = 500_000
"""Rows that an extractor learns from before the first step, at most."""

LEARN_CHUNK = 65_536

PREFETCH = 8


@dataclass
class Batches:
    """Batches of (features, target[, weight]) to iterate over, once an epoch.

    Args:
        dataset: The batches.
        steps: How many an epoch has, or None where that is learned by its end.
        feed: Where they come from, if they are transformed on the fly.
        stream: Where they come from, if they are a store's.
    """

    dataset: tf.data.Dataset
    steps: int | None = None
    feed: EncodedRows | None = None
    stream: Stream | None = None


def batches(
    data: Any,
    transform: Transform,
    preprocessor: Columns,
    head: Head,
    batch_size: int,
    *,
    shuffle: bool = False,
    seed: int = 0,
    training: bool = False,
    start: tuple[int, int] = (0, 0),
) -> Batches:
    """Batches of a store's split, or of rows that are transformed on the fly.

    Args:
        data: A `StoreSplit`, or anything that `blocks.read` takes.
        transform: The preprocessor's fast path.
        preprocessor: What the store must have been made by.
        head: Encodes the target.
        batch_size: Rows a batch.
        shuffle: Whether to shuffle, anew each epoch.
        seed: Decides every order.
        training: Whether they are to train on.
        start: Epoch and batch to begin with; another than the first only of a store.

    Raises:
        StoreMismatch: The store was made by another preprocessor or target.
        InvalidArgument: `batch_size` is no whole number, 1 at least; or a feed is asked to begin in mid-epoch.
    """
    batch_size = check_whole_number("batch_size", batch_size, 1)
    _require_one_split(data)
    if isinstance(data, StoreSplit):
        return _stored(data, preprocessor, head, batch_size, shuffle, seed, training, start)
    if start[1]:
        raise InvalidArgument(
            "Only a store can begin in the middle of an epoch. Received: rows that are transformed on the fly. "
            "Precompute them: store = model.precompute(splits, path)."
        )
    feed = EncodedRows(read(data), transform, head)
    if training:
        _warn_of_leaks(preprocessor, feed.held_out)
    made = dataset(feed, batch_size, shuffle=shuffle, seed=seed, epoch=start[0])
    return Batches(_to_device(made), None, feed)


def _stored(
    split: StoreSplit,
    preprocessor: Columns,
    head: Head,
    batch_size: int,
    shuffle: bool,
    seed: int,
    training: bool,
    start: tuple[int, int],
) -> Batches:
    try:
        split.require(**store_parts(preprocessor, head))
    except StoreMismatch as error:
        raise StoreMismatch(f"{error}{why_not(split.metadata, preprocessor)}") from None
    if not any(entry.name.partition("/")[0] == "target" for entry in split.entries):
        raise SchemaMismatch("Training needs targets. Received: a store without them.")
    if split.spec != preprocessor.spec.to_json():
        # of columns whose names older versions could not tell from entries' and features'
        raise StoreMismatch(
            f"A store holds the features by the names that the model has for them: {', '.join(preprocessor.spec)}. "
            f"Received: {split!r} with {', '.join(split.spec or ())}, written by another version of blocks. "
            "Write it again with precompute."
        )
    if not split.rows:
        raise EmptySource(
            f"Batches are made of rows. Received: {split!r}. Where it is a worker's part by `shard`: that is made of "
            "whole chunks, so share the split among fewer workers, or precompute it with smaller rows_per_chunk."
        )
    if training:
        _warn_of_leaks(preprocessor, split.name in (split.metadata or {}).get("held_out", ()))
    stream = split.stream(batch_size, shuffle=shuffle, seed=seed, epoch=start[0], batch=start[1])
    steps = len(stream) - start[1]
    made = stream.dataset().apply(tf.data.experimental.assert_cardinality(steps)).prefetch(PREFETCH)
    return Batches(_to_device(made), steps, stream=stream)


def weigh_classes(core: Core, head: Head, data: Any) -> None:
    """Let the loss of training weigh rows by their class, as the head asks; balanced by the counts of a store's rows.

    Args:
        core: To be trained.
        head: Says what a class weighs.
        data: What is trained on; a store's manifest has the classes' counts.
    """
    found = (data.metadata or {}).get("heads", ()) if isinstance(data, StoreSplit) else ()
    counts = {one["name"]: one.get("counts") for one in found}
    weights = {name: one.class_weights_of(counts.get(name)) for name, one in head.heads.items()}
    given = None if all(table is None for table in weights.values()) else weights
    if given is not None or core.class_weights is not None:
        core.class_weights = given
        core.train_function = None


def _warn_of_leaks(preprocessor: Columns, held_out: bool) -> None:
    """Say that rows to train on are encoded by their own targets, if they are among those that were adapted on."""
    users = [lane.name for lane in preprocessor.lanes if lane.blocks[-1].uses_target]
    if users and not held_out:
        warn(
            f"{', '.join(map(repr, users))} learned from the target of another source than this: rows that are in both "
            "see their own target. Train on the very source of adapt, or on the store's split of it."
        )


def _require_one_split(data: Any) -> None:
    if hasattr(data, "splits") and hasattr(data, "manifest"):
        raise InvalidArgument("Training takes one split of a store: store['train']. Received: the whole store.")
    if isinstance(data, Mapping) and any(isinstance(part, StoreSplit) for part in data.values()):
        raise InvalidArgument("Training takes one split. Received: a dict of them.")


def identity(data: Any, preprocessor: Columns, head: Head, batch_size: int, shuffle: bool, seed: int) -> dict[str, Any]:
    """What the batches of a run depend on, as JSON: a run goes on over the same alone."""
    batch_size = check_whole_number("batch_size", batch_size, 1)
    if not isinstance(data, StoreSplit):
        known = origin(data)
        if known is None:
            raise InvalidArgument(
                "Resume goes on over the rows that it knows, by their fingerprint. Received: "
                f"{described(data)}, which can be read only once. Give a file, a table, or a store's split."
            )
        # a store knows what its features were made by
        rows = {"store": None, "rows": known, "features": fingerprint(preprocessor, head)}
        return {**rows, "batch_size": batch_size, "shuffle": shuffle, "seed": seed}
    position = data.stream(batch_size, shuffle, seed).position()
    return {name: value for name, value in position.items() if name not in ("epoch", "batch")}


def _to_device(made: tf.data.Dataset) -> tf.data.Dataset:
    """Batches that wait on the accelerator, where there is one."""
    if not tf.config.list_logical_devices("GPU"):
        return made
    return made.apply(tf.data.experimental.copy_to_device("/GPU:0")).prefetch(2)


def origin(data: Any) -> str | None:
    """What tells rows from any others, in a store or not; None where they can be read only once."""
    if isinstance(data, StoreSplit):
        made_of = data.fingerprint.get("source", {}).get(data.name)
        rows = {"store": data.identity, "split": data.name} if made_of is None else dict(made_of)
    else:
        try:
            rows = read(data).fingerprint()
        except InvalidArgument:
            return None
    rows.pop("schema", None)
    return hashlib.blake2b(json.dumps(rows, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def estimated_rows(data: Any) -> int | None:
    """How many rows there are, at most, as far as can be told without a pass."""
    _require_one_split(data)
    return data.rows if isinstance(data, StoreSplit) else read(data).estimated_rows()


def described(data: Any) -> str:
    """Rows by name, for a message."""
    return f"split {data.name!r} of a store" if isinstance(data, StoreSplit) else repr(read(data))


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
    # Keras adds these by itself
    own = keras.callbacks.History, keras.callbacks.ProgbarLogger
    return [callback for callback in given.callbacks if not isinstance(callback, own)]


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
    with _unknown_length(train, valid), own_errors(train, valid):
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


def learn(extractor: FeatureExtractor, data: Any, transform: Transform, head: Head) -> None:
    """Let an extractor learn from the features that it will be trained on, unless it has: one pass, the same each time.

    Args:
        extractor: Built.
        data: A store's split, or rows; the first `LEARN_ROWS` are read (of a longer split, in a fixed shuffled order).
        transform: Raw columns to features.
        head: Says which rows are usable.
    """
    if extractor.adapted:
        return
    statistics, rows = extractor.statistics(), 0
    for features in _features(data, transform, head):
        extractor.observe(statistics, {name: value[: LEARN_ROWS - rows] for name, value in features.items()})
        rows += len(next(iter(features.values())))
        if rows >= LEARN_ROWS:
            break
    extractor.restore(extractor.learn(statistics))


def _features(data: Any, transform: Transform, head: Head) -> Iterator[Mapping[str, np.ndarray]]:
    if isinstance(data, StoreSplit):
        yield from (batch[0] for batch in data.stream(LEARN_CHUNK, shuffle=data.rows > LEARN_ROWS, seed=0))
    else:
        yield from (rows.features for rows in EncodedRows(read(data), transform, head).chunks())


def fit_from(
    core: keras.Model, resume: Resume | None, make: Any, *, epochs: int, before: Callable[[], None], **kwargs: Any
) -> Any:
    """`fit`, going on where `resume` was when a run before was killed.

    Args:
        core: Compiled.
        resume: The callback, if there is one among the callbacks.
        make: (epoch, batch) to the batches from there on.
        before: Called when the weights to start from are there, before the first step.
        epochs: Number of the last epoch.
        kwargs: As of `fit`. `initial_epoch` has the order of that epoch.
    """
    history = History()
    kwargs["callbacks"] = [history, *kwargs.get("callbacks", ())]
    if resume is None:
        before()
        return fit(core, make((kwargs.get("initial_epoch", 0), 0)), epochs=epochs, **kwargs)
    epoch, batch = resume.restore(core)
    history.before = resume.history
    if (epoch, batch) != (0, 0):
        at = f"step {batch + 1} of epoch {epoch + 1}" if batch else f"epoch {epoch + 1}"
        left = "nothing is left to train" if epoch >= epochs else f"it goes on with {at}"
        announce(f"{resume.path}: {min(epoch, epochs)} of {epochs} epochs are done, {left}", kwargs.get("verbose", 0))
    before()
    begun = False
    first = kwargs.pop("initial_epoch", 0)
    if (epoch, batch) == (0, 0):
        epoch = first
    if batch and epoch < epochs:
        rest = make((epoch, batch))
        _build_metrics(core, rest)
        ended = fit(core, rest, epochs=epoch + 1, initial_epoch=epoch, **kwargs)
        epoch, begun = epoch + 1, True
        if core.stop_training:
            return ended
    if epoch < epochs or not begun:
        return fit(core, make((epoch, 0)), epochs=epochs, initial_epoch=epoch, **kwargs)
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
    with _unknown_length(held_out), own_errors(held_out):
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


@contextmanager
def own_errors(*batches: Batches | None) -> Iterator[None]:
    """Raise what ended the batches, in place of TensorFlow's account of it; say how many rows were left out."""
    try:
        yield
    except tf.errors.OpError as error:
        for made in batches:
            origin = None if made is None else made.feed or made.stream
            if origin is not None and origin.error is not None:
                raise origin.error from error
        raise
    for made in batches:
        if made is not None and made.feed is not None:
            made.feed.warn()
