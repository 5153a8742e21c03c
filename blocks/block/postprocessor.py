"""Postprocessor: the role of what turns answers into more answers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import keras
import numpy as np

from blocks.block.base import Block
from blocks.block.classifier import Classifier
from blocks.block.head import Head
from blocks.errors import EmptySource, InvalidArgument, NotAdapted
from blocks.statistics import Statistic


@dataclass(frozen=True)
class AnswerChunk:
    """Held-out answers, and what is true of their rows: what a postprocessor observes.

    Args:
        answers: By name, (rows, ...) each.
        target: (rows, ...) As the head encodes it.
        weight: (rows,) Or None, where all weigh one.
    """

    answers: Mapping[str, np.ndarray]
    target: np.ndarray
    weight: np.ndarray | None = None

    @property
    def weights(self) -> np.ndarray:
        """What the rows weigh, float64 (rows,)."""
        return np.ones(len(self.target)) if self.weight is None else self.weight.astype(np.float64)


class Postprocessor(Block):
    """Answers to more answers, inside the exported graph. Takes and returns a dict of tensors of shape (batch, ...).

    Subclasses write `call`, and say in `needs` and `adds` which answers it reads and gives; those that learn from
    held-out answers write `statistics`, `observe` and `learn` too.
    """

    needs: tuple[str | tuple[str, ...], ...] = ()
    """The answers that it reads; a tuple stands for any one of several."""

    adds: tuple[str, ...] = ()
    """The answers that it adds or replaces."""

    converts: bool = False
    """Whether its answers are in another unit than the target, so that nothing can be calibrated after it."""

    works_on: ClassVar[type] = Head
    """The kind of head whose answers it takes: `Classifier` or `Regressor`, say."""

    exclusive_classes: ClassVar[bool] = False
    """Whether a classifier's classes must exclude each other, so that the probabilities of a row sum to 1."""

    least_rows: int = 1
    """How many held-out rows it takes to calibrate; fewer are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})

    def bind(self, head: Head) -> None:
        """Take what must be known of the head (its classes, say); of one not adapted yet, what can be.

        Raises:
            InvalidArgument: The block has no use for a head of that kind.
        """
        if not isinstance(head, self.works_on):
            kind = self.works_on.__name__.lower()
            answers = "probabilities" if issubclass(self.works_on, Classifier) else "predictions"
            raise InvalidArgument(
                f"{type(self).__name__} works on a {kind}'s {answers}. Received: a {type(head).__name__} head. "
                f"Leave it out, or use a {kind}."
            )
        if self.exclusive_classes and isinstance(head, Classifier) and not head.exclusive:
            raise InvalidArgument(
                f"{type(self).__name__} works on probabilities of classes that exclude each other, whose sum is 1. "
                f"Received: a {type(head).__name__} head, whose classes can all be true of a row. Leave it out."
            )

    def after(self, answers: Iterable[str]) -> set[str]:
        """The names of the answers once the block has run on answers of these names.

        Raises:
            InvalidArgument: One that it needs is not among them.
        """
        names = set(answers)
        for need in self.needs:
            any_of = (need,) if isinstance(need, str) else need
            if not names.intersection(any_of):
                raise InvalidArgument(
                    f"{type(self).__name__} needs {' or '.join(map(repr, any_of))} among the answers that reach it. "
                    f"Received: {', '.join(map(repr, sorted(names))) or 'none'}. "
                    "Use a head that answers it, or put the block that adds it before."
                )
        return names.union(self.adds)

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Update statistics by a chunk of held-out answers; more may be added that depend on the answers' shape.

        Raises:
            InvalidArgument: The block is not calibrated on such answers.
        """

    @property
    def calibrates(self) -> bool:
        """Whether the block learns from held-out answers: whether it observes any."""
        return type(self).observe is not Postprocessor.observe

    @property
    def learns(self) -> bool:
        """Whether the block calibrates."""
        return self.calibrates

    def require_adapted(self) -> None:
        """Refuse to go on without learned state.

        Raises:
            NotAdapted: The block must be calibrated and is not.
        """
        if not self.adapted:
            raise NotAdapted(
                f"{type(self).__name__} {self.name!r} has not been calibrated. "
                "Call model.calibrate(held_out) before the model predicts or is exported."
            )

    def calibrate(self, chunks: AnswerChunk | Iterable[AnswerChunk]) -> Self:
        """Learn from held-out answers, for use outside a `Model`, whose `calibrate` does this.

        Args:
            chunks: The answers that reach the block, with what is true of their rows; read once.

        Returns:
            The block itself.

        Raises:
            EmptySource: There are too few rows.
        """
        rows = 0

        def counted() -> Iterator[AnswerChunk]:
            nonlocal rows
            for chunk in [chunks] if isinstance(chunks, AnswerChunk) else chunks:
                rows += len(chunk.target)
                yield chunk

        statistics = self.observe_all(counted())
        if rows < self.least_rows:
            raise EmptySource(
                f"{type(self).__name__} is calibrated on held-out rows, {self.least_rows} at least. "
                f"Received: {rows or 'none'}. Give model.calibrate more."
            )
        self.restore(self.learn(statistics))
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The answers; symbolic ones need no learned state, real ones do."""
        answers = args[0] if args else kwargs.get("inputs")
        if isinstance(answers, Mapping):
            self.after(answers)
        if not any(isinstance(value, keras.KerasTensor) for value in keras.tree.flatten((args, kwargs))):
            self.require_adapted()
        return super().__call__(*args, **kwargs)
