"""OpenInferenceRoutes: the paths of the Open Inference Protocol, and what each does."""

import re
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from typing import Any, Final
from urllib.parse import unquote

from blocks.serving import open_inference as protocol
from blocks.serving.answer import Answer, json_answer
from blocks.serving.model_server import ModelServer, version_number
from blocks.serving.request_error import RequestError

PATH: Final = re.compile(
    r"/v2(?:/(?P<health>health/live|health/ready)|/(?P<index>repository/index)"
    r"|/models/(?P<model>[^/]+)(?:/versions/(?P<version>\d+))?(?:/(?P<what>ready|infer|config|stats))?)?/?",
    re.ASCII,
)


@dataclass(frozen=True)
class Target:
    """What a path asks for.

    Attributes:
        what: "server", "health/live", "health/ready", "repository/index", "metadata", "ready", "infer", "config",
            "stats", or "" where there is no such path.
        model: The model's name.
        version: Its version, or None for the newest.
    """

    what: str
    model: str = ""
    version: int | None = None


class OpenInferenceRoutes:
    """Answers under `/v2`.

    Args:
        server: The models.
    """

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def target(self, method: str, path: str) -> Target | None:
        """What a path asks for by this method, of those under `/v2`; all that are not there have one target."""
        if path != "/v2" and not path.startswith("/v2/"):
            return None
        match = PATH.fullmatch(path)
        if match is None:
            return Target("")
        if match["model"]:
            version = version_number(match["version"])
            target = Target(match["what"] or "metadata", unquote(match["model"]), version)
        else:
            target = Target(match["health"] or match["index"] or "server")
        posts = target.what in ("infer", "repository/index")
        return target if method == ("POST" if posts else "GET") else None

    async def answer(self, target: Target, headers: Any, body: bytes, started: float) -> Answer:
        """The answer.

        Raises:
            RequestError: There is none.
        """
        server = self._server
        match target.what:
            case "":
                raise RequestError(404, "There is no such path in the Open Inference Protocol.")
            case "server":
                about = {"name": "blocks", "version": distribution_version("ml-blocks")}
                return json_answer({**about, "extensions": ["binary_tensor_data", "model_configuration", "statistics"]})
            case "health/live":
                return json_answer({"live": True})
            case "health/ready":
                return json_answer({"ready": server.ready}, 200 if server.ready else 503)
            case "repository/index":
                return json_answer(
                    [
                        {"name": name, "version": str(number), "state": "READY", "reason": ""}
                        for name, one in server.models.items()
                        for number in one.versions
                    ]
                )
            case "infer":
                return await self._infer(target, headers, body, started)
        servable = server.servable(target.model, target.version)
        match target.what:
            case "ready":
                return json_answer({"name": target.model, "ready": True})
            case "config":
                return json_answer(protocol.model_config(target.model, servable))
            case "stats":
                rows = server.measurements.rows_answered(target.model)
                one = {"name": target.model, "version": str(servable.version), "inference_count": rows}
                return json_answer({"model_stats": [one]})
        versions = list(server.models[target.model].versions)
        return json_answer(protocol.model_metadata(target.model, versions, servable))

    async def _infer(self, target: Target, headers: Any, body: bytes, started: float) -> Answer:
        server, length = self._server, headers.get(protocol.HEADER_LENGTH)
        with server.counted(target.model, "infer", started) as answered:
            servable = server.servable(target.model, target.version)
            request = await server.parsed(protocol.infer_request, body, length, servable, server.log_keys)
            content, prediction = request
            result = await server.run(servable, prediction, started)
            answer = protocol.infer_answer(content, result, target.model, servable)
            answered.rows, answered.version = prediction.rows, str(servable.version)
        return answer
