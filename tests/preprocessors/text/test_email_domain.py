"""EmailDomain against Python's email.utils."""

from email.utils import parseaddr

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.preprocessors import Columns
from blocks.preprocessors.text.email_domain import EmailDomain

PART = st.text(st.sampled_from("abZ09-_+é"), min_size=1, max_size=8)
DOMAIN = st.lists(PART, min_size=1, max_size=3).map(".".join)


def lowered(text):
    return "".join(character.lower() if character.isascii() else character for character in text)


@given(
    st.lists(st.tuples(PART, DOMAIN, st.sampled_from(["%s", " %s\n", "Ann B <%s>", "<%s> "])), min_size=1, max_size=20)
)
@settings(max_examples=60, deadline=None)
def test_domains_are_those_of_python(addresses):
    texts = [form % f"{local}@{domain}" for local, domain, form in addresses]
    expected = [lowered(parseaddr(text)[1].rpartition("@")[2]) for text in texts]
    assert [value.decode() for value in EmailDomain()(tf.constant(texts)).numpy()] == expected


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a@b.", "b"),
        ("a@", ""),
        ("@b", ""),
        ("a@b@c", ""),
        ("a b@c", ""),
        ("a@b c", ""),
        ("a@.", ""),
        ("", ""),
        ("none", ""),
        ("a@B.CO\n", "b.co"),
        ("a@ÉCOLE.fr", "École.fr"),
    ],
)
def test_what_is_an_address(text, domain):
    assert EmailDomain()(tf.constant([text])).numpy()[0].decode() == domain


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    raw = [value.encode() + b"@x.Y" for value in torture] + [value + b"@x.y" for value in invalid] + [b"a@X.y", b""]
    same_bits(EmailDomain(), raw * 50)


def test_a_megabyte_and_the_end_of_a_chain():
    assert EmailDomain()(tf.constant(["a" * 1_000_000 + "@b.c", "@" * 1_000_000])).numpy().tolist() == [b"b.c", b""]
    with pytest.raises(InvalidArgument, match=r"numbers or ids. Received for 'x': Email"):
        Columns({"x": EmailDomain()}, raw={"x": "string"}).spec  # noqa: B018
