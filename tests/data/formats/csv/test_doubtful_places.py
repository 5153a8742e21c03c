"""Places that numbers may lose something of: those that regular expressions find, wherever pieces begin."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data.formats.csv import doubtful_places
from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.doubtful_places import codes, roundings

EDGE = rb'[,\r\n" ]'
CODE = re.compile(
    rb"(?:(?<="
    + EDGE
    + rb")|(?:(?<="
    + EDGE
    + rb"[+-])|(?<=\A[+-])|\A))0([0-9]+|[xX][0-9a-fA-F]*)(?="
    + EDGE
    + rb"|\Z)"
)
LONG = re.compile(rb"(?=[1-9]([0-9]{17}|[0-9.]{18}))")
TINY = re.compile(rb"(?<=[eE])-(?=[0-9]{3})")

texts = st.lists(
    st.sampled_from(
        ["0", "00", "-007", "+0x1F", "0xg", "01a", "0.5", "0:1", ",", "\n", '"', " ", "1", "00501", "x", "é", "\r\n"]
    )
    | st.sampled_from(["9" * 17, "1" * 18, "0." + "1" * 17, "1." + "2" * 17, "1e-300", "E-99", "0" * 30 + "1"]),
    max_size=30,
).map(lambda parts: "".join(parts).encode())


@settings(max_examples=400)
@given(texts, st.sampled_from([64, 128, 1 << 18]))
def test_places_are_those_of_regular_expressions(text, step) -> None:
    whole, doubtful_places.STEP = doubtful_places.STEP, step
    try:
        array = np.frombuffer(text, np.uint8)
        # 20 digits are followed, and what is longer counts, whatever comes
        expected = {found.start() for found in CODE.finditer(text) if len(found[0]) < 20}
        got = {int(at) for at in codes(array, Dialect())}
        assert expected == {at for at in got if at in expected or len(re.match(rb"[0-9a-fA-FxX]*", text[at:])[0]) < 20}
        expected = {found.start() for pattern in (LONG, TINY) for found in pattern.finditer(text)}
        assert {int(at) for at in roundings(array)} == expected
    finally:
        doubtful_places.STEP = whole
