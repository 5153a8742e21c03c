"""Findings: their severities, their order, what JSON holds of them."""

import json

import pytest

from blocks.errors import InvalidArgument
from blocks.inspection.finding import Finding, ordered


def finding(severity, kind="constant"):
    return Finding(severity, kind, ("a", "b"), "All 3 values are 'x'.", "Leave it out.", ("train",))


def test_the_gravest_come_first_and_equals_keep_their_order():
    found = [finding("note"), finding("error", "one"), finding("warning"), finding("error", "other")]
    assert [(one.severity, one.kind) for one in ordered(found)] == [
        ("error", "one"),
        ("error", "other"),
        ("warning", "constant"),
        ("note", "constant"),
    ]


def test_json_holds_all_of_it():
    data = json.loads(json.dumps(finding("note").as_dict()))
    restored = Finding(**{**data, "columns": tuple(data["columns"]), "parts": tuple(data["parts"])})
    assert restored == finding("note")


def test_other_severities_are_refused():
    with pytest.raises(InvalidArgument, match=r"one of error, warning, note\. Received: 'fatal'"):
        finding("fatal")
