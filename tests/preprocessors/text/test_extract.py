"""Extract against Python's re."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors import Columns, Vocabulary
from blocks.preprocessors.text.extract import Extract

PATTERNS = [
    (r"[0-9]+", 0),
    (r"(a|ab)(c|bcd)?", 2),
    (r"a*", 0),
    (r"^a", 0),
    (r"b$", 0),
    (r"(?i)AB", 0),
    (r"é|b", 0),
    (r"a.b", 0),
    (r"(?s)a.b", 0),
    (r"(?P<x>[ab]+?)(1)", 1),
    (r"[^a]", 0),
    (r"\bb", 0),
    (r"\n", 0),
    (r"x|", 0),
    (r"(a)|b", 1),
]


@given(st.lists(st.text(st.sampled_from("abcd1 \né\x00:"), max_size=8), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_match_is_that_of_python(texts):
    for pattern, group in PATTERNS:
        # in RE2 "$" is the end of the text alone, and words are made of ASCII
        flags = re.ASCII if r"\b" in pattern else 0
        matches = [re.search(pattern.replace("$", r"\Z"), text, flags) for text in texts]
        expected = [((match[group] or "") if match else "").encode() for match in matches]
        assert Extract(pattern, group=group)(tf.constant(texts)).numpy().tolist() == expected, pattern


def test_bytes_that_are_no_utf8_match_nothing_and_stop_nothing(invalid):
    block = Extract(r"([a-z]+)[0-9]", group=1)
    assert block(tf.constant([value + b" ab7 " + value for value in invalid])).numpy().tolist() == [b"ab"] * len(
        invalid
    )
    assert Extract("(?s).+")(tf.constant([b"\xff\xfe"])).numpy().tolist() == [b""]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    same_bits(Extract(r"(\w)(\w*)", group=2), ([value.encode() for value in torture] + invalid) * 50)


def test_a_megabyte():
    text = "x" * 1_000_000
    assert Extract("x+y")(tf.constant([text, text + "y"])).numpy().tolist() == [b"", (text + "y").encode()]


def test_in_a_chain_and_in_a_functional_model(learned):
    block = learned(Vocabulary(), ["Mr", "Mrs", "Mr"])
    columns = Columns({"name": [Extract(r"(Mr|Mrs)\.", group=1), Vocabulary()]})
    blocks.offline.adapt.adapt(
        columns, None, blocks.read({"name": ["B, Mr. O", "C, Mrs. J", "H, Mr. X", "none"]}), verbose=False
    )
    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, block(Extract(r"(Mr|Mrs)\.", group=1)(inputs)))
    raw = tf.constant(["A, Mrs. B", "A, Mr. B", "A"])
    assert model(raw).numpy().tolist() == columns({"name": raw})["categorical"].numpy()[:, 0].tolist() == [3, 2, 0]


def test_errors_say_the_rule():
    for pattern, group, message in [
        ("(a", 0, "a regular expression that RE2 knows"),
        (r"(?<=a)b", 0, "a regular expression that RE2 knows"),
        (r"\Qabc", 0, "a regular expression that RE2 knows"),
        ("a", 1, "with group 1"),
        ("(a)", 2, "with group 2"),
        ("a", 9, "group must be a whole number, from 0 to 8"),
        (b"a", 0, "pattern is text"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Extract(pattern, group=group)
    with pytest.raises(InvalidArgument, match=r"numbers or ids. Received for 'x': Extract"):
        Columns({"x": Extract("a")}, raw={"x": "string"}).spec  # noqa: B018
    with pytest.raises(SchemaMismatch, match="Extract takes columns of text"):
        Columns({"x": [Extract("a"), Vocabulary()]}).bind(blocks.read({"x": [1]}).schema)


def test_titanic_titles_and_chipotle_prices(real, same_bits):
    names = blocks.read(real("titanic/raw_titanic.csv")).to_table()
    column = next(name for name in names.column_names if name.lower() == "name")
    raw = names[column].to_pylist()
    expected = [(match[1] if (match := re.search(r", ([^.]+)\.", name)) else "").encode() for name in raw]
    assert same_bits(Extract(r", ([^.]+)\.", group=1), raw).tolist() == expected
    prices = blocks.read(real("chipotle_orders/chipotle.tsv"), delimiter="\t").to_table()["item_price"].to_pylist()
    found = Extract(r"\$([0-9.]+)", group=1)(tf.constant(prices)).numpy()
    np.testing.assert_array_equal(found.astype(float), [float(price.strip().strip("$")) for price in prices])
