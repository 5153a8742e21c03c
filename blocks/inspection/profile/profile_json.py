"""A profile as JSON, and back; nothing of a file is believed before it is checked."""

import dataclasses
import json
from typing import Any, Final

from blocks.errors import InvalidArgument, MalformedData
from blocks.files.format_version import refuse_newer
from blocks.files.json_schema import violation
from blocks.inspection.finding import Finding
from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.inspection.relations.relations import Relations
from blocks.pages.content import plain

FORMAT: Final = "blocks profile"
VERSION: Final = 1

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_COUNT: Final = {"type": "integer", "minimum": 0}
_OR_NULL: Final = {"oneOf": [{"type": "null"}, _TEXT]}


def _object(of: type, **properties: Any) -> dict[str, Any]:
    """What a dataclass is as JSON: all of its fields, and no others."""
    names = [one.name for one in dataclasses.fields(of)]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: properties.get(name, True) for name in names},
        "required": names,
    }


_COLUMN: Final = _object(
    ColumnProfile,
    name=_TEXT,
    kind=_TEXT,
    type=_TEXT,
    rows=_COUNT,
    missing=_COUNT,
    values={"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2}},
)
_FINDING: Final = _object(Finding, columns=_TEXTS, parts=_TEXTS, sentence=_TEXT, advice=_TEXT, kind=_TEXT)


def to_json(profile: Any) -> str:
    """The text of a profile's file."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        **{one.name: getattr(profile, one.name) for one in dataclasses.fields(profile)},
        "columns": [dataclasses.asdict(column) for column in profile.columns.values()],
        "findings": [one.as_dict() for one in profile.findings],
        "relations": profile.relations.as_dict(),
    }
    return json.dumps(plain(content), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def from_json(text: str | bytes, where: str) -> dict[str, Any]:
    """The arguments of the profile that a text holds.

    Args:
        text: What `to_json` gave.
        where: The file, for messages.

    Raises:
        NewerFormat: A newer blocks wrote it.
        MalformedData: It is damaged, or holds something else.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, "it is no JSON") from error
    if isinstance(content, dict) and content.get("format") == FORMAT:
        refuse_newer(f"The profile {where!r}", content.get("version"), VERSION)
    if broken := violation(content, JSON_SCHEMA):
        raise _damaged(where, broken)
    del content["format"], content["version"]
    try:
        relations = Relations.of_dict(content["relations"])
        columns = [ColumnProfile.of_dict(column) for column in content["columns"]]
        findings = [
            Finding(**{**one, "columns": tuple(one["columns"]), "parts": tuple(one["parts"])})
            for one in content["findings"]
        ]
    except (TypeError, ValueError, LookupError, AttributeError, InvalidArgument) as error:
        raise _damaged(where, f"a column or a finding is none: {error}") from error
    made = {"relations": relations, "columns": {column.name: column for column in columns}, "findings": tuple(findings)}
    return {**content, **made, "key": tuple(content["key"])}


JSON_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "format": {"const": FORMAT},
        "version": {"const": VERSION},
        "rows": _COUNT,
        "splits": {"type": "object", "additionalProperties": _COUNT},
        "columns": {"type": "array", "items": _COLUMN},
        "findings": {"type": "array", "items": _FINDING},
        "relations": {"type": "object", "required": ["with_target", "among", "power", "duplicates", "order"]},
        "target": _OR_NULL,
        "key": _TEXTS,
        "time": _OR_NULL,
        "sampled": _COUNT,
        "seed": _COUNT,
        "min_count": _COUNT,
    },
}
"""What a profile's file holds."""
JSON_SCHEMA["required"] = list(JSON_SCHEMA["properties"])


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _damaged(where: str, what: str) -> MalformedData:
    return MalformedData(
        f"{where} must hold a profile as Profile.save writes it. Received: {what}. Describe the rows anew."
    )
