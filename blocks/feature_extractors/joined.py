"""Joined: an extractor for each entry of the features, an image, a text and a table say, side by side."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.wrapped import Keras
from blocks.features.names import aside
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class Joined(FeatureExtractor):
    """Each entry of the features through an extractor of its own; the representations concatenated.

    Entries are what `Columns` packs: "numeric" and "categorical", and one for each image, text or window. (`Tower`
    divides columns, whatever their entries.) A head alone adds up what the parts say; `top` lets it depend on several
    of them at once.

    Args:
        extractors: Name of an entry, or of the column that it is made of, to the extractor, which is copied.
        rest: The extractor of all entries that are not named; None for their vectors as they are: numbers, embedded
            ids, tokens embedded and averaged, windows flat.
        top: An extractor of plain vectors, of the concatenated representations; None for these as they are.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, sum of the extractors' widths), in the order given, the rest last; what `top`
        makes of it where there is one.

    Parameters: the sum of the extractors'.

    Raises:
        InvalidArgument: An extractor but `top` has members, `top` learns from features (piecewise-linear embeddings),
            or, when it is bound, a name is no entry's.

    Example:
        >>> import numpy as np
        >>> from blocks.feature_extractors import MLP
        >>> from blocks.features.spec import Feature
        >>> spec = FeatureSpec.pack([Feature("age", ("age",)), Feature("city", ("city",), 7)])
        >>> joined = Joined({"numeric": MLP([8])}, rest=MLP([4]), spec=spec)
        >>> joined({"numeric": np.zeros((2, 1), "float32"), "categorical": np.zeros((2, 1), "int32")}).shape
        TensorShape([2, 12])
    """

    def __init__(
        self,
        extractors: Mapping[str, FeatureExtractor],
        *,
        rest: FeatureExtractor | None = None,
        top: FeatureExtractor | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        given = dict(extractors) if isinstance(extractors, Mapping) else {}
        for name, extractor in {**given, "rest": rest or next(iter(given.values()), None)}.items():
            if not isinstance(extractor, FeatureExtractor) or extractor.members is not None:
                raise InvalidArgument(
                    "Joined takes {entry: extractor without members}, such an extractor for the rest, and any as top. "
                    f"Received for {name!r}: {type(extractor).__name__}."
                )
        if top is not None and not isinstance(top, FeatureExtractor):
            raise InvalidArgument(f"Joined's top is a feature extractor, or None. Received: {type(top).__name__}.")
        # what is copied once it is known which features are left: no parts of this one, so hidden from Keras
        self._given = MappingProxyType({name: extractor.copy() for name, extractor in given.items()})
        self._rest = MappingProxyType({} if rest is None else {"rest": rest.copy()})
        self.top = None if top is None else top.copy()
        if self.top is not None:
            self.top.name = "top"  # names below the extractor's own are alike in all that are joined: warm_start
        self.parts: list[FeatureExtractor] = []

    @property
    def members(self) -> int | None:  # type: ignore[override]  # a constant of the class elsewhere
        """Those of `top`."""
        return None if self.top is None else self.top.members

    def reversible_norm(self) -> Any:
        """The first of the extractors' own."""
        found = (part.reversible_norm() for part in (*self._given.values(), *self._rest.values()))
        return next((norm for norm in found if norm is not None), None)

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification, and refuse names that are no entry's.

        Raises:
            InvalidArgument: A name is no entry's, or two names are of one.
        """
        super().bind(spec)
        self._entries(spec)

    def _entries(self, spec: FeatureSpec) -> list[list[str]]:
        """The entries of each extractor, in the order given, and those of the rest if there are any."""
        found = [spec.entry_of(name) for name in self._given]
        for name, entry in zip(self._given, found, strict=True):
            if entry is None or found.count(entry) > 1:
                raise InvalidArgument(
                    f"Joined names entries of the features, each once: {', '.join(spec)}. Received: {name!r}."
                )
        rest = [entry for entry in spec if entry not in found]
        return [[entry] for entry in found if entry] + ([rest] if rest else [])

    def make(self, input_shape: Any) -> None:
        """Build the extractors on their entries, and the top on what they give."""
        if self.spec is None:
            raise InvalidArgument(
                "Joined gives entries by name. Received: no specification. Give it spec=columns.spec."
            )
        self._read = tuple(self._entries(self.spec))
        extractors = [*self._given.values(), self._rest.get("rest") or Keras(keras.layers.Identity())]
        names: list[str] = []
        width = 0
        for entries, extractor in zip(self._read, extractors, strict=False):
            part = extractor.copy()
            part.name = aside(entries[0] if len(names) < len(self._given) else "rest", names)
            names.append(part.name)
            part.bind(FeatureSpec({entry: self.spec[entry] for entry in entries}))
            given = {entry: (None, *self.spec[entry].shape) for entry in entries}
            part.build(given)
            tensors = {entry: keras.KerasTensor(shape, self.spec[entry].dtype) for entry, shape in given.items()}
            width += part.compute_output_spec(tensors).shape[-1]
            self.parts.append(part)
        if self.top is not None:
            self.top.build((None, width))
            if self.top.learns:
                raise InvalidArgument(
                    f"Joined's top takes vectors that are trained, of which nothing is learned beforehand. Received: "
                    f"{type(self.top).__name__} with layers that learn. Give numeric_embeddings to the rest instead."
                )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The representations side by side, or what the top makes of them."""
        found = [
            part({entry: inputs[entry] for entry in entries}, training=training)
            for part, entries in zip(self.parts, self._read, strict=True)
        ]
        joined = ops.concatenate(found, axis=-1)
        return joined if self.top is None else self.top(joined, training=training)

    def take_pretrained(self, other: FeatureExtractor) -> None:
        """Weights of layers that came with theirs, as of `FeatureExtractor`."""
        assert isinstance(other, Joined)
        current = other.parts or [*other._given.values(), *other._rest.values()]
        for mine, its in zip([*self._given.values(), *self._rest.values()], current, strict=False):
            mine.take_pretrained(its)
        if self.top is not None and other.top is not None:
            self.top.take_pretrained(other.top)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "extractors": {name: _plain(extractor) for name, extractor in self._given.items()},
            "rest": _plain(self._rest["rest"]) if self._rest else None,
            "top": None if self.top is None else _plain(self.top),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Joined":
        """The block that `get_config` described."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {name: config[name] and deserialize(config[name]) for name in ("rest", "top")}
        extractors = {name: deserialize(one) for name, one in config["extractors"].items()}
        return cls(**{**config, **parts, "extractors": extractors})


def _plain(extractor: FeatureExtractor) -> dict[str, Any]:
    """An extractor's configuration, without the shapes that it was built on: it is built on its own part."""
    config = keras.saving.serialize_keras_object(extractor)
    config.pop("build_config", None)
    return config
