"""PageRoutes: the page at `/`, OpenAPI, and why a model answers as it does."""

import asyncio
from importlib.metadata import version as distribution_version
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from blocks.errors import BlocksError
from blocks.serving.answer import Answer, json_answer
from blocks.serving.explain_row import explain_row
from blocks.serving.json_bodies import loads
from blocks.serving.model_card import model_card
from blocks.serving.model_server import ModelServer
from blocks.serving.openapi import openapi
from blocks.serving.request_error import RequestError
from blocks.serving.trial_page import trial_page

EXPLAIN = "/page/explain/"


class PageRoutes:
    """Answers to people: the page, and what it asks for.

    Args:
        server: The models.
    """

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._explaining = asyncio.Semaphore(1)

    def target(self, method: str, path: str) -> str | None:
        """A path of this."""
        if method == "GET" and path in ("/", "/openapi.json"):
            return path
        return path if method == "POST" and path.startswith(EXPLAIN) else None

    async def answer(self, path: str, headers: Any, body: bytes, started: float) -> Answer:
        """The answer.

        Raises:
            RequestError: There is none.
        """
        servables = {name: one.get() for name, one in self._server.models.items() if one.versions}
        if path == "/":
            return trial_page([model_card(name, servable) for name, servable in servables.items()])
        if path == "/openapi.json":
            return json_answer(openapi(servables, distribution_version("ml-blocks"), self._server.log_keys))
        name = unquote(path.removeprefix(EXPLAIN))
        servable = self._server.servable(name)
        row = loads(body)
        if self._explaining.locked():
            raise RequestError(429, "Another row is being explained. Try again in a second.")
        async with self._explaining:  # it takes thousands of rows, and nobody's request waits for it
            try:
                return json_answer(await asyncio.to_thread(explain_row, servable, row))
            except (BlocksError, pa.ArrowException) as error:
                raise RequestError(400, str(error)) from None
