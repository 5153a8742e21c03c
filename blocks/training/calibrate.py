"""Calibrate: held-out batches to answers to a postprocessor's state."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import AnswerChunk, Head, Postprocessor
from blocks.heads import of_head
from blocks.progress import Progress, Verbose


def calibrate(
    core: keras.Model,
    head: Head,
    postprocessors: Sequence[Postprocessor],
    block: Postprocessor,
    batches: Iterable[Any],
    *,
    name: str = "",
    verbose: Verbose = "auto",
) -> None:
    """Let one postprocessor learn from held-out rows, on what those before it make of them.

    Args:
        core: Features to predictions.
        head: Names the predictions.
        postprocessors: Those of the block's head, in order.
        block: One of them; its state is replaced.
        batches: (features, target[, weight]) of held-out rows; iterated once.
        name: Which of several heads the block belongs to.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Raises:
        EmptySource: There is too little to calibrate on.
    """
    one = head.heads[name]
    earlier_blocks = list(postprocessors[: list(postprocessors).index(block)])

    def answers_of(features: Any) -> dict[str, Any]:
        answers = one.answer(of_head(core(features, training=False), name))
        for earlier in earlier_blocks:
            answers = earlier(answers)
        return answers

    answer = tf.function(answers_of, reduce_retracing=True)

    def held_out(progress: Progress) -> Iterator[AnswerChunk]:
        for features, target, *weight in batches:
            answers = {name: value.numpy() for name, value in answer(features).items()}
            truth, weights = of_head(target, name).numpy(), weight[0].numpy() if weight else None
            progress.advance(len(truth))
            gaps = np.asarray(one.gaps(truth)) if name else np.zeros(len(truth), bool)
            if gaps.any():
                answers = {key: value[~gaps] for key, value in answers.items()}
                truth, weights = truth[~gaps], None if weights is None else weights[~gaps]
            yield AnswerChunk(answers, truth, weights)

    with Progress(f"calibrate {type(block).__name__}", None, verbose) as progress:
        block.calibrate(held_out(progress))
