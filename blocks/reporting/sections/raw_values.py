"""Raw values of one row that a table does not show: its pictures, its windows as curves, its texts."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from blocks.evaluate.explanations.explanation import Explanation
from blocks.evaluate.explanations.picture_regions import PictureRegions
from blocks.pages import figures
from blocks.pages.content import Figure

LONG_TEXT, MOST_CHARACTERS = 60, 1_000
"""From how many characters on a text is shown beside the table, and how many of them."""


def shown_values(name: str, row: Mapping[str, Any], explanation: Explanation) -> list[Figure]:
    """The pictures and windows among the columns that contribute, with what their parts contribute.

    Args:
        name: Unlike that of every other figure of the page.
        row: Raw values.
        explanation: Of the row.
    """
    found: list[Figure] = []
    for column in dict.fromkeys(one.column for one in explanation.contributions):
        value = row[column]
        parts = {str(one.value): one.weight for one in explanation.contributions if one.column == column}
        strongest, place = next(iter(parts)), f"{name}-{len(found)}"
        regions = PictureRegions.of(value) if column in explanation.regions else None
        if regions is not None:
            of_region = np.array([parts[f"region {one}"] for one in range(1, regions.count + 1)])
            overlaid = figures.picture(f"{place}-parts", regions.pixels, of_region[regions.labels])
            size = "{1} x {0} pixels.".format(*regions.labels.shape)
            found.append(Figure(column, figures.picture(place, regions.pixels), size))
            more = f"Blue speaks for the answer, orange against it; most does {strongest}."
            found.append(Figure(f"{column}: contributions of regions", overlaid, more))
        elif isinstance(value, list):
            numbers = np.array(value, np.float64).tolist()
            svg = figures.lines(place, [(column, range(1, 1 + len(numbers)), numbers)], x="step", y=column)
            found.append(Figure(column, svg, f"Most do {strongest}."))
    return found


def long_texts(row: Mapping[str, Any], columns: Collection[str]) -> list[str]:
    """Paragraphs of the texts that are too long for a table, their beginnings where they are very long."""
    found = []
    for column in columns:
        value = row.get(column)
        if isinstance(value, str) and len(value) > LONG_TEXT:
            more = f" ... ({len(value):,} characters)" if len(value) > MOST_CHARACTERS else ""
            found.append(f"{column}: {value[:MOST_CHARACTERS]}{more}")
    return found
