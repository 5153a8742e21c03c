"""What to do with each column of a table when nobody has said: the rules of `Columns.infer`, and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data import Source
from blocks.data.arrow_types import is_instant, is_list, is_number, is_text, is_time, is_window
from blocks.data.raw_arrays import values_one_by_one
from blocks.data.raw_columns import MISSING_INT, raw_column
from blocks.errors import EmptySource
from blocks.preprocessors.categorical.vocabulary import Vocabulary
from blocks.preprocessors.columns.choice import Choice
from blocks.preprocessors.columns.picture_columns import pictures_of
from blocks.preprocessors.columns.row_number_columns import Numbering, unnamed
from blocks.preprocessors.columns.text_kinds import Written, written
from blocks.preprocessors.numeric.log1p import Log1p
from blocks.preprocessors.numeric.standardize import Standardize
from blocks.preprocessors.text.hashed_n_grams import HashedNGrams
from blocks.preprocessors.text.multi_hot import MultiHot
from blocks.preprocessors.text.normalize import Normalize
from blocks.preprocessors.text.tf_idf import TfIdf
from blocks.preprocessors.time.cyclical import Cyclical
from blocks.preprocessors.time.duration import Duration
from blocks.preprocessors.time.elapsed import Elapsed
from blocks.preprocessors.time.timestamp import Timestamp
from blocks.statistics import Budget, Counts, CountsResult, Distinct, Moments, MomentsResult, Statistic

IDENTIFIER_SHARE = 0.9
"""A column of strings of which more than this share of rows differ is taken for an identifier or free text."""

NUMBERED_ROWS, NUMBERED_SHARE, NUMBERED_SPREAD = 100, 0.97, 3
"""Integers that nearly all differ, and yet fill a third of their range, number the rows: of a hundred integers drawn
from such a range 85 differ, 97 never."""

HEAVY_TAIL = 10.0
"""A non-negative number whose largest value lies more than this many standard deviations above its mean."""

PROSE_TOKENS = 256
"""Words that are looked for in a column of prose, and items that are kept of one of lists."""

BUCKETS = 1 << 15
"""Columns of the n-grams of prose."""

MOST_WORDS = 256
"""Words of a text that are read: a batch of sparse rows takes as much as its longest."""

SHORT_TEXT = 300
"""Characters of a text, in the mean, up to which its n-grams of characters are taken too."""

LOOKED_AT = 10_000
"""Strings that are looked at to tell dates and prose from categories."""

MICROSECONDS_A_DAY = 86_400_000_000

MIN_ROWS = 5
"""Words and values of fewer rows are learned by no block that is chosen here: they tell of somebody rather than of the
many, and go into every file of the model. Little is lost: so few rows teach little about a token."""

KEPT = f"what stands in fewer than {MIN_ROWS} rows is not learned (min_count)"
NONE = f"nothing stands in {MIN_ROWS} rows"

PROSE_ROWS = 1_000
"""Texts in which is looked for a word that stands in as many rows."""


def infer_choices(source: Source, exclude: frozenset[str], rows: int, memory: int) -> list[Choice]:
    """A choice for every column, in the source's order, from at most the first `rows` rows, in `memory` bytes.

    Raises:
        EmptySource: There are no rows.
    """
    named = enumerate(source.schema.names)
    stored = {name: "an unnamed first column: the index of a frame" for i, name in named if unnamed(name, i)}
    stored |= source.bookkeeping
    fields = [field for field in source.schema if field.name not in exclude and field.name not in stored]
    numbers = [f.name for f in fields if is_number(f.type) or is_time(f.type) or is_window(f.type)]
    windows = {f.name: raw_column(f.type, window=True) for f in fields if is_window(f.type)}
    moments = {name: Moments() for name in numbers}
    pictures = {field.name: found for field in fields if (found := pictures_of(source, field)) is not None}
    texts_of = [field.name for field in fields if is_text(field.type) and field.name not in pictures]
    counts: dict[str, Statistic] = {name: Counts() for name in texts_of}
    counts = Budget(memory, [one.wish for one in counts.values()]).share(counts)
    distinct = {name: Distinct() for name in (*moments, *counts)}
    texts = {name: _Text() for name in counts}
    numberings = {name: Numbering() for name in moments if pa.types.is_integer(source.schema.field(name).type)}
    seen = 0
    for chunk in _first(source.select(list(distinct)), rows) if distinct else ():
        seen += len(chunk)
        for name in chunk.schema.names:
            values = chunk.column(name)
            if name in windows:
                values = values_one_by_one(values, windows[name], name)
            for statistics in (moments, distinct, counts):
                if name in statistics:
                    statistics[name].update(values)
            if name in texts:
                texts[name].look(values)
            if name in numberings:
                numberings[name].look(values)
    if not (seen or (not distinct and source.head(1).num_rows)):
        raise EmptySource(f"A choice of blocks needs rows to look at. Received: {source!r} with no row.")
    choices = []
    for field in source.schema:
        name = field.name
        if name in exclude:
            choices.append(Choice(name, [], "excluded by name"))
        elif name in stored:
            choices.append(Choice(name, [], stored[name], aloud=True))
        elif name in numberings and numberings[name].is_found:
            choices.append(Choice(name, [], f"{field.type}, never the same: row numbers", aloud=True))
        elif name in pictures:
            choices.append(Choice(name, [pictures[name].block], pictures[name].described))
        elif name in windows:
            choices.append(_window(name, field.type, moments[name].result(), distinct[name].result().estimate))
        elif name in moments and is_number(field.type):
            choices.append(_number(name, field.type, moments[name].result(), distinct[name].result().estimate))
        elif name in moments and not is_instant(field.type):
            choices.append(_span(name, field.type, moments[name].result()))
        elif name in moments:
            choices.append(_instant(name, str(field.type), moments[name].result(), [], ""))
        elif name in counts:
            choices.append(_text(name, counts[name].result(), distinct[name].result().estimate, texts[name]))
        elif is_list(field.type):
            choices.append(Choice(name, [MultiHot(min_rows=MIN_ROWS, top_k=PROSE_TOKENS)], f"{field.type}, {KEPT}"))
        else:
            choices.append(Choice(name, [], f"{field.type} has no block of its own: name one for it"))
    return choices


class _Text:
    """What the first values of a column of strings look like."""

    def __init__(self) -> None:
        self.looked = self.dates = self.spaced = self.characters = 0
        self._first: list[pa.Array] = []

    def look(self, values: pa.Array) -> None:
        """Look at values until enough have been seen."""
        if self.looked >= LOOKED_AT:
            return
        values = values.slice(0, LOOKED_AT)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
            return
        values = values.filter(pc.fill_null(pc.not_equal(values, ""), False))
        if self.looked < PROSE_ROWS:
            self._first.append(pa.array(values.slice(0, PROSE_ROWS).to_pylist()))  # no part of a large chunk is held
        self.looked += len(values)
        dates = pc.match_substring_regex(values, r"^\s*[12]\d{3}-[01]\d-[0-3]\d([T ][0-2]\d:[0-5]\d.*)?\s*$")
        self.dates += pc.sum(dates).as_py() or 0
        self.characters += pc.sum(pc.utf8_length(values)).as_py() or 0
        self.spaced += pc.sum(pc.greater_equal(pc.count_substring(values, " "), 3)).as_py() or 0

    @property
    def are_dates(self) -> bool:
        """Whether nearly all are dates, or dates and times, as ISO 8601 writes them."""
        return self.looked > 0 and self.dates >= 0.95 * self.looked

    @property
    def is_long(self) -> bool:
        """Whether they are longer than messages."""
        return self.characters > SHORT_TEXT * self.looked

    @property
    def is_prose(self) -> bool:
        """Whether half of them have four words or more."""
        return self.looked > 0 and self.spaced >= 0.5 * self.looked

    def different(self, counts: CountsResult) -> tuple[pa.Array, np.ndarray]:
        """Different texts and the rows of each, of all rows if they could be counted, else of the first."""
        if counts.exact and pa.types.is_large_string(counts.values.type):
            return counts.values, counts.counts
        first = pa.concat_arrays(self._first).value_counts() if self._first else pa.array([])
        return (
            (first.field("values"), first.field("counts").to_numpy()) if len(first) else (first, np.zeros(0, np.int64))
        )

    def has_words_of(self, block: TfIdf) -> bool:
        """Whether the block would learn any word of the first texts."""
        try:
            block.copy().adapt(pa.concat_arrays(self._first))
        except EmptySource:
            return False
        return True


def _first(source: Source, rows: int) -> Iterator[pa.RecordBatch]:
    for chunk in source.chunks(encoded=True, exact=False):
        yield chunk.slice(0, rows)
        rows -= len(chunk)
        if rows <= 0:
            return


def _number(
    name: str, type: pa.DataType, moments: MomentsResult, distinct: float, before: Sequence[Preprocessor] = ()
) -> Choice:
    if not moments.count:
        return Choice(name, [], f"{type}, all {moments.rows:,} values missing")
    if distinct <= 1 and not moments.missing:
        return Choice(name, [], f"{type}, constant {moments.mean:g}")
    numbered = distinct > NUMBERED_SHARE * moments.count and moments.max - moments.min < NUMBERED_SPREAD * moments.count
    if pa.types.is_integer(type) and moments.count > NUMBERED_ROWS and numbered:
        return Choice(name, [], f"{type}, a number a row: an identifier", aloud=True)
    return _quantity(name, str(type), moments, distinct, before)


def _window(name: str, type: pa.DataType, moments: MomentsResult, distinct: float) -> Choice:
    """Windows of numbers, by the statistics of all their values."""
    what = f"windows of {type.list_size} values of {type.value_type}"
    if not moments.count:
        return Choice(name, [], f"{what}, all {moments.rows:,} values missing")
    if distinct <= 1 and not moments.missing:
        return Choice(name, [], f"{what}, constant {moments.mean:g}")
    return _quantity(name, f"{what}, scaled as one", moments, distinct, [])


def _quantity(name: str, type: str, moments: MomentsResult, distinct: float, before: Sequence[Preprocessor]) -> Choice:
    missing = f", {moments.missing / moments.rows:.1%} missing" if moments.missing else ""
    indicator = moments.missing > 0
    if moments.min >= 0 and moments.max > moments.mean + HEAVY_TAIL * moments.std:
        reason = f"{type}, heavy right tail (mean {moments.mean:.4g}, largest {moments.max:.4g}){missing}"
        return Choice(name, [*before, Log1p(), Standardize(add_indicator=indicator)], reason)
    about = min(round(distinct), moments.count)  # an estimate may be of more than there are
    return Choice(name, [*before, Standardize(add_indicator=indicator)], f"{type}, about {about} distinct{missing}")


def _instant(name: str, type: str, moments: MomentsResult, before: list[Preprocessor], missing: str) -> Choice:
    """Calendar parts and the time since the first instant seen, as two chains of one column."""
    if not moments.count:
        return Choice(name, [], f"{type}, all {moments.rows:,} values missing")
    if moments.min == moments.max:
        return Choice(name, [], f"{type}, constant")
    if moments.missing:
        missing = f", {moments.missing / moments.rows:.1%} missing"
    days = (moments.max - moments.min) / MICROSECONDS_A_DAY
    parts = [part for part, least in (("month", 60), ("weekday", 7), ("hour", 1)) if days >= least]
    if moments.min % MICROSECONDS_A_DAY == 0 and moments.max % MICROSECONDS_A_DAY == 0 and "hour" in parts:
        parts.remove("hour")
    chains: list[list[Preprocessor]] = [[*_copies(before), Elapsed("min"), Standardize()]]
    chains += [[*_copies(before), Cyclical(part)] for part in parts]
    described = f"{type} over {days:,.0f} days{missing}: time elapsed, and the cycles of {', '.join(parts) or 'none'}"
    return Choice(name, tuple(chains), described)


def _span(name: str, type: pa.DataType, moments: MomentsResult) -> Choice:
    """Durations, and times of day: how long, in hours, and where in the day's cycle."""
    if not moments.count:
        return Choice(name, [], f"{type}, all {moments.rows:,} values missing")
    if moments.min == moments.max and not moments.missing:
        return Choice(name, [], f"{type}, constant")
    missing = f", {moments.missing / moments.rows:.1%} missing" if moments.missing else ""
    long: list[Preprocessor] = [Duration("hour"), Standardize(add_indicator=moments.missing > 0)]
    if not pa.types.is_time(type):
        return Choice(name, long, f"{type}{missing}: hours")
    return Choice(name, (long, [Cyclical(period="day")]), f"{type}{missing}: hours since midnight, and the day's cycle")


