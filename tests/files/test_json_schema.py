"""The part of JSON Schema that is checked, against the library that checks all of it."""

import json
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.files.json_schema import KEYWORDS, violation

SCHEMA = {
    "type": "object",
    "required": ["a"],
    "additionalProperties": False,
    "properties": {
        "a": {"type": "integer", "minimum": 1, "maximum": 3},
        "b": {"oneOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/$defs/text"}, "maxItems": 2}]},
        "c": {"enum": [None, "x", 1]},
        "d": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "e": {"const": 1},
        "f": {"type": "array", "minItems": 1},
    },
    "$defs": {"text": {"type": "string", "pattern": "^[a-z]+$"}},
}
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-1, 5), st.sampled_from(["", "x", "abc", "A"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdefg"), inner, max_size=4)
)


@settings(max_examples=300)
@given(VALUES | st.fixed_dictionaries({"a": st.integers(0, 4)}, optional=dict.fromkeys("bcdef", VALUES)))
def test_it_judges_as_jsonschema_does(value):
    assert (violation(value, SCHEMA) is None) == jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


def keywords(schema):
    if isinstance(schema, dict):
        for name, inner in schema.items():
            yield name
            names = ("properties", "$defs")
            yield from (word for one in inner.values() for word in keywords(one)) if name in names else keywords(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from keywords(inner)


@pytest.mark.parametrize("package", ["blocks.store", "blocks.export"])
def test_our_schemas_use_no_other_keywords(package):
    schema = json.loads(files(package).joinpath("manifest.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(keywords(schema)) <= KEYWORDS


def test_a_violation_says_where_and_what():
    assert violation({"a": 9}, SCHEMA) == "a: must be at most 3, received 9"
    assert violation({"a": 1, "b": ["x", 3]}, SCHEMA) == "b/1: must be of type string, received 3"
    assert violation({"a": 1, "z": 1}, SCHEMA) == "z: is unknown"
    assert violation([1], SCHEMA) == "it: must be of type object, received an array of 1"
