"""Classes: what a target of one class a row is learned and encoded as. No head lives here."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_list, is_number, is_text
from blocks.errors import BadTarget, InvalidArgument, SchemaMismatch
from blocks.statistics import CountsResult

MAX_CLASSES = 10_000

_MOST = 2**63 - 1

_HEAVIEST = 1e30

ClassWeight = list[tuple[Any, float]] | str | None


def learn_classes(result: CountsResult, target: str, given: Sequence[Any] | None) -> dict[str, np.ndarray]:
    """The classes, in ascending order unless given, and their counts.

    Raises:
        BadTarget: There are fewer than two, or more than 10,000.
    """
    found = dict(zip(result.values.to_pylist(), result.counts.tolist(), strict=True))
    classes = sorted(found) if given is None else given
    if not result.exact or len(classes) > MAX_CLASSES:
        raise BadTarget(
            f"A classifier has {MAX_CLASSES:,} classes at most. Received: {target!r} with "
            f"{result.distinct:,} distinct values. Use a regressor for a number, or group the classes."
        )
    if len(classes) < 2 or sum(count > 0 for count in found.values()) < 2:
        values = ", ".join(map(repr, found)) or "no usable value"
        raise BadTarget(
            f"A classifier learns from two classes or more. Received: {target!r} with {values} "
            f"({result.missing:,} of {result.rows:,} missing)."
        )
    return class_state(classes, [found.get(name, 0) for name in classes], target)


def class_state(classes: Sequence[Any], counts: Sequence[int], target: str) -> dict[str, np.ndarray]:
    """Classes and counts as state.

    Raises:
        BadTarget: A class is neither text (UTF-8) nor a number (of 64 bits, if whole) nor a boolean, or stands there
            twice.
    """
    names = [_plain(name, target) for name in classes]
    if len(set(names)) < len(names):
        raise BadTarget(f"Every class stands once among the classes. Received: {names}.")
    return {
        "classes": np.frombuffer(json.dumps(names).encode(), np.uint8).copy(),
        "counts": np.asarray(counts, np.int64),
    }


def class_names(state: Mapping[str, np.ndarray]) -> list[Any]:
    """The classes of a state, as str, int, bool or float."""
    return list(json.loads(state["classes"].tobytes()))


def require_single(target: pa.Array | pa.ChunkedArray, name: str) -> None:
    """Refuse a target of several values a row.

    Raises:
        BadTarget: It holds lists, structs or maps.
    """
    if pt.is_nested(target.type):
        raise BadTarget(
            f"A class is one value a row. Received: {name!r} of type {target.type}. "
            f"{'Sigmoid takes lists of labels.' if is_list(target.type) else 'Take one of its fields.'}"
        )


def encode_classes(target: pa.Array | pa.ChunkedArray, classes: Sequence[Any], name: str) -> np.ndarray:
    """The position of each row's class, int32, or -1 for a missing or unseen one.

    Raises:
        SchemaMismatch: The target is of another type than the classes.

    Example:
        >>> encode_classes(pa.array(["b", "c", None]), ["a", "b"], "label")
        array([ 1, -1, -1], dtype=int32)
    """
    if isinstance(target, pa.ChunkedArray):
        target = target.combine_chunks()
    if pt.is_dictionary(target.type):
        of_value = encode_classes(target.dictionary, classes, name)
        indices = pc.fill_null(target.indices.cast(pa.int64()), len(of_value)).to_numpy(zero_copy_only=False)
        return np.append(of_value, np.int32(-1))[indices]
    known = pa.array(classes)
    if pt.is_null(target.type):
        target = target.cast(known.type)
    if is_text(known.type) != is_text(target.type) or not (is_text(target.type) or is_number(target.type)):
        raise SchemaMismatch(
            f"The target {name!r} has classes of type {known.type}, as it was when the model was adapted. "
            f"Received: a column of type {target.type}. Cast it."
        )
    if is_text(known.type):
        # as bytes: those that are no UTF-8 are a class that was never seen
        target, known = target.cast(pa.large_binary()), known.cast(pa.large_binary())
    elif pt.is_integer(target.type) and not pt.is_boolean(known.type):
        # as integers: float64 takes those beyond 2^53 for others
        target, known = _whole(target), pa.array([_as_integer(value) for value in classes], pa.int64())
    else:
        target, known = target.cast(pa.float64(), safe=False), pa.array([_as_float(value) for value in classes])
        target = pc.add(target, 0.0)  # Arrow tells -0.0 from 0.0, statistics do not
    found = pc.index_in(target, value_set=known, skip_nulls=True)
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False)


def _whole(target: pa.Array) -> pa.Array:
    """Integers of any width as int64, null where that does not hold them."""
    if not pt.is_uint64(target.type):
        return target.cast(pa.int64())
    fits = pc.less_equal(target, pa.scalar(_MOST, pa.uint64()))
    return pc.if_else(fits, target, pa.scalar(None, pa.uint64())).cast(pa.int64())


def _as_integer(value: Any) -> int | None:
    """A class as the int64 that equals it, if one does."""
    whole = int(value)
    return whole if whole == value and -_MOST - 1 <= whole <= _MOST else None


def _as_float(value: Any) -> float | None:
    """A class as the float64 that equals it, if one does."""
    return float(value) if float(value) == value else None


def decode_classes(encoded: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """The classes at some positions: an array of objects for text, else of numbers or booleans."""
    return np.array(classes, object if isinstance(classes[0], str) else None)[np.asarray(encoded)]


def checked_weights(class_weight: Any) -> ClassWeight:
    """A class weight as it is held: None, "balanced", or pairs of class and weight, which may come instead of a dict.

    Raises:
        InvalidArgument: It is none.
    """
    if class_weight is None or class_weight == "balanced":
        return class_weight
    if not isinstance(class_weight, Mapping | list):
        raise InvalidArgument(f"class_weight is None, 'balanced' or a dict. Received: {class_weight!r}.")
    weights = dict(class_weight)
    if not all(isinstance(weight, int | float | np.number) and 0 <= weight <= _HEAVIEST for weight in weights.values()):
        raise InvalidArgument(
            f"A class's weight is a number, 0 at least and {_HEAVIEST:g} at most: losses are weighed in float32. "
            f"Received: {weights}."
        )
    # pairs rather than a dict: JSON would turn the keys into strings
    return list(weights.items())


def weights_of(class_weight: ClassWeight, classes: Sequence[Any], balanced: np.ndarray) -> np.ndarray | None:
    """What each class weighs, float32 (classes,), or None where all weigh one.

    Args:
        class_weight: What `checked_weights` gave.
        classes: In order.
        balanced: The weights that "balanced" stands for.

    Raises:
        InvalidArgument: A weight is of no class.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str):
        return balanced.astype(np.float32)
    given = dict(class_weight)
    if unknown := [name for name in given if name not in classes]:
        raise InvalidArgument(f"class_weight names classes, which are {_some(classes)}. Received: {unknown}.")
    return np.array([given.get(name, 1.0) for name in classes], np.float32)


