"""Comparison: whether onnxruntime answers from a file as the model does that it was made of. No file is made here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import onnxruntime

from blocks.block import Head
from blocks.errors import NotExportable
from blocks.postprocessors import Units

PROBABILITY_TOLERANCE: Final = 1e-6
DEVIATION_TOLERANCE: Final = 1e-5
BATCHES: Final = (1, 7)
"""Rows at a time, beside all at once."""
_USUAL: Final = 10.0
"""Features up to this size are usual: of standardised ones nearly all are."""
INSTEAD: Final = 'Export it as a SavedModel (format="savedmodel"), or put another block in its place.'
_NEAR: Final = "If rows like yours do not differ, give such: export(..., golden=rows). Else export it as a SavedModel."


class Scale(NamedTuple):
    """Of a head's target: its standard deviation and its mean, of one number each or (targets,)."""

    deviation: np.ndarray
    center: np.ndarray


@dataclass(frozen=True)
class Expected:
    """What a file must answer.

    Args:
        rows: Raw columns as they enter the graph: byte strings as objects.
        answers: The model's own.
        strained: By how much more numbers of each row may differ, (rows,).
        scales: Of each head by name, of which numbers its answers are; None of classes.
    """

    rows: Mapping[str, np.ndarray]
    answers: Mapping[str, np.ndarray]
    strained: np.ndarray
    scales: Mapping[str, Scale | None]


def compare(file: Path, expected: Expected) -> None:
    """Refuse a file of which onnxruntime answers otherwise than is expected, at any batch size.

    Args:
        file: The ONNX file.
        expected: Rows and their answers.

    Raises:
        NotExportable: It does not load or run; a text, integer or boolean differs, or a number by more than it may.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise NotExportable(f"onnxruntime does not load what the model becomes: {error}. {INSTEAD}") from error
    fed, usable = as_onnx(expected.rows)
    answered = ~np.any([_has_nan(values) for values in expected.answers.values()], axis=0)
    count = int(usable.sum())
    for size in (count, *BATCHES):
        for start in range(0, count, max(size, 1)):
            part = slice(start, start + size)
            try:
                found = session.run(
                    list(expected.answers), {one.name: fed[one.name][part] for one in session.get_inputs()}
                )
            except Exception as error:
                raise NotExportable(f"onnxruntime does not run what the model becomes: {error}. {INSTEAD}") from error
            for (name, whole), values in zip(expected.answers.items(), found, strict=True):
                limit = tolerance(_scale_of(expected.scales, name), whole[usable][part])
                _check(
                    name, whole[usable][part], values, answered[usable][part], limit, expected.strained[usable][part]
                )


def strain(features: Mapping[str, Any], count: int) -> np.ndarray:
    """How much larger than usual ones each row's largest feature is, (rows,); 1 of usual rows.

    Golden rows hold infinite numbers, whose features are hundreds of millions: float32's seven digits of their sums,
    which cancel, are more than what usual rows may differ by.

    Args:
        features: As the preprocessor gives them, (rows, ...); entries of another length are left out.
        count: Of the rows.
    """
    found = np.ones(count)
    for values in features.values():
        array = values.numpy()
        if array.dtype.kind == "f" and len(array) == count and array.size:
            sizes = np.abs(np.where(np.isfinite(array), array, 0.0)).reshape(count, -1).max(axis=1)
            found = np.maximum(found, sizes / _USUAL)
    return found


def as_onnx(rows: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Raw columns as onnxruntime takes them, and which of the rows it can take: those whose texts are UTF-8.

    Args:
        rows: As they enter the graph: byte strings as objects.
    """
    usable = np.ones(len(next(iter(rows.values()))), bool)
    texts: dict[str, np.ndarray] = {}
    for name, values in rows.items():
        if values.dtype == object:
            decoded = np.array([_decoded(one) for one in values.reshape(-1)], object).reshape(values.shape)
            usable &= (decoded != None).reshape(len(values), -1).all(axis=1)  # noqa: E711 (one by one)
            texts[name] = decoded
    return {name: texts.get(name, values)[usable] for name, values in rows.items()}, usable


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _has_nan(values: np.ndarray) -> np.ndarray:
    """The rows that hold a NaN, (rows,)."""
    if values.dtype.kind != "f":
        return np.zeros(len(values), bool)
    return np.asarray(np.isnan(values).reshape(len(values), -1).any(axis=1))


