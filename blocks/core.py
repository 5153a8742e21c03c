"""The core: the trained middle of a model, a plain functional `keras.Model` from packed features to predictions.

Free of any backend: with a store's `spec` it is built and trained on Keras' JAX or PyTorch backend too.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from blocks.block import FeatureExtractor, Head
from blocks.errors import InvalidArgument
from blocks.features import FeatureSpec
from blocks.members import Core, MeanOfMembers, fold
from blocks.names import aside


def build_core(
    spec: FeatureSpec, feature_extractor: FeatureExtractor, head: Head, *, seed: int | None = None
) -> keras.Model:
    """Compose an extractor and an adapted head over features.

    Args:
        spec: The features.
        feature_extractor: Bound to `spec` here.
        head: Its state says how many classes there are, or the target's scale.
        seed: Fixes initial weights and dropout; None leaves them to Keras' global seed.

    Returns:
        A functional model: dict of entries (batch, ...) to predictions.

    Raises:
        NotAdapted: The head has learned nothing yet.

    Example:
        >>> from blocks.classifiers import Softmax
        >>> from blocks.feature_extractors import MLP
        >>> from blocks.features import Feature
        >>> spec = FeatureSpec.pack([Feature("age", ("age",))])
        >>> build_core(spec, MLP([4]), Softmax("label", classes=[0, 1])).output_shape
        (None, 2)
    """
    head.require_adapted()
    feature_extractor.bind(spec)
    # layers of a model have different names: its inputs have the entries'
    for layer in (feature_extractor, head):
        if not layer.built:
            layer.name = aside(layer.name, spec)
    inputs = {name: keras.Input(entry.shape, dtype=entry.dtype, name=name) for name, entry in spec.items()}
    with seeded(seed):
        representation = feature_extractor(inputs)
        if not isinstance(representation, keras.KerasTensor):
            raise InvalidArgument(
                f"A feature extractor returns one tensor of shape (batch, width). "
                f"Received from {type(feature_extractor).__name__}: {type(representation).__name__}."
            )
        return Core(inputs, _predictions(head, representation, feature_extractor), name="core")


def _predictions(head: Head, representation: Any, feature_extractor: FeatureExtractor) -> Any:
    """What the head makes of a representation, or of each of its members, folded into the batch."""
    members = feature_extractor.members
    if tuple(representation.shape[1:-1]) != (() if members is None else (members,)):
        raise InvalidArgument(
            f"A feature extractor returns (batch, width), or (batch, members, width) when it says its `members`. "
            f"Received from {type(feature_extractor).__name__}, members={members}: {representation.shape}. Pool an "
            "image or a sequence: keras.layers.GlobalAveragePooling2D() behind it, or pooling='avg'."
        )
    for one in head.heads.values():
        one.members = members or 1
    if members is None:
        return head(representation)
    predictions = head(fold(representation))
    if not isinstance(predictions, dict):
        return MeanOfMembers(members, head.spreads)(predictions)
    return {name: MeanOfMembers(members, head.heads[name].spreads)(own) for name, own in predictions.items()}


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Make what Keras draws within repeatable, and leave Python's and NumPy's generators as they were."""
    if seed is None:
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (Keras seeds the legacy generator)
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
