"""Names that turn text around: whatever they hold, nothing beside them is turned."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from blocks.pages.content import Section, Table
from blocks.pages.page import page
from blocks.pages.writing_direction import isolated

CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def open_at_the_end(text):
    """Embeddings, overrides and isolates that are still open where a text ends, by the rules X1 to X8 of UAX 9."""
    stack = []
    for letter in text:
        if letter in "\u202a\u202b\u202d\u202e":
            stack.append("embedding")
        elif letter in "\u2066\u2067\u2068":
            stack.append("isolate")
        elif letter == "\u202c":
            if stack and stack[-1] == "embedding":
                stack.pop()
        elif letter == "\u2069" and "isolate" in stack:
            while stack.pop() != "isolate":
                pass
    return stack


@given(st.text(st.sampled_from(CONTROLS + "ab <&\n\u05d0")))
def test_nothing_is_open_after_any_word(text):
    safe = isolated(text)
    for end in (match.start() for match in re.finditer(r"\s|$", safe)):
        assert open_at_the_end(safe[:end]) == []
    assert [letter for letter in safe if letter not in CONTROLS] == [
        letter for letter in text if letter not in CONTROLS
    ]
    if not set(text) & set(CONTROLS):
        assert safe == text


def test_the_page_isolates_names_everywhere():
    name = "pay\u202egnp.exe"
    section = Section("metrics", f"Of {name}")
    section.text = [f"The column {name} is used."]
    section.tables = [Table(f"By {name}", (name, "value"), [(name, 1.0), ("x" * 40 + name, 2.0)])]
    found = page(f"On {name}", name, [(name, name, name)], [section])
    visible = html.unescape(re.sub(r"<[^>]*>", "", found))
    assert visible.count("\u202e") >= 8
    for line in found.splitlines():
        assert open_at_the_end(html.unescape(line)) == []
    assert len(re.findall("\u2068[^\u2068\u2069]*\u202e[^\u2068\u2069]*\u2069", found)) == found.count("\u202e")
