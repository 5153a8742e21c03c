"""Comparison: whether onnxruntime answers from a file as the model does that it was made of. No file is made here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from blocks.block import Head
from blocks.errors import NotExportable
from blocks.inference.graph import InferenceGraph
from blocks.postprocessors import Units

PROBABILITY_TOLERANCE: Final = 1e-6
DEVIATION_TOLERANCE: Final = 1e-5
BATCHES: Final = (1, 7)
"""Rows at a time, beside all at once."""
_USUAL: Final = 10.0
"""Features up to this size are usual: of standardised ones nearly all are."""
INSTEAD: Final = 'Export it as a SavedModel (format="savedmodel"), or put another block in its place.'
_NEAR: Final = "If rows like yours do not differ, give such: export(..., golden=rows). Else export it as a SavedModel."


def compare(
    graph: InferenceGraph,
    file: Path,
    rows: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    strained: np.ndarray,
) -> None:
    """Refuse a file of which onnxruntime answers otherwise than the model does, at any batch size.

    Args:
        graph: The model.
        file: The ONNX file.
        rows: Raw columns as they enter the graph: byte strings as objects.
        expected: The answers.
        strained: By how much more numbers of each row may differ, (rows,).

    Raises:
        NotExportable: It does not load or run; a text, integer or boolean differs, or a number by more than it may.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise NotExportable(f"onnxruntime does not load what the model becomes: {error}. {INSTEAD}") from error
    fed, usable = as_onnx(rows)
    count = int(usable.sum())
    for size in (count, *BATCHES):
        for start in range(0, count, max(size, 1)):
            part = slice(start, start + size)
            try:
                found = session.run(list(expected), {one.name: fed[one.name][part] for one in session.get_inputs()})
            except Exception as error:
                raise NotExportable(f"onnxruntime does not run what the model becomes: {error}. {INSTEAD}") from error
            for (name, whole), values in zip(expected.items(), found, strict=True):
                _check(graph, name, whole[usable][part], values, strained[usable][part])


def strain(graph: InferenceGraph, rows: Mapping[str, Any]) -> np.ndarray:
    """How much larger than usual ones each row's largest feature is, (rows,); 1 of usual rows.

    Golden rows hold infinite numbers, whose features are hundreds of millions: float32's seven digits of their sums,
    which cancel, are more than what usual rows may differ by.
    """
    count = len(next(iter(rows.values())))
    found = np.ones(count)
    for values in graph.features(rows).values():
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


def _check(graph: InferenceGraph, name: str, expected: np.ndarray, found: np.ndarray, strained: np.ndarray) -> None:
    if expected.dtype == object:
        expected = np.array([one.decode() for one in expected.reshape(-1)], object).reshape(expected.shape)
    if expected.shape != found.shape or expected.dtype != found.dtype:
        raise NotExportable(
            f"In ONNX, answer {name!r} is {found.dtype} of shape {found.shape}, not {expected.dtype} of "
            f"{expected.shape}. {INSTEAD}"
        )
    if expected.dtype.kind != "f":
        if (expected != found).any():
            raise NotExportable(
                f"In ONNX, answer {name!r} is another in {(expected != found).sum()} of {expected.size}. {_NEAR}"
            )
        return
    more = strained.reshape(-1, *[1] * (expected.ndim - 1))
    limit = np.broadcast_to(tolerance(graph, name, expected) * more, expected.shape)
    same = (expected == found) | (np.isnan(expected) & np.isnan(found))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(expected.astype(np.float64) - found))
        beyond = ~(gap <= limit)
    if beyond.any():
        raise NotExportable(
            f"In ONNX, answer {name!r} differs by {gap[beyond].max():.3g}, more than {limit[beyond].min():.3g}. {_NEAR}"
        )


def tolerance(graph: InferenceGraph, name: str, expected: np.ndarray) -> Any:
    """How far an answer may differ: 1e-6, or of a regressor 1e-5 of the standard deviation of its target.

    Where an answer itself is larger than 1, or farther from the target's mean than one deviation (golden rows hold
    infinite values, so hundreds of millions are among them), that stands in the place of 1 or of the deviation: float32
    has seven digits.

    Args:
        graph: The model.
        name: The answer's name.
        expected: The answer, (batch, ...).
    """
    size = np.abs(np.where(np.isfinite(expected), expected, 0.0).astype(np.float64))
    of_head, head = _head_of(graph, name)
    if head.state.get("scale") is None:
        return PROBABILITY_TOLERANCE * np.maximum(size, 1.0)
    deviation, center = np.asarray(head.state["scale"], np.float64), np.asarray(head.state["mean"], np.float64)
    if "exponent" in head.state:  # both are of the transformed target
        deviation = np.abs(head.inverse(np.ones_like(deviation)) - head.inverse(-np.ones_like(deviation))) / 2
        center = np.zeros_like(deviation)
    for block in graph.chains.get(of_head, ()):
        if isinstance(block, Units):
            deviation, center = deviation * abs(block.scale), center * block.scale + block.offset
    if deviation.ndim:  # of several targets: answers are (batch, targets, ...)
        shape = (1, -1, *[1] * (expected.ndim - 2))
        deviation, center = deviation.reshape(shape), center.reshape(shape)
    return DEVIATION_TOLERANCE * np.maximum(deviation, np.minimum(size, np.abs(expected - center)))


def _head_of(graph: InferenceGraph, answer: str) -> tuple[str, Head]:
    """The head that an answer is of, and its name."""
    heads = graph.head.heads
    names = [name for name in heads if not name or answer.startswith(f"{name}_")]
    name = max(names, key=len)
    return name, heads[name]
