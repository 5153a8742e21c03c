"""JSON Schema, the part of it that the schemas in this package use: enough to refuse a file that is not what it says.

jsonschema stays a tool of the tests, which hold this against it: a store is read by NumPy and h5py alone.
"""

import re
from collections.abc import Mapping
from typing import Any

_KINDS: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
}
# what `violation` looks at, or what says nothing of a value
KEYWORDS = frozenset(
    [
        *("type", "const", "enum", "pattern", "minimum", "maximum", "minItems", "maxItems", "items", "required"),
        *("properties", "additionalProperties", "oneOf", "$ref", "$defs", "$schema", "title", "description"),
    ]
)


def violation(value: Any, schema: Mapping[str, Any]) -> str | None:
    """The first rule of a schema that a value breaks, with where; None where it breaks none.

    Only as deep as the schema is looked into the value. A whole number is an `int`; 1.0 is none here.

    Args:
        value: As `json.loads` gives it.
        schema: With `KEYWORDS` alone.

    Example:
        >>> schema = {"type": "object", "properties": {"rows": {"type": "integer", "minimum": 0}}}
        >>> violation({"rows": -1}, schema)
        'rows: must be at least 0, received -1'
    """
    return _violation(value, schema, schema, "")


def _violation(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], at: str) -> str | None:
    if "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        if said := _violation(value, found, root, at):
            return said
    if (rule := _broken(value, schema)) is not None:
        return f"{at or 'it'}: {rule}, received {_short(value)}"
    if "oneOf" in schema:
        forms = [_violation(value, one, root, at) for one in schema["oneOf"]]
        if forms.count(None) != 1:
            # the last form is the one that holds most
            return next(filter(None, reversed(forms)), f"{at or 'it'}: fits more than one form")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            if said := _violation(item, schema["items"], root, f"{at}/{index}".lstrip("/")):
                return said
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name, item in value.items():
            inner = known.get(name, schema.get("additionalProperties", True))
            where = f"{at}/{name}".lstrip("/")
            if inner is False:
                return f"{where}: is unknown"
            if inner is not True and (said := _violation(item, inner, root, where)):
                return said
    return None


def _broken(value: Any, schema: Mapping[str, Any]) -> str | None:
    """The rule of one level that a value breaks."""
    if "type" in schema:
        kind = schema["type"]
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
            return f"must be of type {kind}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"must be {schema['const']!r}"
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return f"must be one of {schema['enum']}"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return f"must match {schema['pattern']}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"must be at least {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"must be at most {schema['maximum']}"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            return f"must have at least {schema['minItems']} items"
        if len(value) > schema.get("maxItems", len(value)):
            return f"must have at most {schema['maxItems']} items"
    if isinstance(value, dict) and (missing := sorted(set(schema.get("required", ())) - value.keys())):
        return f"must have {', '.join(missing)}"
    return None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a number of many digits"
    return text if len(text) <= 60 else text[:57] + "..."
