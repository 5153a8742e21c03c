"""RestRoutes: the paths of TensorFlow Serving's REST, and what each does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from blocks.serving import tensorflow_serving as rest
from blocks.serving.answer import JSON_TYPE, Answer, json_answer
from blocks.serving.json_bodies import loads
from blocks.serving.model_server import ModelServer, Prediction, version_number
from blocks.serving.request_error import RequestError
from blocks.serving.servable import Servable


@dataclass(frozen=True)
class Target:
    """What a path asks for.

    Attributes:
        model: Its name.
        version, label: Which version; None for the newest.
        method: "predict", "classify" or "regress"; "metadata"; "status"; or what is wrong, in words.
    """

    model: str
    version: int | None
    label: str | None
    method: str


class RestRoutes:
    """Answers under `/v1/`.

    Args:
        server: The models.
    """

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def target(self, method: str, path: str) -> Target | None:
        """What a path asks for, of those under `/v1/`."""
        if not path.lower().startswith("/v1/"):
            return None
        match = rest.PATH.fullmatch(path)
        if method == "GET" and path.lower().rstrip("/") == "/v1/models":
            return Target("", None, None, "Missing model name in request.")
        if match is None or (method != "POST" if match["method"] else method != "GET"):
            return Target("", None, None, f"Malformed request: {method} {path[:200]}")
        version = version_number(match["version"])
        asked = match["method"] or match["metadata"] or "status"
        return Target(unquote(match["model"]), version, match["label"], asked.lower())

    async def answer(self, target: Target, headers: Any, body: bytes, started: float) -> Answer:
        """The answer.

        Raises:
            RequestError: There is none.
        """
        if " " in target.method:
            raise RequestError(400, target.method)
        if target.method == "status":
            return self._status(target)
        if target.method == "metadata":
            servable = self._server.servable(target.model, target.version, target.label)
            return json_answer(rest.metadata(target.model, servable))
        server = self._server
        with server.counted(target.model, target.method, started) as answered:
            servable = server.servable(target.model, target.version, target.label)
            rest.check_method(target.method, servable)
            prediction = await server.parsed(_parsed, body, servable, target.method, server.log_keys)
            result = await server.run(servable, prediction, started)
            if target.method == "predict":
                answer = rest.predict_answer(result, prediction.by_row)
            elif target.method == "classify":
                answer = rest.classify_answer(result, servable)
            else:
                answer = rest.regress_answer(result, servable)
            answered.rows, answered.version = prediction.rows, str(servable.version)
        return Answer(200, (JSON_TYPE,), answer)

    def _status(self, target: Target) -> Answer:
        if target.model not in self._server.models:
            raise RequestError(404, f"Could not find any versions of model {target.model[:100]}")
        if target.version is not None or target.label:
            servable = self._server.servable(target.model, target.version, target.label)
            return json_answer(rest.status({servable.version: ""}))
        one = self._server.models[target.model]
        return json_answer(rest.status({**dict(one.failed), **dict.fromkeys(one.versions, "")}))


def _parsed(body: bytes, servable: Servable, method: str, log_keys: Sequence[str]) -> Prediction:
    content = loads(body)
    if method == "predict":
        return rest.predict_request(content, servable, log_keys)
    return rest.examples_request(content, servable, log_keys)
