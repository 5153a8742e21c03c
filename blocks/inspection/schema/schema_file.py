"""A schema as JSON in TensorFlow Metadata's words, and back; nothing of a file is believed before it is checked.

`feature`, `type`, `presence`, `value_count`, `int_domain`, `float_domain`, `bool_domain`, `string_domain`,
`distribution_constraints` and `annotation` mean what they do in `tensorflow_metadata.proto.v0.schema`; the annotation's
tag is the kind of values, which is finer than the type.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from blocks.errors import MalformedData
from blocks.files.format_version import refuse_newer
from blocks.files.json_schema import violation
from blocks.inspection.column_kinds import TYPES
from blocks.inspection.schema.column_schema import ColumnSchema

FORMAT: Final = "blocks schema"
VERSION: Final = 1

_LISTS = "list"
_COUNT: Final = {"type": "integer", "minimum": 0}
_SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _texts(**limits: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, **limits}


_FEATURE: Final = {
    **_object(
        name={"type": "string"},
        type={"enum": sorted(set(TYPES.values()))},
        presence=_object(min_fraction=_SHARE),
        value_count=_object(min=_COUNT, max=_COUNT),
        int_domain=_object(min={"type": "number"}, max={"type": "number"}),
        float_domain=_object(min={"type": "number"}, max={"type": "number"}, disallow_inf={"type": "boolean"}),
        bool_domain=_object(),
        string_domain=_object(value=_texts()),
        distribution_constraints=_object(min_domain_mass=_SHARE),
        annotation={**_object(tag=_texts(minItems=1, maxItems=2)), "required": ["tag"]},
    ),
    "required": ["name", "type", "annotation"],
}
JSON_SCHEMA: Final = {
    **_object(format={"const": FORMAT}, version={"const": VERSION}, feature={"type": "array", "items": _FEATURE}),
    "required": ["format", "version", "feature"],
}
"""What a schema's file holds."""


def to_json(columns: Mapping[str, ColumnSchema]) -> str:
    """The text of a schema's file."""
    features = [_feature(name, column) for name, column in columns.items()]
    content = {"format": FORMAT, "version": VERSION, "feature": features}
    return json.dumps(content, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def from_json(text: str | bytes, where: str) -> dict[str, ColumnSchema]:
    """The columns of a schema's file.

    Args:
        text: What it holds.
        where: The file, for messages.

    Raises:
        NewerFormat: A newer blocks wrote it.
        MalformedData: It is damaged, holds something else, or makes no sense.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, "it is no JSON") from error
    if isinstance(content, dict) and content.get("format") == FORMAT:
        refuse_newer(f"The schema {where!r}", content.get("version"), VERSION)
    if broken := violation(content, JSON_SCHEMA):
        raise _damaged(where, broken)
    columns: dict[str, ColumnSchema] = {}
    for feature in content["feature"]:
        name = feature["name"]
        column = _column(feature)
        if name in columns:
            raise _damaged(where, f"column {name!r} stands there twice")
        if (problem := column.problem() or _contradiction(feature, column)) is not None:
            raise _damaged(where, f"column {name!r}: {problem}")
        columns[name] = column
    return columns


def _feature(name: str, column: ColumnSchema) -> dict[str, Any]:
    domains: dict[str, Any] = {}
    ends = _without_none(min=column.min, max=column.max)
    if column.kind == "integer" and ends:
        domains["int_domain"] = ends
    if column.kind == "number":
        domains["float_domain"] = {**ends, "disallow_inf": not column.allow_infinite}
    if column.kind == "boolean":
        domains["bool_domain"] = {}
    if column.domain is not None:
        domains["string_domain"] = {"value": list(column.domain)}
        domains["distribution_constraints"] = {"min_domain_mass": column.min_domain_mass}
    counts = _without_none(min=column.min_values, max=column.max_values)
    return {
        "name": name,
        "type": column.type,
        "presence": {"min_fraction": column.min_fraction},
        **({"value_count": counts} if counts else {}),
        **domains,
        "annotation": {"tag": [column.kind, *([_LISTS] if column.is_list else [])]},
    }


def _column(feature: Mapping[str, Any]) -> ColumnSchema:
    kind, *lists = feature["annotation"]["tag"]
    ends = feature.get("int_domain", feature.get("float_domain", {}))
    counts = feature.get("value_count", {})
    return ColumnSchema(
        kind,
        lists == [_LISTS],
        min_fraction=feature.get("presence", {}).get("min_fraction", 0.0),
        min_values=counts.get("min"),
        max_values=counts.get("max"),
        min=ends.get("min"),
        max=ends.get("max"),
        allow_infinite=not feature.get("float_domain", {}).get("disallow_inf", False),
        domain=feature.get("string_domain", {}).get("value"),
        min_domain_mass=feature.get("distribution_constraints", {}).get("min_domain_mass", 1.0),
    )


def _contradiction(feature: Mapping[str, Any], column: ColumnSchema) -> str | None:
    """What in a feature's words does not go with its kind."""
    if feature["type"] != column.type:
        return f"values of kind {column.kind!r} are of type {column.type}, received {feature['type']}"
    if feature["annotation"]["tag"][1:] not in ([], [_LISTS]):
        return f"its tags are a kind and perhaps {_LISTS!r}, received {feature['annotation']['tag']}"
    for name, kind in (("int_domain", "integer"), ("float_domain", "number"), ("bool_domain", "boolean")):
        if name in feature and column.kind != kind:
            return f"{name} is of kind {kind!r} alone, received {column.kind!r}"
    return None


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _damaged(where: str, what: str) -> MalformedData:
    return MalformedData(
        f"The schema {where!r} is damaged, or not by blocks: {what}. Mend it, or infer it again (Schema.infer)."
    )
