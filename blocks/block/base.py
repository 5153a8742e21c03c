"""Block: what all roles share, and what tells two blocks apart."""

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

import keras
import numpy as np

from blocks.arguments import INNER, checked, unknown_names
from blocks.errors import EmptySource, InvalidArgument, NotAdapted
from blocks.statistics import Statistic

State = dict[str, np.ndarray]

LAYERS_OWN = ("name", "dtype", "trainable", "autocast", "activity_regularizer")
"""What any Keras layer takes."""

RENAMED = {"indicator": "add_indicator", "unusable": "on_bad_target"}
"""What arguments were called in configurations that older versions saved."""
_BEFORE = {new: old for old, new in RENAMED.items()}


class Block(keras.layers.Layer):
    """What all roles share: how a block learns from data, explicit learned state, and the rule that a block is final.

    A block learns in four steps, the same for every role: `statistics()` gives fresh statistics, `observe(statistics,
    chunk)` updates them by a chunk of what the role learns from, `learn(results)` turns them into state, and
    `restore(state)` puts that into effect. Only the last changes the block, so that statistics can be updated side by
    side, merged, saved and continued. What a chunk is, the role says: a `ColumnChunk` for a preprocessor, packed
    features for an extractor, the target for a head, an `AnswerChunk` for a postprocessor.

    Args:
        kwargs: `name`, `dtype` and `trainable`, as of any Keras layer.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__bases__:
            if issubclass(base, Block) and not base.__module__.startswith("blocks.block."):
                raise TypeError(
                    f"A block is final: derive from one of the roles and wrap what you need. "
                    f"Received: {cls.__name__}, derived from {base.__name__}."
                )
        if "__init__" in vars(cls):
            cls.__init__ = checked(values=True)(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, **kwargs: Any) -> None:
        if unknown := [name for name in kwargs if name not in LAYERS_OWN]:
            takes = inspect.signature(type(self).__init__).parameters.values()
            known = [one.name for one in takes if one.name not in INNER and one.kind is not one.VAR_KEYWORD]
            raise InvalidArgument(unknown_names(type(self).__name__, unknown, known))
        super().__init__(**kwargs)
        self._state: Mapping[str, np.ndarray] | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The block of a configuration, of this version or an older one."""
        arguments = inspect.signature(cls.__init__).parameters
        return cls(**{name if name in arguments else RENAMED.get(name, name): value for name, value in config.items()})

    @property
    def adapted(self) -> bool:
        """Whether the block knows all that it must learn from data; always true of one that learns nothing."""
        return self._state is not None or not self.learns

    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics that `learn` needs, by name; empty when nothing is learned."""
        return {}

    def observe(self, statistics: dict[str, Statistic], chunk: Any) -> None:
        """Update statistics by one chunk of what the role learns from. Changes the statistics, not the block.

        Args:
            statistics: What `statistics` gave; each belongs to one thread at a time.
            chunk: Rows, in the role's form.
        """
        raise NotImplementedError

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The state that follows from updated statistics. Changes nothing: `restore` does.

        Raises:
            EmptySource: The statistics saw no usable value.
        """
        return {}

    def observe_all(self, chunks: Iterable[Any]) -> dict[str, Statistic]:
        """Fresh statistics, updated by all of some chunks."""
        statistics = self.statistics()
        for chunk in chunks:
            self.observe(statistics, chunk)
        return statistics

    @property
    def learns(self) -> bool:
        """Whether the block learns from data at all: whether `statistics` asks for any, unless the role knows more."""
        return bool(self.statistics())

    @property
    def state(self) -> State:
        """The learned state by name: NumPy arrays, empty while nothing is learned."""
        return dict(self._state or {})

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Put learned state into effect, as `learn`, a `.keras` file or another block's `state` gave it."""
        # a proxy, since Keras and TensorFlow wrap and track every plain dict that becomes an attribute
        copies = {name: np.array(value) for name, value in state.items()}
        for value in copies.values():
            value.flags.writeable = False
        self._state = MappingProxyType(copies)
        self._restore(self.state)

    def _restore(self, state: State) -> None:
        """Make variables and tables from the state."""

    def copy(self) -> Self:
        """A new block of the same configuration and state, sharing nothing with this one."""
        twin = type(self).from_config(self.get_config())
        if state := self.state:
            twin.restore(state)
        return twin

    def require_adapted(self) -> None:
        """Refuse to go on without learned state.

        Raises:
            NotAdapted: The block must learn and has not.
        """
        if not self.adapted:
            raise NotAdapted(
                f"{type(self).__name__} {self.name!r} has not been adapted. "
                "Call adapt(source) on the model or the block before it is used, saved stores or exports included."
            )

    def save_own_variables(self, store: Any) -> None:
        """Write weights, if any, and learned state into a Keras store."""
        super().save_own_variables(store)
        for name, value in self.state.items():
            store[f"state:{name}"] = value

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote."""
        names = [name for name in store.keys() if name.startswith("state:")]  # noqa: SIM118 (a Keras store, no dict)
        state = {name.removeprefix("state:"): np.asarray(store[name]) for name in names}
        super().load_own_variables({name: store[name] for name in store.keys() if name not in names})  # noqa: SIM118
        if state:
            self.restore(state)


def fingerprint(*blocks: Block) -> str:
    """A digest of configurations (names aside) and learned state: equal when the blocks do the same, bit for bit.

    Returns:
        64 hexadecimal digits (BLAKE2b).
    """
    digest = hashlib.blake2b(digest_size=32)
    for block in blocks:
        config = without_names(keras.saving.serialize_keras_object(block))
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        for name, value in sorted(block.state.items()):
            digest.update(f"{name}:{value.dtype.str}:{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def without_names(config: Any) -> Any:
    """A serialised configuration without what differs between two equal blocks: names, dtypes, build records.

    Arguments that were renamed stand under their first names, so that fingerprints stay what they were.
    """
    if isinstance(config, Mapping):
        if "class_name" in config and isinstance(config.get("config"), Mapping):
            compared = {
                _BEFORE.get(k, k): v for k, v in config["config"].items() if k not in ("name", "dtype", "trainable")
            }
            return [config["class_name"], without_names(compared)]
        return {key: without_names(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [without_names(value) for value in config]
    return config


def usable(count: float, name: str) -> None:
    """Refuse to learn from nothing.

    Raises:
        EmptySource: `count` is 0.
    """
    if not count:
        raise EmptySource(
            f"{name} learns from values that are there. Received: a column with none (all missing or infinite, or no "
            "rows at all). Leave the column out, or give one with values."
        )
