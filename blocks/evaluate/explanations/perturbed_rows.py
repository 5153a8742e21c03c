"""Neighbours: rows that keep some of one row's raw values and have other values of the background in place of the rest.

Values stay raw: numbers, strings, times and missing ones, as they come in. What is learned from the rows is LIME's job.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_number, is_text, is_time, is_window
from blocks.data.fixed_size_lists import items_of
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn, raw_column
from blocks.evaluate.explanations.picture_regions import DrawnPictures, PictureRegions

FEW = 10
"""Numbers of a column with at most this many distinct ones are compared one by one, others by quarter."""

MOST_WORDS = 500
"""Words of one text that can be left out; those after them always stay."""

MOST_STRETCHES = 12
"""Stretches that a window is cut into."""

MISSING = -1
"""The group of missing values."""


@dataclass(frozen=True)
class Neighbours:
    """Rows around one, which is the first of them.

    Args:
        columns: (1 + n) raw values of each column; pictures are encoded when they are asked for.
        schema: The columns'.
        kept: (1 + n, features) What each row kept: a column's value, or a word, stretch or region of it.
        features: The column and value (or word, stretch, region) of each feature.
        changed: (1 + n,) How many columns differ from the first row; of one that is cut into parts, the share of these
            that is gone.
        regions: Of columns of pictures: the region of each pixel of the row's, from 0.
    """

    columns: Sequence[pa.Array | DrawnPictures]
    schema: pa.Schema
    kept: np.ndarray
    features: Sequence[tuple[str, Any]]
    changed: np.ndarray
    regions: dict[str, np.ndarray] = field(default_factory=dict)

    def tables(self) -> Iterator[pa.Table]:
        """The rows in pieces: one, but where there are pictures."""
        pictures = [column.piece for column in self.columns if isinstance(column, DrawnPictures)]
        length = min(pictures, default=len(self.changed))
        for start in range(0, len(self.changed), length):
            size = min(length, len(self.changed) - start)
            yield pa.Table.from_arrays([column.slice(start, size) for column in self.columns], schema=self.schema)


def neighbours(row: pa.Table, background: pa.Table, count: int, seed: int) -> Neighbours:
    """Draw neighbours of a row.

    Each keeps each value with probability 1/2, independently. What takes its place is another string; a number or time
    of another quarter of the background's; a missing value for a present one, and the other way round. Of a text of
    several words a random share of the words is left out; of a picture, of its regions, which have their mean colour
    then; of a window, of its stretches, which have the values of another row. A column without any other value always
    stays, and is no feature.

    The draws are scrambled Sobol points, which fill every column, and nearly so every pair of columns, evenly. So a
    column that the model does not use, or hardly, gets far less weight by chance than from independent draws.

    Args:
        row: One raw row.
        background: Raw rows of the same schema.
        count: How many to draw, rounded up to a power of two; fewer of large pictures (`PictureRegions.most`).
        seed: Another seed, other neighbours.
    """
    from scipy.stats.qmc import Sobol

    values = {name: row.column(name).combine_chunks() for name in row.schema.names}
    pictures = {
        name: regions for name, value in values.items() if (regions := PictureRegions.of(value[0].as_py())) is not None
    }
    count = min([count, *(one.most for one in pictures.values())])
    points = Sobol(len(row.schema), rng=np.random.default_rng(seed)).random_base2(math.ceil(math.log2(count)))
    columns: list[pa.Array | DrawnPictures] = []
    kept = []
    features: list[tuple[str, Any]] = []
    changed = np.zeros(1 + len(points))
    for place, (name, value) in enumerate(values.items()):
        others = background.column(name).combine_chunks()
        random = np.random.default_rng([seed, place])
        share = points[:, place]
        if name in pictures:
            mask = _shares(share, pictures[name].count, random)
            found: list[Any] = [f"region {number}" for number in range(1, pictures[name].count + 1)]
            columns.append(DrawnPictures(value, pictures[name], mask))
        else:
            if is_window(value.type) and value.null_count == 0:
                found, drawn, mask = _stretched(value, others, share, random)
            elif (tokens := _tokens(value, others)) is not None:
                found, drawn, mask = _shortened(value.type, tokens, share, random)
            else:
                found, drawn, mask = _replaced(value, others, share)
            columns.append(pa.concat_arrays([value, drawn]))
        if found:
            kept.append(np.vstack([np.ones((1, len(found)), bool), mask]))
            features += [(name, one) for one in found]
            changed[1:] += 1.0 - mask.mean(axis=1)
    return Neighbours(
        columns,
        row.schema,
        np.hstack(kept) if kept else np.ones((len(changed), 0), bool),
        features,
        changed,
        {name: one.labels for name, one in pictures.items()},
    )


def _shares(share: np.ndarray, parts: int, random: np.random.Generator) -> np.ndarray:
    """Which parts of a value each row keeps, bool (rows, parts): about its share of them."""
    found: np.ndarray = random.random((len(share), parts)) < share[:, None]
    return found


def _stretched(
    value: pa.Array, others: pa.Array, share: np.ndarray, random: np.random.Generator
) -> tuple[list[str], pa.Array, np.ndarray]:
    """The window with about a share of its stretches, and another row's values in place of the others."""
    length = value.type.list_size
    others = others.filter(others.is_valid())
    if not len(others):
        return [], value.take(pa.array(np.zeros(len(share), np.int64))), np.ones((len(share), 1), bool)
    stretches = np.array_split(np.arange(length), min(length, MOST_STRETCHES))
    kept = _shares(share, len(stretches), random)
    items = pa.concat_arrays([items_of(value, length, "")[0], items_of(others, length, "")[0]])
    start = length * random.integers(1, 1 + len(others), len(share))
    of_step = np.repeat(kept, [len(one) for one in stretches], axis=1)
    places = np.where(of_step, 0, start[:, None]) + np.arange(length)
    drawn = pa.FixedSizeListArray.from_arrays(items.take(pa.array(places.reshape(-1))), length).cast(value.type)
    ends = [(int(one[0]) + 1, int(one[-1]) + 1) for one in stretches]
    names = [
        f"steps {first} to {last} of {length}" if last > first else f"step {last} of {length}" for first, last in ends
    ]
    return names, drawn, kept