def _copies(blocks: list[Preprocessor]) -> list[Preprocessor]:
    return [block.copy() for block in blocks]


def _text(name: str, counts: CountsResult, distinct: float, text: _Text) -> Choice:
    present = counts.rows - counts.missing
    if not present:
        return Choice(name, [], f"text, all {counts.rows:,} values missing")
    missing = f", {counts.missing / counts.rows:.1%} missing" if counts.missing else ""
    distinct = min(distinct, present)  # an estimate may be of more than there are
    if distinct <= 1 and not counts.missing:
        return Choice(name, [], "text, constant")
    if text.are_dates:
        found: Written | None = Written(Timestamp(), 1.0, "dates as ISO 8601 writes them")
    else:
        found = written(*text.different(counts))
    if found is not None and found.sure:
        return _written(name, found, text.different(counts), counts.missing, missing)
    choice = _words(name, counts, distinct, text, missing)
    if choice.blocks or found is None or found.codes:
        return choice
    what = type(found.block).__name__
    doubt = f"{found.share:.0%} of its values read as {found.described}: give it preprocessors.{what}() if they are"
    return replace(choice, reason=f"{choice.reason}; {doubt}", doubt=doubt)


def _written(name: str, found: Written, texts: tuple[pa.Array, np.ndarray], absent: int, missing: str) -> Choice:
    """Text that says numbers or dates, as what they are."""
    values = found.block.compute(tf.constant(texts[0].to_numpy(zero_copy_only=False), tf.string)).numpy()
    seen, distinct = Moments(), len(np.unique(values))
    if isinstance(found.block, Timestamp):
        instants = np.repeat(values, texts[1])
        seen.update(pa.array(instants, mask=instants == MISSING_INT))
        choice = _instant(name, f"text of {found.described}", seen.result(), [found.block], missing)
        other = (
            f"it is read as {found.block.formats[0]}, though {found.doubt} fits every value too: begin its chain with "
            f"preprocessors.Timestamp({found.doubt!r}) if that is meant"
        )
        return replace(choice, doubt=other, reason=f"{choice.reason}; {other}") if found.doubt else choice
    numbers = np.concatenate([np.repeat(values, texts[1]), np.full(absent, np.nan)])
    seen.update(pa.array(numbers))
    whole = bool(np.all(np.isnan(values) | (values == np.round(values))))
    numbering = Numbering()
    numbering.look(pa.array(values))
    if whole and numbering.is_found and (texts[1] == 1).all():
        return Choice(name, [], f"text of {found.described}, never the same: row numbers", aloud=True)
    choice = _number(name, pa.int64() if whole else pa.float64(), seen.result(), distinct, [found.block])
    return replace(choice, reason=f"text of {found.described}: {choice.reason}")


