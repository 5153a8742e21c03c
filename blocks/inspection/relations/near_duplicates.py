"""Texts that are nearly equal, such as templates with another name filled in: on a sample, each pair compared in full.

Texts that are equal are counted by `duplicate_rows`, over all rows.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.statistics.canonical_types import canonical, canonical_type
from blocks.statistics.hashing import STEP, hash64, mix64
from blocks.statistics.missing import is_missing
from blocks.statistics.spelling import folded

SIMILAR: Final = 0.8
"""Jaccard's index of two texts' word triples from which they are nearly equal."""

LEAST_WORDS: Final = 8
"""Words from which a text is looked at."""

MOST_WORDS: Final = 200
"""Words of a text that are looked at, from its first."""

MOST_TEXTS: Final = 10_000

_BANDS, _OF_A_BAND = 20, 6
_MOST_PAIRS = 50_000


class NearDuplicates(NamedTuple):
    """Nearly equal texts of one column.

    Args:
        column: Its name.
        texts: Different texts of 8 words or more that were looked at.
        similar: How many of them are nearly equal to another.
        groups: Into how many groups those fall.
        largest: How many are in the largest group.
    """

    column: str
    texts: int
    similar: int
    groups: int
    largest: int


def near_duplicates(rows: pa.Table) -> tuple[NearDuplicates, ...]:
    """The columns of a sample in which texts are nearly equal to others.

    Two texts are where of the triples of words that follow each other in either (case, accents and punctuation apart;
    the first 200 words) at least 80% stand in both. Pairs that are likely to be are found by MinHash and locality
    sensitive hashing, of which a pair at 80% is missed once in 400 times; then all triples of each are compared, so
    that none is told that is not.

    Args:
        rows: The sample; of more than 10,000 different texts of a column the first are looked at.

    Example:
        >>> prize = "you have won a prize of one thousand pounds, call us today or send us a letter until next Monday"
        >>> texts = [f"Dear {name}, {prize}" for name in ("Ann", "Bob", "Eve")]
        >>> near_duplicates(pa.table({"text": [*texts, "this is another text that has nothing to do with it"]}))
        (NearDuplicates(column='text', texts=4, similar=3, groups=1, largest=3),)

    Source: Broder, "On the Resemblance and Containment of Documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
        Massive Datasets", chapter 3.
    """
    found = []
    for field in rows.schema:
        kind = canonical_type(field.type)
        if kind is not None and pa.types.is_large_string(kind):
            looked_at = _triples(rows[field.name])
            if looked_at is not None and (groups := _groups(*looked_at)):
                sizes = [len(group) for group in groups]
                found.append(NearDuplicates(field.name, len(looked_at[1]) - 1, sum(sizes), len(sizes), max(sizes)))
    return tuple(found)


def _triples(texts: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray] | None:
    """Hashes of all triples, rising and different within a text, and where each text's begin; None of few texts."""
    array = canonical(pa.concat_arrays(texts.chunks)) if texts.num_chunks else pa.array([], pa.large_string())
    array = pc.unique(array.filter(pc.invert(is_missing(array)))).slice(0, MOST_TEXTS)
    # most columns hold names and codes
    long = pc.greater_equal(pc.utf8_length(array), 3 * LEAST_WORDS)
    if (pc.sum(long).as_py() or 0) < 2:
        return None
    plain = pc.replace_substring_regex(folded(array.filter(long)), r"[^\pL\pN]+", " ")
    words = pc.split_pattern(pc.utf8_trim(plain, " "), " ")
    lengths = np.asarray(pc.list_value_length(words))
    hashes, starts = hash64(words.flatten()), np.cumsum(lengths) - lengths
    place = np.arange(len(hashes)) - np.repeat(starts, lengths)
    text = np.repeat(np.arange(len(lengths)), lengths)
    whole = (place[2:] < MOST_WORDS) & (text[2:] == text[:-2]) & (lengths[text[2:]] >= LEAST_WORDS)
    triples = mix64(mix64(mix64(hashes[:-2] + STEP) ^ hashes[1:-1]) + STEP ^ hashes[2:])[whole]
    text = text[2:][whole]
    order = np.lexsort((triples, text))
    triples, text = triples[order], text[order]
    different = np.append(True, (np.diff(text) > 0) | (triples[1:] != triples[:-1]))[: len(text)]
    triples, text = triples[different], text[different]
    begins = np.flatnonzero(np.append(True, np.diff(text) > 0)[: len(text)])
    return (triples, np.append(begins, len(text))) if len(begins) > 1 else None


def _groups(triples: np.ndarray, begins: np.ndarray) -> list[list[int]]:
    """Texts that are nearly equal to another of their group."""
    root = list(range(len(begins) - 1))

    def top(one: int) -> int:
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for one, other in _likely_pairs(triples, begins):
        if top(one) != top(other):
            here, there = (triples[begins[at] : begins[at + 1]] for at in (one, other))
            both = len(np.intersect1d(here, there, assume_unique=True))
            if both >= SIMILAR * (len(here) + len(there) - both):
                root[top(other)] = top(one)
    groups: dict[int, list[int]] = {}
    for one in range(len(root)):
        groups.setdefault(top(one), []).append(one)
    return [group for group in groups.values() if len(group) > 1]


def _likely_pairs(triples: np.ndarray, begins: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of texts of which a band of their signatures is equal: each with the one before it there, and the first."""
    random = np.random.default_rng(0)
    pairs: set[tuple[int, int]] = set()
    for _ in range(_BANDS):
        band = np.zeros(len(begins) - 1, np.uint64)
        for odd, shift in random.integers(0, 2**64, (_OF_A_BAND, 2), np.uint64).tolist():
            least = np.minimum.reduceat(triples * np.uint64(odd | 1) + np.uint64(shift), begins[:-1])
            band = mix64((band + STEP) ^ least)
        order = np.argsort(band, kind="stable")
        again = np.append(False, band[order][1:] == band[order][:-1])
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
        at = np.flatnonzero(again)
        for other in (at - 1, first[at]):
            pairs.update(zip(order[other].tolist(), order[at].tolist(), strict=True))
        if len(pairs) > _MOST_PAIRS:
            break
    return sorted(pairs)
