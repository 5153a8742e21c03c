"""Tower: a sub-network for each group of features, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.features.names import entry_name, is_plain
from blocks.features.spec import CATEGORICAL, NUMERIC, Entry, FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class Tower(FeatureExtractor):
    """Each group of features through an extractor of its own; the representations concatenated.

    Args:
        towers: Group to (names, extractor). Names are of features, of raw columns (all features made of these alone),
            or of entries of higher rank; None stands for all features that no other group names. Extractors are copied.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, sum of the extractors' widths), in the order of the groups.

    Parameters: the sum of the extractors'.

    Raises:
        InvalidArgument: When it is built: a name that no feature has, a feature in two groups or in none, or an
            extractor with members.

    Example:
        >>> import numpy as np
        >>> from blocks.feature_extractors import MLP
        >>> from blocks.features.spec import Feature
        >>> spec = FeatureSpec.pack([Feature("age", ("age",)), Feature("pay", ("pay",)), Feature("city", ("city",), 7)])
        >>> tower = Tower({"who": (["age", "city"], MLP([8])), "rest": (None, MLP([4]))}, spec=spec)
        >>> tower({"numeric": np.zeros((2, 2), "float32"), "categorical": np.zeros((2, 1), "int32")}).shape
        TensorShape([2, 12])
    """

    def __init__(
        self,
        towers: Mapping[str, tuple[Sequence[str] | None, FeatureExtractor]],
        *,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.names: list[tuple[str, list[str] | None]] = []
        self.towers = []
        for group, (names, extractor) in towers.items():
            if not isinstance(extractor, FeatureExtractor) or extractor.members is not None or isinstance(names, str):
                raise InvalidArgument(
                    "Tower takes group: (list of names or None, extractor without members). "
                    f"Received: {group!r}: ({names!r}, {type(extractor).__name__})."
                )
            self.names.append((group, None if names is None else list(names)))
            self.towers.append(extractor.copy())
            others = {tower.name for tower in self.towers[:-1]}
            self.towers[-1].name = group if is_plain(group) else entry_name(group, others)
        if not towers or sum(names is None for _, names in self.names) > 1:
            raise InvalidArgument(f"Tower has one group at least, and one of all others at most. Received: {towers!r}.")

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification, and give each extractor its part.

        Raises:
            InvalidArgument: The names do not divide the features.
        """
        super().bind(spec)
        for tower, (part, _) in zip(self.towers, self._parts(), strict=True):
            tower.bind(part)

    def _parts(self) -> list[tuple[FeatureSpec, dict[str, list[int]]]]:
        """Each group's specification, and the positions of its columns in the packed entries."""
        if self.spec is None:
            raise InvalidArgument(
                "Tower divides features by name. Received: no specification. Give it spec=columns.spec."
            )
        left = {feature.name for entry in self.spec.values() for feature in entry.features}
        # an entry is meant where neither a feature nor a column has the name
        columns = {column for entry in self.spec.values() for f in entry.features for column in f.columns}
        entries = set(self.spec) - left - columns
        chosen: list[set[str]] = []
        for group, names in self.names:
            mine: set[str] = set()
            wanted = set(names or ())
            for entry_of, entry in self.spec.items() if names is not None else ():
                whole = entry_of in entries & wanted
                mine |= {f.name for f in entry.features if whole or f.name in wanted or wanted.issuperset(f.columns)}
            known = columns | entries | mine
            if names is not None and (not mine or set(names) - known or mine - left):
                raise InvalidArgument(
                    f"Every group names features of its own: {', '.join(sorted(left))} are left for {group!r}. "
                    f"Received: {', '.join(names)}."
                )
            left -= mine
            chosen.append(mine)
        rest = [index for index, (_, names) in enumerate(self.names) if names is None]
        if bool(left) != bool(rest):
            raise InvalidArgument(
                f"Every feature is in one group. Received: {', '.join(sorted(left)) or 'nothing'} for no group. Name "
                "them in one, or give one group None for all others; leave out of Columns what is not wanted."
            )
        for index in rest:
            chosen[index] = left
        return [self._part(mine) for mine in chosen]

    def _part(self, mine: set[str]) -> tuple[FeatureSpec, dict[str, list[int]]]:
        assert self.spec is not None
        entries, positions = {}, {}
        for name, entry in self.spec.items():
            found = [i for i, feature in enumerate(entry.features) if feature.name in mine]
            if found and name in (NUMERIC, CATEGORICAL):
                entries[name] = Entry(entry.dtype, (len(found),), tuple(entry.features[i] for i in found))
                positions[name] = found
            elif found:
                entries[name] = entry
        return FeatureSpec(entries), positions

    def make(self, input_shape: Any) -> None:
        """Build the extractors on their parts."""
        self.positions = []
        for tower, (part, positions) in zip(self.towers, self._parts(), strict=True):
            tower.bind(part)
            tower.build({name: (None, *entry.shape) for name, entry in part.items()})
            self.positions.append((list(part), positions))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The representations, side by side."""
        found = []
        for tower, (names, positions) in zip(self.towers, self.positions, strict=True):
            part = {
                name: ops.take(inputs[name], np.array(positions[name], "int32"), axis=1)
                if name in positions
                else inputs[name]
                for name in names
            }
            found.append(tower(part, training=training))
        return ops.concatenate(found, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        towers = []
        for (group, names), tower in zip(self.names, self.towers, strict=True):
            extractor = keras.saving.serialize_keras_object(tower)
            extractor.pop("build_config", None)  # it is built on its part of the features
            towers.append([group, names, extractor])
        return {**super().get_config(), "towers": towers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Tower":
        """The block that `get_config` described."""
        deserialize = keras.saving.deserialize_keras_object
        towers = {group: (names, deserialize(tower)) for group, names, tower in config["towers"]}
        return cls(**{**config, "towers": towers})
