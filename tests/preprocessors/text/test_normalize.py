"""Normalize against Python's str and unicodedata."""

import os
import subprocess
import sys
import unicodedata
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument
from blocks.offline.adapt import adapt
from blocks.preprocessors import Columns, Vocabulary
from blocks.preprocessors.text.character_table import MARKS, SCRIPTS, changed
from blocks.preprocessors.text.normalize import Normalize

EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
TEXT = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("ABC éÉ ЁёΏΣ\u0301\u0323İ\u0131ßǆ\t\u2003\u2028\x1c\x00ﬁ")),
    max_size=12,
)
PLAIN = {"case": None, "strip_accents": False, "collapse_spaces": False}


@cache
def block(**options):
    return Normalize(**{**PLAIN, **options})


def normalized(texts, **options):
    return [text.decode() for text in block(**options)(tf.constant(texts)).numpy()]


def lowered(text):
    # str.lower knows of sigma at the end of a word; a character at a time it does not
    return "".join(character.lower() for character in text)


def never_assigned(character: str) -> str:
    code = ord(character)
    return "\ufffd" if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF else character


@pytest.mark.parametrize(("case", "python"), [("lower", str.lower), ("upper", str.upper), ("fold", str.casefold)])
def test_case_of_every_character_there_is(case, python):
    assert normalized(EVERY, case=case) == [python(never_assigned(character)) for character in EVERY]


def test_accents_of_every_character_in_the_basic_plane_that_decomposes():
    letters, expected = [], []
    for character in EVERY[:0xF800]:
        base, *marks = list(unicodedata.normalize("NFD", character))
        in_scope = unicodedata.name(base, "").startswith(SCRIPTS)
        if in_scope and (marks or base != character) and all(unicodedata.combining(mark) for mark in marks):
            letters.append(character)
            expected.append(base)
    assert len(letters) > 700
    assert normalized(letters, strip_accents=True) == expected


def test_what_accents_leave_alone():
    untouched = [
        character
        for character in EVERY
        if not unicodedata.name(unicodedata.normalize("NFD", character)[0], "").startswith(SCRIPTS)
        and not any(low <= ord(character) <= high for low, high in MARKS)
    ]
    assert len(untouched) > 1_000_000
    assert normalized(untouched, strip_accents=True) == [never_assigned(character) for character in untouched]
    assert normalized(["łøßæđ ガ 한 कि", "a\u0301\u0323"], strip_accents=True) == ["łøßæđ ガ 한 कि", "a"]


@given(st.lists(TEXT, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_text(texts):
    assert normalized(texts) == texts
    assert normalized(texts, collapse_spaces=True) == [" ".join(text.split()) for text in texts]
    assert normalized(texts, case="upper") == [text.upper() for text in texts]
    assert normalized(texts, case="fold") == [text.casefold() for text in texts]
    assert normalized(texts, case="lower") == [lowered(text) for text in texts]
    stripped = normalized(texts, strip_accents=True)
    assert normalized(stripped, strip_accents=True) == stripped
    assert normalized(texts, case="lower", strip_accents=True, collapse_spaces=True) == [
        " ".join(lowered(text).split()) for text in stripped
    ]


@given(st.lists(st.text(st.characters(max_codepoint=0x24F), max_size=12), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_latin_text_loses_its_marks_as_by_unicodedata(texts):
    expected = ["".join(c for c in unicodedata.normalize("NFD", t) if not unicodedata.combining(c)) for t in texts]
    assert normalized(texts, strip_accents=True) == expected


def test_nothing_changes_beyond_the_table():
    for case, python in (("lower", str.lower), ("upper", str.upper), ("fold", str.casefold)):
        table = changed(case, True, True)
        assert max(table[:, 0]) < 0x20000
        assert all(python(character) == character for character in EVERY[0x20000 - 0x800 :])


def test_bytes_that_are_no_utf8(invalid):
    found = Normalize()(tf.constant([value + b" A" for value in invalid])).numpy()
    for text in found:
        assert text.decode().endswith(" a") or "\ufffd" in text.decode()
    assert Normalize()(tf.constant([b"\xff"])).numpy().tolist() == ["\ufffd".encode()]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    same_bits(Normalize(), ([value.encode() for value in torture] + invalid) * 48)


def test_a_megabyte_and_nothing():
    assert Normalize()(tf.constant(["É" * 500_000, ""])).numpy().tolist() == [b"e" * 500_000, b""]
    assert Normalize()(tf.constant([], tf.string)).shape == (0,)


def test_the_language_of_the_process_does_not_matter():
    code = (
        "import tensorflow as tf; from blocks.preprocessors.text.normalize import Normalize;"
        "print(Normalize()(tf.constant(['TITLE I \\u0130'])).numpy()[0].hex())"
    )
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert bytes.fromhex(done.stdout.strip().splitlines()[-1]) == b"title i i"


def test_the_table_comes_back_from_a_file_not_from_the_interpreter(tmp_path):
    block = Normalize(case="upper")
    block.restore({"characters": np.array([[ord("a"), ord("x"), ord("y"), -1]], np.int32)})
    inputs = keras.Input((), dtype="string")
    keras.Model(inputs, block(inputs)).save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded(tf.constant(["banana"])).numpy().tolist() == [b"bxynxynxy"]


def test_in_a_chain():
    columns = Columns({"city": [Normalize(), Vocabulary()]})
    adapt(columns, None, blocks.read({"city": ["Zürich", "ZURICH ", "oslo", None]}), verbose=False)
    found = columns({"city": tf.constant(["zu\u0308rich", "Oslo", "  ", ""])})["categorical"].numpy()
    assert found[:, 0].tolist() == [2, 3, 0, 0]


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match="case is 'lower', 'upper', 'fold' or None"):
        Normalize(case="title")
    with pytest.raises(InvalidArgument, match=r"numbers or ids. Received for 'x': Normalize"):
        Columns({"x": Normalize()}, raw={"x": "string"}).spec  # noqa: B018


def test_messages(real, same_bits):
    lines = real("sms_spam/sms.tsv").read_text(encoding="utf-8").splitlines()
    expected = []
    for line in lines:
        marks = unicodedata.normalize("NFD", line)
        expected.append(" ".join(lowered("".join(c for c in marks if not 0x300 <= ord(c) <= 0x36F)).split()))
    assert [text.decode() for text in Normalize()(tf.constant(lines)).numpy()] == expected
    same_bits(Normalize(), lines[:1100])
