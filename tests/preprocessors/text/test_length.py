"""Length against Python's len."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.preprocessors.text.length import Length


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1))
@settings(max_examples=60, deadline=None)
def test_lengths_are_those_of_python(texts):
    raw = tf.constant(texts)
    assert Length()(raw).numpy().tolist() == [len(text) for text in texts]
    assert Length(unit="bytes", missing=-1)(raw).numpy().tolist() == [len(text.encode()) or -1 for text in texts]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    raw = ([value.encode() for value in torture] + invalid) * 50
    same_bits(Length(missing=0.1), raw)
    assert same_bits(Length(unit="bytes"), raw).tolist() == [len(value) for value in raw]


def test_invalid_text_and_a_megabyte(invalid):
    continued = [sum(0x80 <= byte < 0xC0 for byte in value) for value in invalid]
    found = Length()(tf.constant(invalid)).numpy().tolist()
    assert found == [len(value) - more for value, more in zip(invalid, continued, strict=True)]
    assert Length()(tf.constant(["é" * 1_000_000])).numpy().tolist() == [1_000_000]
    assert np.isnan(Length(missing="keep")(tf.constant([""])).numpy()).all()


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match="unit is one of 'characters', 'bytes'"):
        Length(unit="words")
    with pytest.raises(InvalidArgument, match="missing is 'keep' or a finite number"):
        Length(missing=None)


def test_messages(real):
    lines = real("sms_spam/sms.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 5000
    assert Length()(tf.constant(lines)).numpy().tolist() == [len(line) for line in lines]
