"""Defaults: what is done where the user says nothing: the feature extractor, the optimizer, and how long to train.

Chosen once, by what did best on UCI Adult, bike sharing, nycflights13 and white wine together; `benchmarks/quality.py`
holds the evidence. What to do with each column is `Columns.infer`'s to say.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from blocks.block import FeatureExtractor
from blocks.feature_extractors import ConvNet, Joined, PiecewiseLinearEmbeddings, TabM
from blocks.features.spec import FeatureSpec
from blocks.training.resume import Resume

AUTO = "auto"

BINS, BIN_WIDTH = 128, 16
WIDTHS, MEMBERS, DROPOUT = (256, 256), 8, 0.1

AUGMENT = ("crop", "color")

LEARNING_RATE, WEIGHT_DECAY = 2e-3, 3e-4

STEPS_AN_EPOCH = 128
SMALLEST_BATCH, LARGEST_BATCH = 32, 1024

MANY_ROWS = 50_000
"""Up to here it is held-out rows that say how long to train; beyond, time does too."""

MOST_EPOCHS = 200
ROW_PASSES, USUAL_WEIGHTS = 2_000_000, 150_000
"""How many rows are trained on in all, by so many weights: 2 to 3 minutes on two cores. More weights, fewer rows."""

LEAST_FIXED, MOST_FIXED = 4, 20


def feature_extractor(spec: FeatureSpec | None = None) -> FeatureExtractor:
    """What turns features into a representation, where nobody has said.

    Of a table eight perceptrons in one, over piecewise-linear encodings of numbers, embeddings of ids and n-grams, and
    windows as they are. An image alone goes through a `ConvNet`; images beside other features through one each, and the
    perceptrons over what they give and all else. Images are not mirrored ("flip"): of digits, texts and scans another
    side is another thing.

    Args:
        spec: The features; None where they are not known yet, for those of a table.

    Example:
        >>> feature_extractor().k
        8
    """
    images = [name for name, entry in (spec or {}).items() if entry.is_image]
    if not images:
        return TabM(WIDTHS, k=MEMBERS, dropout=DROPOUT, numeric_embeddings=PiecewiseLinearEmbeddings(BINS, BIN_WIDTH))
    networks = {name: ConvNet(augment=AUGMENT) for name in images}
    if len(spec or {}) == 1:
        return networks[images[0]]
    return Joined(networks, top=TabM(WIDTHS, k=MEMBERS, dropout=DROPOUT))


def chosen_anew(extractor: FeatureExtractor, spec: FeatureSpec) -> FeatureExtractor:
    """An extractor that was chosen before the features were known, or the one to choose of these."""
    wanted = feature_extractor(spec)
    return extractor if type(wanted) is type(extractor) is TabM else wanted


def replaced(given: Any, before: FeatureExtractor, other_features: bool) -> Any:
    """The extractor that takes another's place: a copy of that one where none is given.

    Args:
        given: An extractor, "auto", or None.
        before: The one that was.
        other_features: Whether the features to come are others, so that what was learned from them does not hold.
    """
    if given is not None:
        return feature_extractor() if given == AUTO else given
    extractor = before.copy()
    if other_features:
        extractor.forget()
    return extractor


def optimizer() -> keras.optimizers.Optimizer:
    """AdamW; its name tells it from one that the user chose, after a reload too."""
    return keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY, name=AUTO)


def space() -> dict[str, tuple[Any, ...]]:
    """What `blocks.tune` tries of the optimizer, around its rate and decay here.

    Example:
        >>> space()["learning_rate"]
        ('float', 0.0005, 0.008, True)
    """
    return {
        "learning_rate": ("float", LEARNING_RATE / 4, LEARNING_RATE * 4, True),
        "weight_decay": ("float", WEIGHT_DECAY / 30, WEIGHT_DECAY * 30, True),
    }


def batch_size(rows: int | None) -> int:
    """About 128 steps an epoch, in batches of 32 to 1,024 rows, a power of two.

    Args:
        rows: Rows to train on, or None where that is not known.

    Example:
        >>> batch_size(700), batch_size(30_000), batch_size(1_000_000), batch_size(None)
        (32, 256, 1024, 1024)
    """
    if rows is None:
        return LARGEST_BATCH
    nearest = 2 ** round(math.log2(max(rows, 1) / STEPS_AN_EPOCH))
    return int(min(max(nearest, SMALLEST_BATCH), LARGEST_BATCH))


def row_passes(core: keras.Model) -> int:
    """How many rows are trained on in all, at most: fewer where each takes longer, by its weights but embeddings."""
    sizes = [
        math.prod(one.shape)
        for one in core.trainable_variables
        if not one.name.startswith(("embeddings", "tokens", "sparse", "vectors"))
    ]
    return int(ROW_PASSES * min(1.0, USUAL_WEIGHTS / max(sum(sizes), 1)))


def fixed_epochs(rows: int | None, passes: int = ROW_PASSES) -> int:
    """How many epochs, where it is not held-out rows alone that say so: 20, and fewer of more than 100,000 rows.

    Example:
        >>> fixed_epochs(5_000), fixed_epochs(250_000), fixed_epochs(10_000_000)
        (20, 8, 4)
    """
    return MOST_FIXED if not rows else min(max(passes // rows, LEAST_FIXED), MOST_FIXED)


def length(
    core: keras.Model, rows: int | None, validated: bool, callbacks: Sequence[keras.callbacks.Callback]
) -> tuple[int, list[keras.callbacks.Callback]]:
    """How long to train where no number of epochs is given, and the callbacks that see to it.

    Few rows, and others held out: until the loss on those has not fallen for 8 epochs; the rate falls whenever it has
    not for 3. Many rows, or none held out: for a fixed number of epochs, the rate falling with each. Wherever rows are
    held out the best weights are restored, except in a run that can be resumed in mid-epoch, which the best would not
    survive. The rate falls only if the optimizer is `optimizer`'s.

    Args:
        core: Compiled.
        rows: Rows to train on, or None where that is not known.
        validated: Whether there are held-out rows.
        callbacks: The user's own; an `EarlyStopping` or a schedule among them stands in for the one of here.

    Returns:
        The number of the last epoch at most, and more callbacks.
    """
    judged = validated and not _has(callbacks, Resume)
    few = rows is None or rows <= MANY_ROWS
    passes = row_passes(core)
    epochs = fixed_epochs(rows, passes)
    if judged and few:
        epochs = min(max(passes // (rows or 1), epochs), MOST_EPOCHS)
    more: list[keras.callbacks.Callback] = []
    schedules = keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau
    if core.optimizer.name == AUTO and not _has(callbacks, *schedules):
        core.optimizer.learning_rate = LEARNING_RATE
        if judged and few:
            more.append(keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=3, min_delta=0.0))
        else:
            more.append(keras.callbacks.LearningRateScheduler(falling(epochs)))
    if judged and not _has(callbacks, keras.callbacks.EarlyStopping):
        more.append(keras.callbacks.EarlyStopping("val_loss", patience=8, restore_best_weights=True, mode="min"))
    return epochs, more


def falling(epochs: int) -> Callable[[int], float]:
    """The learning rate by epoch: half a cosine's wave, from all at the first to a hundredth.

    Example:
        >>> [round(falling(4)(epoch) / LEARNING_RATE, 2) for epoch in range(5)]
        [1.0, 0.85, 0.5, 0.15, 0.01]
    """
    return lambda epoch: LEARNING_RATE * max(0.5 * (1 + math.cos(math.pi * min(epoch / epochs, 1.0))), 0.01)


def _has(callbacks: Sequence[keras.callbacks.Callback], *kinds: type) -> bool:
    return any(isinstance(callback, kinds) for callback in callbacks)
