"""Nearly equal texts: against all pairs compared by sets of Python's, in several languages and spellings."""

import re
import unicodedata
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from blocks.inspection.relations.near_duplicates import near_duplicates
from blocks.inspection.relations.relations import of_columns

WORDS = [f"w{i}" for i in range(400)]


def changed(random, text, most):
    words = text.split()
    for at in random.integers(0, len(words), random.integers(0, most + 1)):
        words[at] = random.choice(WORDS)
    return " ".join(words)


def some_texts(seed, singles=120, templates=12):
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(WORDS, random.integers(8, 60))) for _ in range(singles)]
    for _ in range(templates):
        template = " ".join(random.choice(WORDS, 60))
        texts += [changed(random, template, 2) for _ in range(random.integers(2, 6))]
    return [texts[i] for i in random.permutation(len(texts))]


def triples(text):
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKD", text.lower()))[:200]
    return set(zip(words, words[1:], words[2:], strict=False))


def groups_of(texts):
    """Connected texts, by comparing all pairs."""
    texts = list(dict.fromkeys(texts))
    sets = [triples(text) for text in texts]
    groups = [{i} for i in range(len(texts))]
    for i, j in combinations(range(len(texts)), 2):
        if len(sets[i] & sets[j]) >= 0.8 * len(sets[i] | sets[j]) and groups[i] is not groups[j]:
            joined = groups[i] | groups[j]
            for one in joined:
                groups[one] = joined
    return {frozenset(group) for group in groups if len(group) > 1}, len(texts)


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_those_of_all_pairs(seed):
    texts = some_texts(seed)
    expected, count = groups_of(texts)
    (found,) = near_duplicates(pa.table({"text": pa.chunked_array([texts[:7], texts[7:]])}))
    assert (found.texts, found.groups) == (count, len(expected))
    assert (found.similar, found.largest) == (sum(map(len, expected)), max(map(len, expected)))
    assert found.groups > 5


def test_case_accents_and_punctuation_are_no_difference():
    words = ["le", "café", "de", "la", "gare", "est", "fermé", "depuis", "hier", "à", "cause", "de", "la", "pluie"]
    one, other = " ".join(words), ", ".join(words).upper() + "!"
    assert near_duplicates(pa.table({"t": [one, other, None, ""]}))[0][1:] == (2, 2, 1, 2)


def test_equal_short_and_different_texts_are_none():
    random = np.random.default_rng(0)
    long = [" ".join(random.choice(WORDS, 30)) for _ in range(200)]
    table = pa.table(
        {
            "equal": ["one and the same text of many words in all of these rows"] * 200,
            "short": random.choice(["new york city", "new york cities"], 200),
            "long": long,
            "bytes": [text.encode() for text in long],
            "encoded": pa.array(long).dictionary_encode(),
            "nothing": pa.nulls(200, pa.string()),
        }
    )
    assert near_duplicates(table) == ()
    assert near_duplicates(table.slice(0, 0)) == ()


def test_what_is_said_of_them():
    template = (
        "your parcel number {} waits for you at the post office in the high street since monday morning and will "
    )
    template += "be sent back on friday evening if nobody comes to take it home"
    table = {"sms": [template.format(i) for i in range(90)]}
    (found,) = (one for one in of_columns(pa.table(table), None, ())[1] if one.kind == "nearly equal texts")
    assert (found.severity, found.columns) == ("warning", ("sms",))
    said = "90 of 90 different texts of 'sms' in the sample are nearly equal to another (80% of the word triples"
    assert found.sentence.startswith(said)
    assert found.sentence.endswith("1 group, the largest of 90. Of all rows there are more.")
