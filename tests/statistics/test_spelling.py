"""Spelling: folded as Python's `unicodedata` has it, and other scripts' vowels left alone."""

import re
import unicodedata

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.statistics.spelling import folded

LETTERS = st.text(
    st.sampled_from(
        "aA\u00e9\u00c9\u00fc\u00d8\u00f8 \t\u00a0\u00df\u0416\u0439\u0451\u03ce\u0915\u093f\u0bcd\u05d0\u05b8"
    ),
    max_size=8,
)


@settings(max_examples=50)
@given(st.lists(st.none() | LETTERS, max_size=6))
def test_it_is_what_unicodedata_makes_of_it(texts):
    def plain(text):
        marked = unicodedata.normalize("NFKD", text)
        bare = "".join(letter for letter in marked if not "\u0300" <= letter <= "\u036f").lower()
        return re.sub(r"\s+", " ", unicodedata.normalize("NFC", bare)).strip()

    expected = [None if text is None else plain(text) for text in texts]
    assert folded(pa.array(texts, pa.string())).to_pylist() == expected


def test_what_is_one_word_in_other_spellings_and_what_is_not():
    one = ["S\u00e3o Paulo", "sao paulo", "SAO  PAULO", " S\u0061\u0303o\u00a0Paulo\n"]
    assert len(set(folded(pa.array(one)).to_pylist())) == 1
    two = ["\u0915\u093f", "\u0915\u093e", "na\u00efve", "native", "\u00f8", "o"]
    assert len(set(folded(pa.array(two)).to_pylist())) == 6
