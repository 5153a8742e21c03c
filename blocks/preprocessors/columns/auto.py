"""AutoColumns: "auto" in a preprocessor's place, which becomes `Columns` when rows are there to infer them from."""

from typing import Any, NoReturn

import keras

from blocks.block import Head
from blocks.data import Source
from blocks.errors import NotAdapted
from blocks.preprocessors.columns.columns import Columns

AUTO = "auto"


@keras.saving.register_keras_serializable(package="blocks")
class AutoColumns:
    """A preprocessor that is yet to be chosen; whoever adapts it puts `infer`'s `Columns` in its place.

    Example:
        >>> AutoColumns().adapted, as_preprocessor("auto")
        (False, auto)
    """

    adapted = False

    def infer(self, source: Source, head: Head, memory: int | str | None = None) -> Columns:
        """`Columns.infer`, without the head's targets and weights."""
        of_head = (*head.targets, head.sample_weight)
        return Columns.infer(source, exclude=[name for name in source.schema.names if name in of_head], memory=memory)

    def _not_chosen(self) -> NoReturn:
        raise NotAdapted("The preprocessor is chosen when the model is adapted. Call model.adapt(source) first.")

    lanes = inputs = spec = property(_not_chosen)

    def copy(self) -> "AutoColumns":
        """Itself: it has no state."""
        return self

    def get_config(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AutoColumns":
        """A new one."""
        return cls()

    def __str__(self) -> str:
        return "chosen by adapt, from the rows"

    def __repr__(self) -> str:
        return AUTO


def as_preprocessor(given: Any) -> Any:
    """What a user gives for a preprocessor: "auto" and None become an `AutoColumns`, all else stays as it is."""
    return AutoColumns() if given is None or (isinstance(given, str) and given == AUTO) else given
