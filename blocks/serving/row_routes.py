"""RowRoutes: `POST /NAME` with one row as an object, or a list of rows; its answers come back in the same form.

Where the row has values that training rows did not have, its answer has a field `warnings`; a list has no place for it.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from blocks.serving.answer import JSON_TYPE, Answer
from blocks.serving.json_bodies import dumps, loads
from blocks.serving.model_server import ModelServer, Prediction
from blocks.serving.request_error import RequestError
from blocks.serving.request_keys import keys_of_rows
from blocks.serving.servable import Servable
from blocks.serving.tensorflow_serving import answer_rows, with_warnings


class RowRoutes:
    """Answers at a model's own name, the simplest there is: `curl -d '{"age": 39}' localhost:8501/income`.

    Args:
        server: The models.
    """

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def target(self, method: str, path: str) -> str | None:
        """The model that a path names, if it names one."""
        name = unquote(path[1:])
        return name if method == "POST" and name in self._server.models else None

    async def answer(self, model: str, headers: Any, body: bytes, started: float) -> Answer:
        """The answer.

        Raises:
            RequestError: There is none.
        """
        server = self._server
        with server.counted(model, "row", started) as answered:
            servable = server.servable(model)
            single, prediction = await server.parsed(_parsed, body, servable, server.log_keys)
            result = await server.run(servable, prediction, started)
            answers = answer_rows(result, keep_names=True)
            more = {name: value for name, value in with_warnings(result).items() if name not in answers[0]}
            answer = dumps({**answers[0], **more} if single else answers, finite=result.finite)
            answered.rows, answered.version = prediction.rows, str(servable.version)
        return Answer(200, (JSON_TYPE,), answer)


def _parsed(body: bytes, servable: Servable, log_keys: Sequence[str]) -> tuple[bool, Prediction]:
    content = loads(body)
    single = type(content) is dict
    if not single and (type(content) is not list or not content):
        raise RequestError(400, "A request is one row as an object, or a list of at least one.")
    rows, keys = keys_of_rows([content] if single else content, log_keys, servable.inputs.raw)
    return single, Prediction(servable.inputs.of_rows(rows), len(rows), keys=keys)
