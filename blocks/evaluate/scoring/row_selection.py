"""Rows of a head that are judged: some of them, and those of each group."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from blocks.evaluate.scoring.classification import ClassRows
from blocks.evaluate.scoring.forecast import StepRows
from blocks.evaluate.scoring.regression import NumberRows

Rows = ClassRows | NumberRows | StepRows
_R = TypeVar("_R", bound=Rows)


def select_rows(rows: _R, places: np.ndarray | slice) -> _R:
    """Some of the rows."""
    values = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
    some: dict[str, Any] = {k: v[places] for k, v in values.items() if isinstance(v, np.ndarray)}
    return dataclasses.replace(rows, **some)


def split_by_group(rows: _R, codes: np.ndarray, names: Sequence[str]) -> Iterator[tuple[str, _R, np.ndarray]]:
    """The rows of each group: its name, its rows, and their places among `rows`.

    Args:
        rows: Of a chunk.
        codes: (rows,) the place of each row's group in `names`.
        names: Of the groups.
    """
    if len(names) == 1:
        yield names[0], rows, np.arange(len(codes))
        return
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for i, name in enumerate(names):
        places = order[ends[i] : ends[i + 1]]
        yield name, select_rows(rows, places), places
