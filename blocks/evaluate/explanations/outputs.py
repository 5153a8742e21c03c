"""Which number of a model's answers an explanation is of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from blocks.errors import InvalidArgument
from blocks.targets.description import HeadDescription


def output_of(answers: Mapping[str, np.ndarray], output: str | None) -> str:
    """The answer that is meant: the one named, or the model's probabilities or prediction where there is one.

    Raises:
        InvalidArgument: The name is unknown, or none is given and there are several.

    Example:
        >>> output_of({"probabilities": np.ones((1, 2)), "label": np.array(["a"])}, None)
        'probabilities'
    """
    numeric = [name for name, values in answers.items() if values.dtype.kind in "fiub"]
    if output is not None:
        if output not in numeric:
            raise InvalidArgument(f"output is one of {', '.join(numeric)}. Received: {output!r}.")
        return output
    found = [name for name in numeric if name.endswith(("probabilities", "prediction")) and "top_" not in name]
    if len(found) != 1:
        raise InvalidArgument(f"Name the answer that is meant: output=, one of {', '.join(numeric) or 'no number'}.")
    return found[0]


def component_names(described: Mapping[str, Any], output: str, width: int) -> list[Any]:
    """What the components of a vector answer are called: its head's classes, or positions where none are known."""
    for head in map(HeadDescription.from_json, described["heads"]):
        if output.endswith("probabilities") and output == head.prefixed("probabilities"):
            names = head.classes if head.classes is not None else head.targets
            return list(names) if len(names) == width else list(range(width))
    return list(range(width))


def component_of(names: Sequence[Any], output: str, target: Any) -> int:
    """The place of a component by its name.

    Raises:
        InvalidArgument: There is none of that name.
    """
    if target not in names:
        raise InvalidArgument(f"target is a class of {output}: {', '.join(map(repr, names))}. Received: {target!r}.")
    return list(names).index(target)
