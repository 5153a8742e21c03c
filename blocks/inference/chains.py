"""Chains: the postprocessors behind each head, in the order in which they are applied."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from blocks.block import Head, Postprocessor
from blocks.errors import InvalidArgument
from blocks.heads import of_head
from blocks.targets.description import with_head_prefix


def chains(head: Head, postprocessors: Any) -> dict[str, list[Postprocessor]]:
    """Postprocessors in order, by head; those of a single head by the name of "".

    Args:
        head: One, or several by name.
        postprocessors: A sequence of them; with several heads, a dict of sequences.

    Raises:
        InvalidArgument: They are no postprocessors, or of no such head.
    """
    names = list(head.heads)
    if names == [""] and not isinstance(postprocessors, Mapping):
        postprocessors = {"": postprocessors}
    elif names == [""] or (postprocessors and not isinstance(postprocessors, Mapping)):
        raise InvalidArgument(
            "Postprocessors are a list, or with several heads a dict of lists by head: "
            f'{{"{names[0] or "price"}": [...]}}. '
            f"Received: {type(postprocessors).__name__}, for a head {type(head).__name__}."
        )
    given = dict(postprocessors or {})
    if unknown := [name for name in given if name not in names]:
        raise InvalidArgument(
            f"Postprocessors belong to a head, of which there are {', '.join(names)}. Received: {unknown}."
        )
    for block in (block for chain in given.values() for block in chain):
        if not isinstance(block, Postprocessor):
            raise InvalidArgument(f"Model's postprocessors is a Postprocessor. Received: {type(block).__name__}.")
    return {name: list(given.get(name, ())) for name in names}


def check_chains(core: keras.Model, head: Head, chains: Mapping[str, Sequence[Postprocessor]]) -> None:
    """Refuse postprocessors that lack an answer, or that would be calibrated in another unit than the target's.

    Args:
        core: Features to predictions.
        head: Names the predictions.
        chains: Postprocessors in order, by head.

    Raises:
        InvalidArgument: They do, or two heads' answers have one name.
    """
    found: dict[str, str] = {}
    for name, chain in chains.items():
        answers = set(head.heads[name].answer(of_head(core.output, name)))
        converter, used = None, set[str]()
        for block in chain:
            if block.calibrates and (stale := sorted(used & set(block.adds))):
                raise InvalidArgument(
                    f"Answers are made of calibrated {', '.join(stale)}. Received: {type(block).__name__} after a "
                    "block that has used them. Put it before."
                )
            needs = {name for need in block.needs for name in ((need,) if isinstance(need, str) else need)}
            if set(block.adds) - needs:
                used |= needs
            answers = block.after(answers)
            if converter is not None and block.calibrates:
                raise InvalidArgument(
                    f"Postprocessors are calibrated in the target's unit. Received: {type(block).__name__} after "
                    f"{type(converter).__name__}, which converts to another. Put it before."
                )
            converter = block if block.converts else converter
        for answer in [with_head_prefix(name, key) for key in answers]:
            if found.setdefault(answer, name) != name:
                raise InvalidArgument(
                    "Answers are called by their head and themselves, each otherwise than all others. Received: "
                    f"{answer!r}, of the heads {found[answer]!r} and {name!r}. Give one of the heads another name."
                )


def map_blocks(function: Callable[[Any], Any], postprocessors: Any) -> Any:
    """A function of every postprocessor, in the same list or dict of lists."""
    if isinstance(postprocessors, Mapping):
        return {name: [function(block) for block in chain] for name, chain in postprocessors.items()}
    return [function(block) for block in postprocessors]
