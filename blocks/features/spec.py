"""What a preprocessor emits: packed entries, and the specification that names every column of each.

Plain data: an extractor builds itself from it, a store writes it down, an export carries it. How features are
computed does not live here.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from blocks.errors import InvalidArgument
from blocks.features.names import aside

NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"


@dataclass(frozen=True)
class Feature:
    """One named column of an entry.

    Args:
        name: Unique in its specification.
        columns: The raw columns that it is made of.
        cardinality: Number of distinct ids, missing and out-of-vocabulary included; None for numbers.
    """

    name: str
    columns: tuple[str, ...]
    cardinality: int | None = None


@dataclass(frozen=True)
class Entry:
    """One array of the packed features.

    Args:
        dtype: "float32", "int32", or "uint8" of images.
        shape: Shape of one row: (n,) with n named features, or any shape for the single feature of higher rank.
        features: The features, in order.
        sparse: Whether a row holds the features that are not 0 alone, as pairs: shape (None, 2), for each the position
            among `features`, and the value; features that are hashed have no names of their own, and are one with their
            number as its cardinality. Rows that have fewer than the longest of their batch end in (0, 0).
        window: Whether a row holds the features of so many values of one column, in order: shape (values,) with one
            feature, (values, k) with k of them.
    """

    dtype: str
    shape: tuple[int | None, ...]
    features: tuple[Feature, ...]
    sparse: bool = False
    window: bool = False

    @classmethod
    def of_pairs(cls, features: Iterable[Feature]) -> "Entry":
        """The sparse entry of these features."""
        return cls("float32", (None, 2), tuple(features), sparse=True)

    @classmethod
    def of_windows(cls, length: int, features: Iterable[Feature]) -> "Entry":
        """The entry of these features of each value of a window.

        Example:
            >>> Entry.of_windows(24, [Feature("close", ("close",)), Feature("close_missing", ("close",))]).shape
            (24, 2)
        """
        named = tuple(features)
        dtype = "float32" if named[0].cardinality is None else "int32"
        return cls(dtype, (length, len(named)) if len(named) > 1 else (length,), named, window=True)

    @property
    def is_image(self) -> bool:
        """Whether it holds images: pixels (height, width, channels)."""
        return self.dtype == "uint8" and len(self.shape) == 3

    @property
    def columns(self) -> int:
        """How many columns the features make: of a sparse entry, one of a cardinality has as many as that says.

        Example:
            >>> Entry.of_pairs([Feature("text", ("text",), cardinality=65_536)]).columns
            65536
        """
        return sum((feature.cardinality or 1) if self.sparse else 1 for feature in self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(feature.name for feature in self.features)


def distinct(features: Sequence[Feature]) -> list[Feature]:
    """The features, each with a name of its own: derived ones step aside from columns, and from those before them.

    Example:
        >>> named = distinct([Feature("age_missing", ("age",)), Feature("age_missing", ("age_missing",))])
        >>> [feature.name for feature in named]
        ['age_missing_2', 'age_missing']
    """
    taken = {column for feature in features for column in feature.columns}
    unused = set(taken)
    named = []
    for feature in features:
        name = feature.name
        if feature.columns == (name,) and name in unused:
            unused.remove(name)
        else:
            name = aside(name, taken)
            taken.add(name)
        named.append(feature if name == feature.name else replace(feature, name=name))
    return named


class FeatureSpec(Mapping[str, Entry]):
    """The entries of packed features by name: "numeric" (float32), "categorical" (int32), and others of higher rank.

    Example:
        >>> spec = FeatureSpec.pack([Feature("age", ("age",)), Feature("city", ("city",), cardinality=7)])
        >>> spec["numeric"].names, spec["categorical"].features[0].cardinality
        (('age',), 7)
        >>> FeatureSpec.from_json(spec.to_json()) == spec
        True
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        names = [name for entry in entries.values() for name in entry.names]
        doubled = sorted(name for name, times in Counter(names).items() if times > 1)
        if doubled:
            raise InvalidArgument(f"Every feature needs a name of its own. Received twice: {', '.join(doubled)}.")
        self._entries = dict(entries)

    @classmethod
    def pack(cls, features: list[Feature], others: Mapping[str, Entry] | None = None) -> "FeatureSpec":
        """The specification of scalar features, numbers and ids apart, and of entries of higher rank.

        Raises:
            InvalidArgument: Two features have one name, or an entry of higher rank has a packed one's.
        """
        if packed := {NUMERIC, CATEGORICAL}.intersection(others or {}):
            raise InvalidArgument(
                f"Entries of higher rank have names of their own, which {NUMERIC!r} and {CATEGORICAL!r} are not. "
                f"Received: {', '.join(sorted(packed))}."
            )
        numbers = tuple(feature for feature in features if feature.cardinality is None)
        ids = tuple(feature for feature in features if feature.cardinality is not None)
        entries = {}
        if numbers:
            entries[NUMERIC] = Entry("float32", (len(numbers),), numbers)
        if ids:
            entries[CATEGORICAL] = Entry("int32", (len(ids),), ids)
        return cls({**entries, **(others or {})})

    def entry_of(self, name: str) -> str | None:
        """The entry of this name, or else the one of higher rank that is made of the column of this name.

        Example:
            >>> FeatureSpec({"main_text": Entry("int32", (8,), (Feature("main text", ("main text",), 9),))}).entry_of(
            ...     "main text"
            ... )
            'main_text'
        """
        if name in self._entries:
            return name
        others = (entry for entry in self._entries if entry not in (NUMERIC, CATEGORICAL))
        return next((entry for entry in others if name in self._entries[entry].names), None)

    def rows_of_images(self, size: int) -> int | None:
        """How many rows have images of so many bytes together, one at least; None where there are no images.

        Example:
            >>> photo = Entry("uint8", (32, 32, 3), (Feature("photo", ("photo",)),))
            >>> FeatureSpec({"photo": photo}).rows_of_images(1 << 20)
            341
        """
        images = [entry.shape for entry in self._entries.values() if entry.is_image]
        return max(1, size // sum(math.prod(side or 1 for side in shape) for shape in images)) if images else None

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureSpec) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(tuple(self._entries.items()))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}: {entry.dtype}{list(entry.shape)}" for name, entry in self.items())
        return f"FeatureSpec({parts})"

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON-able data."""
        return {
            name: {
                "dtype": entry.dtype,
                "shape": list(entry.shape),
                "features": [
                    {"name": f.name, "columns": list(f.columns), "cardinality": f.cardinality} for f in entry.features
                ],
                # absent where it is not so: the specifications of older stores and exports are the same text
                **({"sparse": True} if entry.sparse else {}),
                **({"window": True} if entry.window else {}),
            }
            for name, entry in self.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "FeatureSpec":
        """The specification that `to_json` wrote."""
        return cls(
            {
                name: Entry(
                    entry["dtype"],
                    tuple(entry["shape"]),
                    tuple(Feature(f["name"], tuple(f["columns"]), f["cardinality"]) for f in entry["features"]),
                    entry.get("sparse", False),
                    entry.get("window", False),
                )
                for name, entry in data.items()
            }
        )
