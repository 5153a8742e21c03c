"""The rules of what is trained: feature extractors and heads."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import FeatureExtractor, Head
from blocks.data.arrow_types import is_text
from blocks.data.raw_arrays import to_arrow
from blocks.errors import BadTarget, InvalidArgument
from blocks.features.spec import FeatureSpec
from blocks.targets.target_columns import struct
from blocks.testing.rules import refused, require, rule, same, same_state
from blocks.testing.sample_rows import (
    CHUNKS,
    Case,
    Options,
    call,
    cut,
    plain,
    repeat,
    tile,
    to_arrays,
    to_tensors,
    unlearned,
)


def extractor_case(block: FeatureExtractor, data: Any, options: Options) -> Case:
    """The extractor built on features, after the rules of training."""
    extractor = block.copy()
    given = dict(data) if isinstance(data, Mapping) else np.asarray(data)
    rows = keras.tree.map_structure(lambda value: tile(np.asarray(value)), given)
    with rule(block, "an extractor returns one float tensor of shape (batch, width), or (batch, members, width)"):
        result = call(extractor, rows)
        members = () if extractor.members is None else (extractor.members,)
        require(isinstance(result, np.ndarray) and result.shape[1:-1] == members, f"{result!r:.100}")
        require(result.ndim > 1 and result.dtype.kind == "f", f"{result!r:.100}")
        require(not options.finite or bool(np.isfinite(result).all()), "values that are not finite")
    with rule(block, "at inference nothing is random"):
        same(result, call(extractor, rows))
    if extractor.reversible_norm() is not None:
        _check_reversible(extractor, rows, result)
    _check_gradients(extractor, lambda: tf.reduce_mean(tf.square(extractor(to_tensors(rows), training=True))))
    with rule(block, "a built extractor refuses other features"):
        if extractor.spec is not None:
            other = FeatureSpec(dict(list(extractor.spec.items())[1:]))
            with refused(InvalidArgument, otherwise="bind took them"):
                extractor.bind(other)
    return Case(extractor, rows)


def _check_reversible(extractor: FeatureExtractor, rows: Any, result: np.ndarray) -> None:
    norm = extractor.reversible_norm()
    entry = norm.bound_entry(extractor.spec) if isinstance(rows, Mapping) else None
    window = rows if entry is None else rows[entry]
    stretch = 4.0 if norm.scale else 1.0

    def of_first(values: np.ndarray) -> np.ndarray:
        moved = values.copy()
        first = moved if moved.ndim == 2 else moved[..., 0]
        first[...] = first * np.float32(stretch) + np.float32(8)
        return moved

    with rule(extractor, "a normalisation that is undone takes away what level() says, and no more"):
        before, after = (call(norm.level(), values) for values in (window, of_first(window)))
        require(np.allclose(after[:, 0], before[:, 0] * stretch + 8, 1e-3, 1e-3), "another level")
        require(np.allclose(after[:, 1], before[:, 1] * stretch, 1e-3, 1e-3), "another spread")
        moved = call(extractor, of_first(window) if entry is None else {**rows, entry: of_first(window)})
        require(np.allclose(moved, result, 1e-3, 1e-3), "a representation that knows the level")


def head_case(block: Head, data: Any, options: Options) -> Case:
    """The head adapted on its target, after the rules of learning, encoding and training."""
    representation, given = data
    rows = tile(np.asarray(representation, np.float32))
    if isinstance(given, Mapping):
        target = repeat(struct({name: to_arrow(values, name) for name, values in given.items()}))
    else:
        target = repeat(to_arrow(given, block.targets[0]))
    whole = unlearned(block).learn(block.observe_all([target]))
    for size in CHUNKS:
        with rule(block, f"learning the target in chunks (here of {size}) gives what learning at once gives"):
            same_state(whole, unlearned(block).learn(block.observe_all(cut(target, size))), options.chunk_tolerance)
    with rule(block, "a target with no usable value is refused with BadTarget"):
        nothing = block.observe_all([pa.nulls(8, target.type)])
        with refused(BadTarget, otherwise="learned from nothing"):
            unlearned(block).learn(nothing)
    head = block.copy()
    if not head.adapted:
        head.restore(whole)
    with rule(block, "encode gives (rows, ...) targets and (rows,) booleans, whatever the chunks or dictionaries"):
        encoded, usable = head.encode(target)
        require(len(encoded) == len(target) and usable.shape == (len(target),), f"{encoded.shape}, {usable}")
        require(usable.dtype == bool, f"{usable.dtype}")
        parts = [head.encode(part) for part in cut(target, 5)]
        same(encoded, np.concatenate([part[0] for part in parts]))
        same(usable, np.concatenate([part[1] for part in parts]))
        if is_text(target.type):
            same((encoded, usable), tuple(head.encode(target.dictionary_encode())))
        null, found = head.encode(pa.nulls(2, target.type))
        require(not found.any() and null.dtype == encoded.dtype, "a usable null, or another dtype")
        require(head.encode(pa.array([], pa.null()))[0].dtype == encoded.dtype, "another dtype of no rows")
    with rule(block, "decode undoes encode"):
        decoded = head.decode(encoded[usable])
        require(len(decoded) == usable.sum(), f"{len(decoded)} rows")
        if not isinstance(given, Mapping):
            same(encoded[usable], head.encode(pa.array(decoded.tolist()))[0])
    with rule(block, "encoding is JSON-able, and equal for a copy"):
        require(plain(head.encoding) == plain(head.copy().encoding), "two encodings")
    with rule(block, "class_weights is None or finite float32 weights, none negative"):
        weights = head.class_weights
        if weights is not None:
            require(weights.ndim == 1 and weights.dtype == np.float32, f"{weights.dtype} {weights.shape}")
            require(bool(np.isfinite(weights).all() and (weights >= 0).all()), str(weights))
    with rule(block, "a gap is none of the values that encode gives, and is filled with one that the loss takes"):
        if head.gap is not None:
            holed = encoded[usable].copy()
            holed[0] = head.gap
            filled, there = to_arrays(head.without_gaps(to_tensors(holed)))
            same(there, np.arange(len(holed)) > 0)
            same(filled[1:], encoded[usable][1:])
            given = rows[: len(usable)][usable]
            require(bool(np.isfinite(float(head.default_loss()(filled, head(given))))), "a loss that is not finite")
    good, truth = rows[: len(usable)][usable], encoded[usable]
    with rule(block, "the loss is finite, and comes back from its configuration"):
        loss = head.default_loss()
        value = float(loss(truth, head(good)))
        twin = keras.losses.deserialize(plain(keras.losses.serialize(loss)))
        require(np.isfinite(value) and float(twin(truth, head(good))) == value, f"{value} and {twin!r}")
    with rule(block, "metrics are fresh at every call, and finite"):
        one, other = head.default_metrics(), head.default_metrics()
        require(bool(one) and not any(a is b for a in one for b in other), "shared ones")
        for metric in one:
            metric.update_state(truth, head(good))
            result = keras.tree.flatten(metric.result())
            require(all(np.isfinite(np.asarray(value)).all() for value in result), f"{metric.name} {result}")
    with rule(block, "answer names tensors of shape (batch, ...)"):
        answers = to_arrays(head.answer(head(rows)))
        require(bool(answers) and all(len(value) == len(rows) for value in answers.values()), str(list(answers)))
        finite = all(np.isfinite(value).all() for value in answers.values() if value.dtype.kind == "f")
        require(finite or not options.finite, "values that are not finite")
    _check_gradients(head, lambda: loss(truth, head(good, training=True)))
    return Case(head, rows)


def _check_gradients(block: Any, loss: Callable[[], Any]) -> None:
    with rule(block, "finite gradients reach every trainable weight"):
        with tf.GradientTape() as tape:
            value = loss()
        weights = block.trainable_variables
        require(bool(weights) or not block.variables, "no trainable weight")
        for weight, gradient in zip(weights, tape.gradient(value, [w.value for w in weights]), strict=True):
            require(gradient is not None, f"none at {weight.path}")
            dense = tf.convert_to_tensor(gradient).numpy()
            require(bool(np.isfinite(dense).all()), f"one that is not finite at {weight.path}")
