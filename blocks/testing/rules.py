"""A rule that holds or names itself, and equality of what blocks give: structure, shapes, dtypes, bits."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from blocks.block import Block


@contextmanager
def rule(block: Block, rule: str) -> Iterator[None]:
    """Whatever goes wrong within becomes an AssertionError that names the block and the rule."""
    try:
        yield
    except Exception as error:
        found = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        raise AssertionError(f"{type(block).__name__}: {rule}. Found: {found}") from error


@contextmanager
def refused(*errors: type[Exception], otherwise: str) -> Iterator[None]:
    """What happens within must raise one of these errors."""
    try:
        yield
    except errors:
        return
    raise AssertionError(otherwise)


def require(condition: bool, found: str) -> None:
    """Say what was found unless the condition holds."""
    if not condition:
        raise AssertionError(found)


def same(expected: Any, found: Any, tolerance: float = 0.0, where: str = "") -> None:
    """Equal structure, shapes, dtypes, and bits; or numbers within `tolerance` of the largest."""
    if isinstance(expected, Mapping):
        require(set(expected) == set(found), f"{sorted(found)} for {sorted(expected)} {where}")
        for name in expected:
            same(expected[name], found[name], tolerance, f"of {name!r} {where}".strip())
        return
    if isinstance(expected, tuple | list):
        for one, other in zip(expected, found, strict=True):
            same(one, other, tolerance, where)
        return
    one, other = as_long([np.asarray(expected), np.asarray(found)])
    kind = f"{other.dtype} {other.shape} for {one.dtype} {one.shape} {where}".rstrip()
    require(one.dtype == other.dtype and one.shape == other.shape, kind)
    if one.dtype == object:
        require(_bytes(one) == _bytes(other), f"other values {where}")
        return
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    bits = np.dtype(f"V{one.dtype.itemsize}")
    differing = one.reshape(-1).view(bits) != other.reshape(-1).view(bits)
    if tolerance and one.dtype.kind == "f":
        size = max(np.abs(one[np.isfinite(one)]).max(initial=0.0), np.finfo(one.dtype).tiny)
        near = np.isclose(one, other, rtol=0.0, atol=tolerance * size, equal_nan=True).reshape(-1)
        differing &= ~near
    if differing.any():
        at = int(np.argmax(differing))
        pair = f"{other.reshape(-1)[at]!r} for {one.reshape(-1)[at]!r}"
        raise AssertionError(f"{int(differing.sum())} of {differing.size} values differ {where}: {pair} at {at}")


def as_long(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows of pairs, (rows, most, 2), filled up to one length with the zeros in which they end; others as they are."""
    if any(array.ndim != 3 or array.shape[2] != 2 for array in arrays):
        return list(arrays)
    most = max(array.shape[1] for array in arrays)
    return [np.pad(array, ((0, 0), (0, most - array.shape[1]), (0, 0))) for array in arrays]


def same_state(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], tolerance: float = 0.0) -> None:
    """Equal learned state; floats within `tolerance`, all else bit for bit."""
    require(set(expected) == set(found), f"state {sorted(found)} for {sorted(expected)}")
    for name, value in expected.items():
        same(value, found[name], tolerance if value.dtype.kind == "f" else 0.0, f"in state {name!r}")


def _bytes(text: np.ndarray) -> list[Any]:
    return [value.encode() if isinstance(value, str) else value for value in text.reshape(-1)]
