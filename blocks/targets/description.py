"""What a head says of itself: all that must be known of it to judge its answers, where no head is at hand."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class HeadDescription:
    """One head of the model that answers are of.

    Attributes:
        name: "" where the model has one head; otherwise its answers are called name_answer.
        kind: The head's class, to name it by; "" where it is not known.
        targets: The columns that hold the truth, as the source calls them.
        classes: In the order of the probabilities; None of a regressor.
        exclusive: Whether just one of the classes is true of a row; False of labels, of which any may be.
        levels: Of the quantiles; None without any.
        separator: Between labels, where the target holds several in one text.
        sample_weight: Column of weights, or None.
        steps: How many numbers the target holds a row, in order of time; None where it is one.
        history: The column that holds the steps before the target's, as a list; None where there is none.
        season: Of a target of steps, how many make a season.
        columns: Where a table has a target under another name (an answer has its own): target to column.
    """

    name: str = ""
    kind: str = ""
    targets: tuple[str, ...] = ()
    classes: tuple[Any, ...] | None = None
    exclusive: bool = True
    levels: tuple[float, ...] | None = None
    separator: str | None = None
    sample_weight: str | None = None
    steps: int | None = None
    history: str | None = None
    season: int = 1
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> "HeadDescription":
        """What `describe_heads` gave, an export's manifest, or a table's metadata.

        Example:
            >>> HeadDescription.from_json({"kind": "Sigmoid", "targets": ["tags"]}).exclusive
            False
        """
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in described.items() if key in known}
        for key in ("targets", "classes", "levels"):
            values[key] = tuple(values[key]) if values.get(key) is not None else None
        if "exclusive" not in values:  # written before heads said so: one of them alone was of labels
            values["exclusive"] = values.get("kind") != "Sigmoid"
        return cls(**{**values, "targets": values["targets"] or ()})

    @property
    def takes_labels(self) -> bool:
        """Whether each class is a truth of its own: labels of one column, or several columns of them."""
        return not self.exclusive or len(self.targets) > 1

    def prefixed(self, name: str) -> str:
        """What an answer or metric of this head is called among those of all heads."""
        return with_head_prefix(self.name, name)

    def target_columns(self) -> list[str]:
        """The columns of the table that hold the truth."""
        return [self.columns.get(name, name) for name in self.targets]


def with_head_prefix(head: str, name: str) -> str:
    """What something of a head is called among what there is of all heads; a single head goes by "".

    Example:
        >>> with_head_prefix("price", "prediction"), with_head_prefix("", "prediction")
        ('price_prediction', 'prediction')
    """
    return f"{head}_{name}" if head else name


def describe_heads(head: Any) -> list[dict[str, Any]]:
    """A `HeadDescription` of each of a model's heads, as JSON.

    Args:
        head: A `blocks.block.Head`, or several as one.
    """
    # the column of weights that one of several heads names weighs rows for all
    return [{**_described(name, one), "sample_weight": head.sample_weight} for name, one in head.heads.items()]


def _described(name: str, head: Any) -> dict[str, Any]:
    values = {key: getattr(head, key, None) for key in ("classes", "levels")}
    steps = getattr(head, "steps", None)  # of a forecast; another head's may be a layer
    return {
        "name": name,
        "kind": type(head).__name__,
        "targets": list(head.targets),
        **{key: None if value is None else np.asarray(value, object).tolist() for key, value in values.items()},
        "exclusive": getattr(head, "exclusive", True),
        "separator": head.encoding.get("separator"),
        # absent of the others: what older tables, stores and exports say stays the same text
        **({"steps": steps, "history": head.history, "season": head.season} if isinstance(steps, int) else {}),
    }