def _replaced(value: pa.Array, values: pa.Array, point: np.ndarray) -> tuple[list[Any], pa.Array, np.ndarray]:
    """The row's value where the point lies in the lower half, and others in their order over the upper half."""
    groups, order = alike_groups(pa.concat_arrays([values, value]))
    others = np.flatnonzero(groups[:-1] != groups[-1])
    kept = point < 0.5
    if not len(others):
        return [], value.take(pa.array(np.zeros(len(point), np.int64))), kept[:, None]
    others = others[np.argsort(order[others], kind="stable")]
    place = np.maximum(2.0 * point - 1.0, 0.0) * len(others)
    elsewhere = values.take(pa.array(others[place.astype(np.int64)]))
    present = None if groups[-1] == MISSING else value[0].as_py()
    return [present], pc.if_else(pa.array(kept), value[0], elsewhere), kept[:, None]


def alike_groups(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Which values count as alike, and an order of the values.

    Returns:
        int64 (rows,), -1 for missing ones; all alike where they are lists or structs. And numbers (rows,), NaN for
        missing ones, that are the values where these have an order, and their groups elsewhere.

    Example:
        >>> alike_groups(pa.array(["a", "b", "", None, "a"]))[0].tolist()
        [0, 1, -1, -1, 0]
        >>> alike_groups(pa.array([float(x) for x in range(20)] + [float("nan")]))[0].tolist()[::4]
        [0, 0, 1, 2, 3, -1]
    """
    if pt.is_nested(values.type):
        return np.zeros(len(values), np.int64), np.zeros(len(values))
    missing = is_missing(values)
    if is_number(values.type) or is_time(values.type):
        column = raw_column(values.type) if is_time(values.type) else RawColumn("float64")
        numbers = to_raw(values, column).astype(np.float64)
        finite = numbers[~missing & np.isfinite(numbers)]
        if len(np.unique(finite)) > FEW:
            edges = np.unique(np.quantile(finite, [0.25, 0.5, 0.75]))
        else:
            edges = np.unique(numbers[~missing])
        groups = np.searchsorted(edges, numbers)
    else:
        groups = pc.fill_null(values.dictionary_encode().indices, MISSING).to_numpy(zero_copy_only=False)
        numbers = groups.astype(np.float64)
    return np.where(missing, MISSING, groups), np.where(missing, np.nan, numbers)


def is_missing(values: pa.Array) -> np.ndarray:
    """Which values are null, NaN or "", bool (rows,)."""
    if is_text(values.type):
        return pc.fill_null(pc.equal(pc.binary_length(values), 0), True).to_numpy(zero_copy_only=False)
    return values.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)


def is_prose(values: pa.Array) -> bool:
    """Whether half of the strings that are there have four words or more, and half of them differ."""
    if not (pt.is_string(values.type) or pt.is_large_string(values.type)):
        return False
    present = values.filter(pa.array(~is_missing(values)))
    spaced = pc.greater_equal(pc.count_substring(present, " "), 3)
    return len(present) > 0 and pc.mean(spaced).as_py() >= 0.5 and pc.count_distinct(present).as_py() > len(present) / 2


def _tokens(value: pa.Array, values: pa.Array) -> list[str] | None:
    """The row's text cut into words and what stands between them, where it is a text of several words."""
    if not is_text(value.type) or is_missing(value)[0] or not is_prose(values):
        return None
    tokens = re.findall(r"\w+|\W+", value[0].as_py())
    return tokens if len({token for token in tokens if _is_word(token)}) > 1 else None


def _is_word(token: str) -> bool:
    return re.match(r"\w", token) is not None


def _shortened(
    type: pa.DataType, tokens: list[str], share: np.ndarray, random: np.random.Generator
) -> tuple[list[Any], pa.Array, np.ndarray]:
    """The text with about a share of its words; one that is left out is so wherever it stands."""
    words = list(dict.fromkeys(token for token in tokens if _is_word(token)))[:MOST_WORDS]
    position = {word: index for index, word in enumerate(words)}
    # what is no word, or beyond the most, is always there
    feature = np.array([position.get(token, len(words)) for token in tokens])
    kept = _shares(share, len(words), random)
    there = np.hstack([kept, np.ones((len(share), 1), bool)])[:, feature]
    texts = ["".join([tokens[place] for place in np.flatnonzero(row)]) for row in there]
    return words, pa.array(texts, type), kept
