"""Numbers and dates written as text are known by `Columns.infer`, and what looks like one and is left out is said."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import classifiers, feature_extractors
from blocks.errors import BlocksWarning
from blocks.preprocessors import Columns, Number, Timestamp
from blocks.preprocessors.columns.text_kinds import written

ROWS = 300
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=ROWS) * 1e5
DAYS = [
    datetime.datetime(2019, 1, 1) + datetime.timedelta(hours=int(hours)) for hours in RANDOM.integers(0, 20_000, ROWS)
]

NUMBERS = {
    "thousands": ([f"{value:,.0f}" for value in VALUES], ".", ""),
    "german": ([f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in VALUES], ",", ""),
    "money": ([f"${abs(value):,.2f}" for value in VALUES], ".", "$"),
    "percent": ([f"{abs(value) % 100:.0f}%" for value in VALUES], ".", ""),
    "accounts": ([f"({-value:.2f})" if value < 0 else f"{value:.2f}" for value in VALUES], ".", ""),
    "units": ([f"{value:.3e} kg" for value in VALUES], ".", "kg"),
    "scales": ([f"\N{EURO SIGN}{abs(value):.0f}{'KM'[i % 2]}" for i, value in enumerate(VALUES)], ".", "\N{EURO SIGN}"),
    "gaps": ([f"{value:.1f}" if i % 30 else "n/a" for i, value in enumerate(VALUES)], ".", ""),
    "integers": ([f"{abs(value):.0f}" for value in VALUES], ".", ""),
}

FORMATS = ["%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%Y/%m/%d", "%d %b %Y", "%B %d, %Y"]
FORMATS += ["%d-%b-%y", "%a, %d %b %Y"]
TIMES = ["%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%d %b %Y %H:%M:%S %z"]

OTHERS = {
    "zip": [f"{number}" for number in RANDOM.integers(10_000, 99_999, ROWS)],
    "zeros": [f"{number:05d}" for number in RANDOM.integers(0, 99_999, ROWS)],
    "rating": [f"{number}" for number in RANDOM.integers(1, 6, ROWS)],
    "person": [f"person {i}" for i in range(ROWS)],
    "sku": [f"A{number}" for number in RANDOM.integers(1, 9_999, ROWS)],
    "phone": [f"555-{a}-{a}" for a in RANDOM.integers(1_000, 9_999, ROWS)],
    "address": [f"10.0.{i // 200}.{i % 200}" for i in range(ROWS)],
    "version": [f"1.{i % 9}.{i % 7}" for i in range(ROWS)],
    "clock": [f"{i % 24}:{i % 60:02d}" for i in range(ROWS)],
    "row": [str(i) for i in range(ROWS)],
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_as_text_become_numbers(name):
    texts, decimal, unit = NUMBERS[name]
    columns = Columns.infer({"x": texts})
    first = columns["x"][0][0]
    assert isinstance(first, Number)
    assert (first.decimal, first.unit) == (decimal, unit)
    assert not first.learns  # no pass more
    assert first.unparsable(texts) == (["n/a"] if name == "gaps" else [])
    assert columns["x"][0][-1].add_indicator == (name == "gaps")
    assert "text of numbers" in str(columns)


@pytest.mark.parametrize("form", [*FORMATS, *TIMES])
def test_dates_in_common_formats_become_times(form):
    texts = [day.replace(tzinfo=datetime.UTC).strftime(form) for day in DAYS]
    columns = Columns.infer({"x": texts})
    first = columns["x"][0][0]
    assert isinstance(first, Timestamp)
    expected = [datetime.datetime.strptime(text, form).replace(tzinfo=datetime.UTC).timestamp() * 1e6 for text in texts]
    assert first(tf.constant(texts)).numpy().tolist() == expected
    assert "text of dates" in str(columns)


@pytest.mark.filterwarnings("ignore:Left out:blocks.errors.BlocksWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_codes_and_names_stay_what_they_are(name):
    columns = Columns.infer({"x": OTHERS[name], "y": VALUES})
    kinds = {type(block).__name__ for key in columns.columns for chain in columns[key] for block in chain}
    assert not kinds & {"Number", "Timestamp"}


@pytest.mark.filterwarnings("always")
def test_what_looks_like_numbers_or_dates_and_is_left_out_is_said():
    halves = {
        "x": [f"{value:.4f}" if i % 3 else f"text {value}" for i, value in enumerate(VALUES)],
        "when": [day.strftime("%d.%m.%Y %H:%M") if i % 3 else f"day {i}" for i, day in enumerate(DAYS)],
        "y": VALUES,
    }
    with pytest.warns(BlocksWarning) as told:
        columns = Columns.infer(halves)
    assert [one.filename for one in told] == [__file__] * 2
    texts = [str(one.message) for one in told]
    assert texts[0].startswith(
        "Column 'x' is left out: 67% of its values read as numbers, decimal mark '.': give it prep"
    )
    assert texts[1].startswith(
        "Column 'when' is left out: 67% of its values read as dates, %d.%m.%Y %H:%M: give it prep"
    )
    assert "67% of its values read as numbers" in str(columns)
    columns["x"] = Number()  # what it says to do
    assert columns.columns == ["y", "x"]


@pytest.mark.filterwarnings("always")
def test_dates_that_can_be_read_in_two_ways_are_said():
    texts = [f"{i % 12 + 1:02d}/{i // 12 % 12 + 1:02d}/2020" for i in range(ROWS)]
    with pytest.warns(
        BlocksWarning, match=r"read as %m/%d/%Y, though %d/%m/%Y fits.*Timestamp\('%d/%m/%Y'\) if that is"
    ):
        assert Columns.infer({"x": texts})["x"][0][0].formats == ["%m/%d/%Y"]


@given(
    st.lists(st.dates(datetime.date(1970, 1, 1), datetime.date(2068, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(FORMATS),
)
@settings(max_examples=15)
def test_what_is_chosen_reads_the_dates_or_says_that_it_may_not(days, form):
    texts = [day.strftime(form) for day in days]
    found = written(pa.array(texts), np.ones(len(texts), np.int64))
    read = found.block(tf.constant(texts)).numpy() // 86_400_000_000
    assert found.sure
    assert found.doubt or read.tolist() == [(day - datetime.date(1970, 1, 1)).days for day in days]


def test_dates_that_cannot_be_read_spoil_no_range():
    days = [f"{day:%Y-%m-%d}" if i % 40 else "soon" for i, day in enumerate(DAYS)]
    columns = Columns.infer({"x": days})
    assert "over 827 days" in str(columns)
    assert "2.7% missing" in str(columns)


def test_a_column_of_thousands_decides(tmp_path):
    rows = {"income": NUMBERS["thousands"][0], "z": RANDOM.normal(size=ROWS), "y": np.where(VALUES > 0, "u", "v")}
    model = blocks.Model(feature_extractor=feature_extractors.MLP([8]), head=classifiers.Softmax("y"), seed=0)
    model.adapt(rows)
    model.fit(rows, epochs=15, verbose=0)
    assert model.evaluate(rows, verbose=0)["accuracy"] > 0.95
