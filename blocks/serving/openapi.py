"""OpenAPI 3.1 of what a server answers, with each model's columns and answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.data.raw_columns import RawColumn
from blocks.serving.model_card import model_card
from blocks.serving.open_inference import NAMES
from blocks.serving.request_keys import MOST_CHARACTERS
from blocks.serving.servable import Servable

_ERRORS = {
    "400": "The request does not fit the model; the message names what.",
    "401": "A bearer token is needed.",
    "404": "There is no such model or version.",
    "408": "The body took too long to come.",
    "413": "Too many rows or bytes.",
    "429": "The queue is full; Retry-After says when to try again.",
    "503": "The server is stopping.",
    "504": "The request waited too long.",
}


def openapi(servables: Mapping[str, Servable], version: str, log_keys: Sequence[str] = ()) -> dict[str, Any]:
    """The document.

    Args:
        servables: The versions that answer, by model.
        version: Of blocks.
    """
    paths: dict[str, Any] = {
        "/health/live": {"get": _get("Whether the process lives.", {"type": "object"})},
        "/health/ready": {
            "get": {
                "summary": "Whether every model can answer.",
                "responses": {"200": {"description": "It is."}, "503": {"description": "It is not."}},
            }
        },
        "/v2": {"get": _get("The server, in the Open Inference Protocol.", {"type": "object"})},
        "/openapi.json": {"get": _get("This document.", {"type": "object"})},
    }
    schemas: dict[str, Any] = {
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    }
    for name, servable in servables.items():
        card = model_card(name, servable)
        schemas[f"{name}.row"] = _row(servable, log_keys)
        schemas[f"{name}.answer"] = _answer(card)
        row, answer = ({"$ref": f"#/components/schemas/{_pointer(name)}.{what}"} for what in ("row", "answer"))
        single = len(card["answers"]) == 1
        given = {"type": "array"} if single else {"type": "array", "items": answer}
        predict = {
            "type": "object",
            "required": ["instances"],
            "properties": {
                "instances": {"type": "array", "minItems": 1, "items": row},
                "signature_name": {"enum": ["serving_default", "serve", "", None]},
            },
        }
        example = card["examples"][0]
        paths[f"/{name}"] = {"post": _post("One row in, its answers out.", row, answer, example)}
        paths[f"/v1/models/{name}:predict"] = {
            "post": _post(
                "Rows in, answers out: TensorFlow Serving's REST.",
                predict,
                {"type": "object", "properties": {"predictions": given}},
                {"instances": [example]},
            )
        }
        paths[f"/v1/models/{name}"] = {"get": _get("The versions that serve.", {"type": "object"})}
        paths[f"/v1/models/{name}/metadata"] = {"get": _get("The signatures.", {"type": "object"})}
        paths[f"/v2/models/{name}"] = {"get": _get("Inputs and outputs.", {"type": "object"})}
        paths[f"/v2/models/{name}/infer"] = {
            "post": _post(
                "Tensors in, tensors out: the Open Inference Protocol.",
                _tensors(servable),
                {"type": "object", "required": ["model_name", "outputs"]},
                _tensors_of(servable, example),
            )
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Models served by blocks", "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _row(servable: Servable, log_keys: Sequence[str]) -> dict[str, Any]:
    properties = {name: _value(raw) for name, raw in servable.inputs.raw.items()}
    beside = {key: {"type": ["string", "integer", "null"], "maxLength": MOST_CHARACTERS} for key in log_keys}
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": {**beside, **properties},
    }


def _value(raw: RawColumn) -> dict[str, Any]:
    scalar: dict[str, Any]
    if raw.dtype == "string":
        options: list[dict[str, Any]] = [
            {"type": "string"},
            {
                "type": "object",
                "required": ["b64"],
                "additionalProperties": False,
                "properties": {"b64": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}},
            },
            {"type": "null"},
        ]
        if raw.kind == "list":
            options.append({"type": "array", "items": {"type": ["string", "integer"]}})
        return {"anyOf": options}
    if raw.dtype == "int64":
        types = ["integer", "boolean", "null"] if raw.kind == "int64" else ["integer", "null"]
        scalar = {"type": types, "minimum": -(2**63), "maximum": 2**63 - 1}
        if raw.kind in ("timestamp", "timestamp_utc", "instant"):
            scalar = {"anyOf": [scalar, {"type": "string", "format": "date-time"}]}
    else:
        scalar = {"type": ["number", "boolean", "null"]}
    for size in reversed(raw.shape):
        scalar = {"type": ["array", "null"], "items": scalar, "minItems": size, "maxItems": size}
    return {**scalar, "description": raw.means}


_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


def _answer(card: Mapping[str, Any]) -> dict[str, Any]:
    properties = {}
    for one in card["answers"]:
        kind = "string" if one["dtype"] == "string" else "integer" if "int" in one["dtype"] else "number"
        value: dict[str, Any] = {"type": "boolean" if one["dtype"] == "bool" else kind}
        for _ in one["shape"][1:]:
            value = {"type": "array", "items": value}
        properties[one["name"]] = value
    return {"type": "object", "required": list(properties), "properties": properties}


def _tensors(servable: Servable) -> dict[str, Any]:
    ranks = {len(raw.shape) + 1 for raw in servable.inputs.raw.values()}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {
                "type": "array",
                "minItems": len(servable.inputs.raw),
                "items": {
                    "type": "object",
                    "required": ["name", "shape", "datatype", "data"],
                    "properties": {
                        "name": {"enum": list(servable.inputs.raw)},
                        "shape": {**shape, "minItems": min(ranks), "maxItems": max(ranks) + 1},
                        "datatype": {"enum": ["BOOL", "INT32", "INT64", "FP32", "FP64", "BYTES"]},
                        "data": {"type": "array"},
                    },
                },
            },
        },
    }


def _tensors_of(servable: Servable, row: Mapping[str, Any]) -> Any:
    """A row as tensors; none where a column has lists or windows."""
    raw = servable.inputs.raw
    if any(one.shape or one.kind == "list" for one in raw.values()):
        return None
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": NAMES[one.dtype], "data": [row[name]]} for name, one in raw.items()
        ]
    }


def _post(summary: str, body: Any, answer: Any, example: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": body}
    if example is not None:
        content["example"] = example
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"200": _ok(answer), **_errors()},
    }


def _get(summary: str, answer: Any) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _ok(answer), **_errors()}}


def _ok(answer: Any) -> dict[str, Any]:
    return {"description": "The answer.", "content": {"application/json": {"schema": answer}}}


def _errors() -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": text, "content": error} for status, text in _ERRORS.items()}


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
