"""What is learned from the rows before the first step: an extractor's bins, and what each class weighs."""

from blocks.block import FeatureExtractor, Head
from blocks.training.core import Core
from blocks.training.training_rows import MakeTransform, TrainingRows

LEARN_ROWS = 500_000
"""Rows that an extractor learns from before the first step, at most."""


def learn(extractor: FeatureExtractor, rows: TrainingRows, head: Head, transform: MakeTransform) -> None:
    """Let an extractor learn from the features that it will be trained on, unless it has: one pass, the same each time.

    Args:
        extractor: Built.
        rows: What is trained on; `LEARN_ROWS` of them are read.
        head: Says which rows are usable.
        transform: Gives what makes features of raw columns.
    """
    if extractor.adapted:
        return
    statistics, seen = extractor.statistics(), 0
    for features in rows.sampled_features(LEARN_ROWS, head, transform):
        extractor.observe(statistics, {name: value[: LEARN_ROWS - seen] for name, value in features.items()})
        seen += len(next(iter(features.values())))
        if seen >= LEARN_ROWS:
            break
    extractor.restore(extractor.learn(statistics))


def weigh_classes(core: Core, head: Head, rows: TrainingRows) -> None:
    """Let the loss of training weigh rows by their class, as the head asks; balanced by the counts of a store's rows.

    Args:
        core: To be trained.
        head: Says what a class weighs.
        rows: What is trained on.
    """
    counts = rows.class_counts
    weights = {name: one.class_weights_of(counts.get(name)) for name, one in head.heads.items()}
    given = None if all(table is None for table in weights.values()) else weights
    if given is not None or core.class_weights is not None:
        core.class_weights = given
        core.train_function = None
