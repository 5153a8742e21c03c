"""Where spans end: the quick way, by bits, says what the slow one says, or nothing."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.row_spans import _quick_cut, _slow_cut, row_spans

pieces = st.sampled_from(
    ["a", "", '"', '""', '"b"', '"c,d"', '"e\nf"', '"g""h"', ",", "\n", "\r\n", " ", "é", "1" * 70]
)
dialects = st.sampled_from(
    [Dialect(), Dialect(quote=None), Dialect(double_quote=False), Dialect(initial_space=True), Dialect(59, 39)]
)


@settings(max_examples=400)
@given(st.lists(pieces, max_size=40).map("".join), dialects, st.booleans(), st.integers(0, 130))
def test_bits_say_what_the_walk_says(text, dialect, last, before) -> None:
    # words of 64 bits begin anywhere
    array = np.frombuffer(b"x" * before + b"\n" * (before > 0) + text.encode(), np.uint8)
    quick = _quick_cut(array, last, dialect)
    if quick is None:
        return
    slow = _slow_cut(array, last, dialect, 1, "t.csv")
    assert slow is not None
    if last:
        assert (quick.at, quick.quoted, quick.stray) == (slow.at, slow.quoted, slow.stray)
    else:
        assert quick[:4] == slow[:4]


def test_the_quick_way_is_the_usual_one() -> None:
    for text in (b"a,b\n1,2\n", b'a,b\r\n"x,\r\ny",2\r\n3', b'"a ""b""",c\n"d"'):
        assert _quick_cut(np.frombuffer(text, np.uint8), False, Dialect()) is not None
    for text in (b'a"b"\n', b'"a', b"a\rb\n"):
        assert _quick_cut(np.frombuffer(text, np.uint8), True, Dialect()) is None


def test_places_are_those_of_the_file() -> None:
    text = b'\xef\xbb\xbfone\na,b\n1,"x\ny"\n22,zz\n\n3,"q"'
    for size in range(3, 40):
        spans = list(row_spans(io.BytesIO(text), size, Dialect(), skip_rows=1))
        assert [text[span.start : span.start + span.buffer.size] for span in spans] == [span.data for span in spans]
        assert b"".join(span.data for span in spans) == text[7:]
        assert [span.head(1).data for span in spans] == [
            span.data[: int(span.ends[0]) + 1] if len(span.ends) > 1 else span.data for span in spans
        ]