def balanced_weights(counts: np.ndarray) -> np.ndarray:
    """Weights by which every class weighs alike: rows / (classes * rows of the class), as in scikit-learn.

    One each where no row was counted yet, as for classes that were given.
    """
    if not counts.any():
        return np.ones(len(counts))
    return counts.sum() / (len(counts) * np.maximum(counts, 1))


def _some(classes: Sequence[Any]) -> str:
    return ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")


def _plain(name: Any, target: str) -> Any:
    if isinstance(name, bytes):
        try:
            return name.decode()
        except UnicodeDecodeError:
            raise BadTarget(
                f"A class of bytes is text in UTF-8. Received: {name!r} in {target!r}. Decode the column, or make text "
                "of its bytes (pyarrow.array([value.hex() for value in ...]))."
            ) from None
    if isinstance(name, np.generic):
        name = name.item()
    if not isinstance(name, str | int | float | bool):
        raise BadTarget(
            f"A class is a string, a number or a boolean. Received: {name!r} in {target!r}. Cast the target."
        )
    if isinstance(name, int) and not -_MOST - 1 <= name <= _MOST:
        raise BadTarget(
            f"A class that is a whole number lies within 64 bits with a sign. Received: {name} in {target!r}. Cast the "
            "column to string."
        )
    return name
