"""Lanes that are worked on distinct strings, and what was worked out for the latest dictionary of each."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from blocks.data.raw_columns import RawColumn
from blocks.offline.dictionary_columns import TEXT, same_dictionary
from blocks.preprocessors.columns.lanes import Lane


def is_coded(lane: Lane, inputs: Mapping[str, RawColumn]) -> bool:
    """Whether a lane is worked on distinct values: it reads a single column of strings, and no images."""
    alone = len(lane.columns) == 1 and inputs[lane.columns[0]] == TEXT
    return alone and not any(block.row_by_row for block in lane.blocks)


class LatestResults:
    """By lane's name, what was worked out for the values of the latest dictionary: most chunks come with the same."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[pa.Array, np.ndarray]] = {}

    def get(self, lane: Lane, dictionary: pa.Array) -> np.ndarray | None:
        """What was worked out for this very dictionary, if it is the latest."""
        latest = self._latest.get(lane.name)
        return None if latest is None or not same_dictionary(latest[0], dictionary) else latest[1]

    def put(self, lane: Lane, dictionary: pa.Array, values: np.ndarray) -> None:
        """Remember what was worked out."""
        self._latest[lane.name] = (dictionary, values)