def _words(name: str, counts: CountsResult, distinct: float, text: _Text, missing: str) -> Choice:
    """Text as categories, prose or an identifier."""
    present = counts.rows - counts.missing
    if present > 20 and text.is_prose and distinct > 0.5 * present:
        described = f"prose, {distinct / present:.0%} of values distinct{missing}"
        if not text.has_words_of(TfIdf(PROSE_TOKENS, min_count=MIN_ROWS)):
            return Choice(name, [], f"{described}; {NONE}")
        # parts of words help where there are few words
        parts = None if text.is_long else (3, 4)
        options: dict[str, Any] = {"characters": parts, "max_words": MOST_WORDS, "sublinear_tf": True}
        block = HashedNGrams(BUCKETS, words=(1, 2), min_rows=MIN_ROWS, **options)
        return Choice(
            name, [Normalize(), block], f"{described}; n-grams of fewer than {MIN_ROWS} rows are 0 (min_rows)"
        )
    if present > 20 and distinct > IDENTIFIER_SHARE * present:
        return Choice(name, [], f"text, {distinct / present:.0%} of values distinct: an identifier")
    described = f"text, about {distinct:.0f} distinct{missing}"
    if not len(counts.counts) or counts.counts[0] < MIN_ROWS:
        return Choice(name, [], f"{described}; {NONE}")
    return Choice(name, [Vocabulary(min_count=MIN_ROWS)], f"{described}; {KEPT}")