def _check(
    name: str, expected: np.ndarray, found: np.ndarray, answered: np.ndarray, limit: Any, strained: np.ndarray
) -> None:
    """Refuse an answer that is another; where the model's is NaN, this must be, and what follows from it may differ."""
    if expected.dtype == object:
        expected = np.array([one.decode() for one in expected.reshape(-1)], object).reshape(expected.shape)
    if expected.shape != found.shape or expected.dtype != found.dtype:
        raise NotExportable(
            f"In ONNX, answer {name!r} is {found.dtype} of shape {found.shape}, not {expected.dtype} of "
            f"{expected.shape}. {INSTEAD}"
        )
    if expected.dtype.kind != "f":
        other = (expected != found)[answered]
        if other.any():
            raise NotExportable(f"In ONNX, answer {name!r} is another in {other.sum()} of {expected.size}. {_NEAR}")
        return
    lost = _has_nan(expected)
    if (lost & ~_has_nan(found)).any():
        raise NotExportable(f"In ONNX, answer {name!r} is a number where the model's is NaN. {_NEAR}")
    more = strained.reshape(-1, *[1] * (expected.ndim - 1))
    limit = np.broadcast_to(limit * more, expected.shape)
    same = (expected == found) | lost.reshape(more.shape)
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(expected.astype(np.float64) - found))
        beyond = ~(same | (gap <= limit))
    if beyond.any():
        raise NotExportable(
            f"In ONNX, answer {name!r} differs by {gap[beyond].max():.3g}, more than {limit[beyond].min():.3g}. {_NEAR}"
        )


def tolerance(scale: Scale | None, expected: np.ndarray) -> Any:
    """How far an answer may differ: 1e-6, or of a regressor 1e-5 of the standard deviation of its target.

    Where an answer itself is larger than 1, or farther from the target's mean than one deviation (golden rows hold
    infinite values, so hundreds of millions are among them), that stands in the place of 1 or of the deviation: float32
    has seven digits.

    Args:
        scale: Of its head's target.
        expected: The answer, (batch, ...); None is said of what is no fraction.
    """
    if expected.dtype.kind != "f":
        return None
    size = np.abs(np.where(np.isfinite(expected), expected, 0.0).astype(np.float64))
    if scale is None:
        return PROBABILITY_TOLERANCE * np.maximum(size, 1.0)
    deviation, center = scale
    if deviation.ndim:  # of several targets: answers are (batch, targets, ...)
        shape = (1, -1, *[1] * (expected.ndim - 2))
        deviation, center = deviation.reshape(shape), center.reshape(shape)
    return DEVIATION_TOLERANCE * np.maximum(deviation, np.minimum(size, np.abs(expected - center)))


def scales(heads: Mapping[str, Head], chains: Mapping[str, Sequence[Any]]) -> dict[str, Scale | None]:
    """Of each head, of which numbers its answers are; None of classes.

    Args:
        heads: By name.
        chains: The postprocessors of each, of which `Units` change the numbers.
    """
    return {name: _scale(head, chains.get(name, ())) for name, head in heads.items()}


def _scale(head: Head, chain: Sequence[Any]) -> Scale | None:
    if head.state.get("scale") is None:
        return None
    deviation, center = np.asarray(head.state["scale"], np.float64), np.asarray(head.state["mean"], np.float64)
    if "exponent" in head.state:  # both are of the transformed target
        deviation = np.abs(head.inverse(np.ones_like(deviation)) - head.inverse(-np.ones_like(deviation))) / 2
        center = np.zeros_like(deviation)
    for block in chain:
        if isinstance(block, Units):
            deviation, center = deviation * abs(block.scale), center * block.scale + block.offset
    return Scale(deviation, center)


def _scale_of(scales: Mapping[str, Scale | None], answer: str) -> Scale | None:
    """That of the head that an answer is of."""
    names = [name for name in scales if not name or answer.startswith(f"{name}_")]
    return scales[max(names, key=len)]
