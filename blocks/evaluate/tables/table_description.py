"""Description: what a prediction table says of itself in its file's metadata, or what its user says of it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch
from blocks.export.export_manifest import schema as schema_of_exports
from blocks.files.format_version import refuse_newer
from blocks.files.json_schema import violation
from blocks.targets.description import HeadDescription

METADATA = b"blocks"
VERSION = 1
_METADATA_SCHEMA = {
    "type": "object",
    "required": ["heads", "plan", "counts"],
    "properties": {
        "heads": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/head"}},
        "plan": {"type": "object", "properties": {"keys": {"$ref": "#/$defs/texts"}}},
        "counts": {"type": "object"},
    },
    "$defs": schema_of_exports()["$defs"],
}


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a table.

    Attributes:
        heads: At least one.
        plan: What the table was made of: model, source, keys, ...; empty of a table that blocks did not write.
        counts: Rows, and how many of them are unusable or not finite; by part.
    """

    heads: tuple[HeadDescription, ...]
    plan: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    counts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """The columns that rows are known by."""
        return list(self.plan.get("keys", []))

    def to_bytes(self) -> bytes:
        """As a file's metadata holds it."""
        heads = [dataclasses.asdict(head) for head in self.heads]
        return json.dumps({"version": VERSION, "heads": heads, "plan": self.plan, "counts": self.counts}).encode()

    @classmethod
    def of_schema(cls, schema: pa.Schema) -> "Description | None":
        """What a schema's metadata says; None where it says nothing.

        Raises:
            NewerFormat: A newer blocks wrote it.
            MalformedData: It says what blocks never wrote.
        """
        found = (schema.metadata or {}).get(METADATA)
        if found is None:
            return None
        try:
            content = json.loads(found)
            broken = violation(content, _METADATA_SCHEMA)
        except (ValueError, RecursionError):
            content, broken = None, "it is no JSON"
        if isinstance(content, dict):
            refuse_newer("The table", content.get("version"), VERSION)
        if broken:
            raise MalformedData(
                f"The table's metadata {METADATA.decode()!r} is damaged, or not by blocks: {broken}. Write the table "
                "again by predict_table, or take the metadata away and say target=, classes=."
            )
        heads = tuple(HeadDescription.from_json(head) for head in content["heads"])
        return cls(heads, content["plan"], content["counts"])

    def added_to(self, schema: pa.Schema) -> pa.Schema:
        """A schema that says what its table is of."""
        return schema.with_metadata({METADATA: self.to_bytes()})

    def head(self, name: str | None) -> HeadDescription:
        """The head of a name; the only one unless given.

        Raises:
            InvalidArgument: There is none of the name, or there are several and none is named.
        """
        names = [head.name for head in self.heads]
        if name is None and len(names) == 1:
            return self.heads[0]
        if name not in names:
            raise InvalidArgument(f"The table is of the heads {', '.join(names)}; name one: head=. Received: {name!r}.")
        return self.heads[names.index(name)]


def describe_table(
    schema: pa.Schema,
    *,
    target: str | Sequence[str] | None,
    classes: Sequence[Any] | None,
    sample_weight: str | None,
) -> Description:
    """What a table is of: its metadata, with what the user says in place of that.

    Raises:
        InvalidArgument: Neither says enough.
        SchemaMismatch: A column is not there.
    """
    found = Description.of_schema(schema)
    if found is None:
        if target is None:
            raise InvalidArgument(
                "A table that predict_table did not write does not say what its target is. Give target='column', and "
                "for a classifier classes=[...] in the order of the probabilities."
            )
        head = HeadDescription(
            targets=(target,) if isinstance(target, str) else tuple(target),
            classes=None if classes is None else tuple(classes),
            sample_weight=sample_weight,
        )
        if "probabilities" in schema.names and head.classes is None and isinstance(target, str):
            raise InvalidArgument(
                "A classifier's table has probabilities in the order of its classes. Give classes=['no', 'yes', ...]."
            )
        found = Description((head,))
    else:
        if (target is not None or classes is not None) and len(found.heads) > 1:
            raise InvalidArgument("A table of several heads says itself what its targets are. Leave target= out.")
        changes: dict[str, Any] = {} if sample_weight is None else {"sample_weight": sample_weight}
        if target is not None:
            changes |= {"targets": (target,) if isinstance(target, str) else tuple(target), "columns": {}}
        if classes is not None:
            changes["classes"] = tuple(classes)
        heads = tuple(dataclasses.replace(head, **changes) for head in found.heads)
        found = dataclasses.replace(found, heads=heads)
    for head in found.heads:
        wanted = [*head.target_columns(), *([sample_weight] if sample_weight is not None else [])]
        absent = [name for name in wanted if name not in schema.names]
        if absent:
            raise SchemaMismatch(
                f"A table that is judged has its target and weights. Received: one without {', '.join(absent)}; it has "
                f"{', '.join(schema.names)}. Write it by predict_table(..., targets=True)."
            )
    return found
