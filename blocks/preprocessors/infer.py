"""What to do with each column of a table when nobody has said: the rules of `Columns.infer`, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from blocks.block import Preprocessor
from blocks.data import Source
from blocks.data.raw import is_number, is_text
from blocks.errors import EmptySource
from blocks.preprocessors.log1p import Log1p
from blocks.preprocessors.standardize import Standardize
from blocks.preprocessors.vocabulary import Vocabulary
from blocks.statistics import Counts, CountsResult, Distinct, Moments, MomentsResult

IDENTIFIER_SHARE = 0.9
"""A column of strings of which more than this share of rows differ is taken for an identifier or free text."""

HEAVY_TAIL = 10.0
"""A non-negative number whose largest value lies more than this many standard deviations above its mean."""

MIN_COUNT = 2
"""Strings seen less often than this are out of vocabulary: one row teaches nothing about a token."""


@dataclass(frozen=True)
class Choice:
    """What was chosen for one column, and why; no blocks where it is left out."""

    column: str
    blocks: list[Preprocessor]
    reason: str


def infer_choices(source: Source, exclude: frozenset[str], rows: int) -> list[Choice]:
    """A choice for every column, in the source's order, from at most the first `rows` rows.

    Raises:
        EmptySource: There are no rows.
    """
    fields = [field for field in source.schema if field.name not in exclude]
    moments = {field.name: Moments() for field in fields if is_number(field.type)}
    distinct = {field.name: Distinct() for field in fields if is_number(field.type) or is_text(field.type)}
    counts = {field.name: Counts() for field in fields if is_text(field.type)}
    seen = 0
    for chunk in _first(source.select(list(distinct)), rows) if distinct else ():
        seen += len(chunk)
        for name in chunk.schema.names:
            for statistics in (moments, distinct, counts):
                if name in statistics:
                    statistics[name].update(chunk.column(name))
    if not seen:
        raise EmptySource(
            f"A choice of blocks needs rows to look at. Received: {source!r} with no row of a number or string."
        )
    choices = []
    for field in source.schema:
        name = field.name
        if name in exclude:
            choices.append(Choice(name, [], "excluded by name"))
        elif name in moments:
            choices.append(_number(name, field.type, moments[name].result(), distinct[name].result().estimate))
        elif name in counts:
            choices.append(_text(name, counts[name].result(), distinct[name].result().estimate))
        else:
            choices.append(Choice(name, [], f"{field.type} has no block of its own: name one for it"))
    return choices


def _first(source: Source, rows: int) -> Iterator[pa.RecordBatch]:
    for chunk in source.chunks(encoded=True, exact=False):
        yield chunk.slice(0, rows)
        rows -= len(chunk)
        if rows <= 0:
            return


def _number(name: str, type: pa.DataType, moments: MomentsResult, distinct: float) -> Choice:
    if not moments.count:
        return Choice(name, [], f"{type}, all {moments.rows:,} values missing")
    missing = f", {moments.missing / moments.rows:.1%} missing" if moments.missing else ""
    if distinct <= 1 and not moments.missing:
        return Choice(name, [], f"{type}, constant {moments.mean:g}")
    indicator = moments.missing > 0
    if moments.min >= 0 and moments.max > moments.mean + HEAVY_TAIL * moments.std:
        reason = f"{type}, heavy right tail (mean {moments.mean:.4g}, largest {moments.max:.4g}){missing}"
        return Choice(name, [Log1p(), Standardize(indicator=indicator)], reason)
    return Choice(name, [Standardize(indicator=indicator)], f"{type}, about {distinct:.0f} distinct{missing}")


def _text(name: str, counts: CountsResult, distinct: float) -> Choice:
    present = counts.rows - counts.missing
    if not present:
        return Choice(name, [], f"text, all {counts.rows:,} values missing")
    missing = f", {counts.missing / counts.rows:.1%} missing" if counts.missing else ""
    if distinct <= 1 and not counts.missing:
        return Choice(name, [], "text, constant")
    if present > 20 and distinct > IDENTIFIER_SHARE * present:
        return Choice(name, [], f"text, {distinct / present:.0%} of values distinct: an identifier or free text")
    return Choice(name, [Vocabulary(min_count=MIN_COUNT)], f"text, about {distinct:.0f} distinct{missing}")
