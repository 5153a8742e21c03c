"""TextForms: forms against Python's `re`, lengths against NumPy, in every chunking and encoding."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import Statistic, TextForms
from blocks.statistics.text_forms import BOOLEANS, FORMS, MONTH_FIRST, NO_VALUE, NO_VALUES, TEXT

EXAMPLES = {
    "12": "whole number",
    "-7": "whole number",
    "3.5": "number",
    "1e-3": "number",
    ".5": "number",
    "1,234": "number with thousands separators",
    "1,234,567.8": "number with thousands separators",
    "3,75": "number with a decimal comma",
    "1.234,5": "number with a decimal comma",
    "12 %": "percentage",
    "$2.39": "amount of money",
    "1.50 €": "amount of money",
    "2024-03-01": "date as YYYY-MM-DD",
    "2024-03-01T12:30:00Z": "date as YYYY-MM-DD",
    "2024-03-01 12:30:00.123+01:00": "date as YYYY-MM-DD",
    "2024/3/1": "date as YYYY/MM/DD",
    "03/01/2024": "date as DD/MM/YYYY or MM/DD/YYYY",
    "3/1/24 4:05 PM": "date as DD/MM/YYYY or MM/DD/YYYY",
    "01.03.2024": "date as DD.MM.YYYY",
    "01-03-2024": "date as DD-MM-YYYY",
    "1 March 2024": "date with a month's name",
    "01-Mar-24": "date with a month's name",
    "Mar 1, 2024": "date with a month's name",
    "12:30": "time of day",
    "N/A": "word for no value",
    "?": "word for no value",
    "   ": "word for no value",
    "TRUE": "true or false",
    "no": "yes or no",
    "rome": "text",
    "12 monkeys": "text",
    "nothing": "text",
    "A/5 21171": "text",
    "+": "text",
}
TEXTS = st.lists(
    st.none() | st.sampled_from([*EXAMPLES, " 12 ", "İ", "a\nb", ""]) | st.text("0123456789.,-/: eE%$a", max_size=12),
    max_size=30,
)


def form_of(text):
    """The form of a text, by Python."""
    text = text.strip()
    if re.match(r"[-+.$€£]*\s?\d", text):
        for name, pattern in FORMS.items():
            if re.fullmatch(pattern, text):
                return name
    if text.lower() in NO_VALUES:
        return NO_VALUE
    if text.lower() in ("true", "false", "yes", "no"):
        return "true or false" if text.lower() in ("true", "false") else "yes or no"
    return "date with a month's name" if re.fullmatch(MONTH_FIRST, text) else TEXT


def fed(values, rows=5, kind=None):
    forms = TextForms()
    for start in range(0, len(values), rows):
        chunk = pa.array(values[start : start + rows], kind or pa.string())
        forms.update(chunk.dictionary_encode() if start % 2 else chunk)
    return forms


def test_every_form_is_told():
    found = fed(list(EXAMPLES)).result()
    assert found.forms == dict(sorted(Counter(EXAMPLES.values()).items()))
    assert set(found.forms) == {*FORMS, *BOOLEANS, NO_VALUE, TEXT}


@settings(max_examples=80)
@given(TEXTS, TEXTS, st.sampled_from([1, 4, 100]))
def test_forms_and_lengths_are_pythons_in_every_chunking(one, other, rows):
    merged = Statistic.from_bytes(fed(one, rows).to_bytes())
    merged.merge(fed(other, rows))
    texts = [text for text in one + other if text]
    lengths = np.array([len(text) for text in texts])
    for found in (fed(one + other, rows).result(), merged.result()):
        assert found.count == len(texts)
        assert found.forms == dict(sorted(Counter(map(form_of, texts)).items()))
        assert found.padded == sum(text != text.strip() for text in texts)
        if texts:
            assert (found.min, found.max) == (lengths.min(), lengths.max())
            assert found.mean == pytest.approx(lengths.mean())
            for q in (0.0, 0.3, 0.5, 1.0):
                assert found.quantile(q) == np.quantile(lengths, q, method="inverted_cdf")


def test_long_texts_have_exact_ends_and_lengths_to_three_digits():
    lengths = np.random.default_rng(0).integers(1, 300_000, 200)
    found = fed(["x" * size for size in lengths], 50).result()
    assert (found.min, found.max, found.mean) == (lengths.min(), lengths.max(), lengths.mean())
    middle = np.quantile(lengths, 0.5, method="inverted_cdf")
    assert found.quantile(0.5) == pytest.approx(middle, rel=0.006)


def test_bytes_have_lengths_alone_and_numbers_are_refused():
    found = fed([b"\xff\xfe", b"12", b"", None], kind=pa.binary()).result()
    assert (found.count, found.forms, found.max) == (2, {}, 2)
    with pytest.raises(SchemaMismatch, match="TextForms takes text and bytes"):
        TextForms().update(pa.array([1]))
    with pytest.raises(InvalidArgument, match="TextForms takes no weights"):
        TextForms().update(pa.array(["a"]), np.ones(1))
    nothing = TextForms()
    nothing.update(pa.nulls(3))
    assert np.isnan(nothing.result().quantile(0.5))
