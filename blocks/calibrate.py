"""Calibrate: held-out batches to answers to postprocessors, each in turn on what those before it make of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Head, Postprocessor
from blocks.progress import Progress


def calibrate(
    core: keras.Model,
    head: Head,
    postprocessors: Sequence[Postprocessor],
    batches: Iterable[Any],
    *,
    verbose: bool | None = None,
) -> None:
    """Let every postprocessor that calibrates learn, in order; each takes one pass over the batches.

    Args:
        core: Features to predictions.
        head: Names the predictions.
        postprocessors: In order; their state is replaced.
        batches: (features, target[, weight]) of held-out rows; iterated once for each.
        verbose: Whether to show progress; None for on a terminal only.

    Raises:
        EmptySource: There is too little to calibrate on.
    """
    for position, block in enumerate(postprocessors):
        if not block.calibrates:
            continue
        before = list(postprocessors[:position])

        def answers_of(features: Any, before: list[Postprocessor] = before) -> dict[str, Any]:
            answers = head.answer(core(features, training=False))
            for earlier in before:
                answers = earlier(answers)
            return answers

        answer = tf.function(answers_of, reduce_retracing=True)
        with Progress(f"calibrate {type(block).__name__}", None, verbose) as progress:
            for features, target, *weight in batches:
                answers = {name: value.numpy() for name, value in answer(features).items()}
                block.observe(answers, target.numpy(), weight[0].numpy() if weight else None)
                progress.advance(len(target))
        block.calibrate()
