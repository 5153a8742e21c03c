"""The ASGI application: which protocol a path speaks, who may ask, and how an answer is sent."""

import asyncio
import hmac
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.serving.answer import Answer, Header, error_answer, json_answer
from blocks.serving.measurements import CONTENT_TYPE
from blocks.serving.model_server import Limits, ModelServer
from blocks.serving.open_inference_routes import OpenInferenceRoutes
from blocks.serving.page_routes import PageRoutes
from blocks.serving.prediction_log import PredictionLog
from blocks.serving.request_error import RequestError
from blocks.serving.rest_routes import RestRoutes
from blocks.serving.row_routes import RowRoutes

logger = logging.getLogger("blocks.serving")

TOKEN: Final = "BLOCKS_SERVING_TOKEN"
"""The environment variable that holds the token which clients must show, if it is set."""


@checked()
def app(
    models: Mapping[str, str | os.PathLike[str]],
    *,
    limits: Limits | None = None,
    watch_seconds: float = 2.0,
    unexpected: str = "warn",
    log: PredictionLog | None = None,
) -> "Application":
    """An ASGI application that answers from exports: run it by any ASGI server, or by `blocks serve`.

    One process, and one thread for TensorFlow: what came in while it was busy runs together. It listens nowhere by
    itself, writes nothing unless `log` says so, and needs no training code. Clients show `Authorization: Bearer TOKEN`
    where the environment has BLOCKS_SERVING_TOKEN.

    Args:
        models: By the name that requests call it: an export's folder, or a folder of exports called by numbers, which
            is watched.
        limits: What it does at most.
        watch_seconds: How often folders of versions are looked at.
        unexpected: What is done about values that the schema of the export does not expect (a new category, a number
            out of range): "warn" by a field of the answer, "refuse", or "ignore". They are counted by column, for
            `/metrics`, unless they are ignored.
        log: A sample of requests and answers to keep as Parquet; nothing is kept unless it is given.

    Returns:
        The application. It answers TensorFlow Serving's REST (`/v1/models/NAME:predict`), the Open Inference Protocol
        (`/v2/models/NAME/infer`), and one row at a time (`POST /NAME`).

    Raises:
        InvalidArgument: There is no export, or a name cannot stand in a URL.
        MalformedData: An export is damaged, or gives other bits for its golden rows.

    Example:
        >>> import blocks.serving
        >>> blocks.serving.app({"income": "no/such/export"})
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: A model is served from an export, ... Received: 'no/such/export', ...
    """
    if not models:
        raise InvalidArgument('app serves at least one model, {"name": "folder"}. Received: none.')
    for name in models:
        if not name or set(name) & set("/:?#%") or not name.isprintable() or name != name.strip():
            raise InvalidArgument(f"A model's name stands in URLs: no /, :, ?, # or %. Received: {name!r}.")
        if name.lower() in RESERVED:
            raise InvalidArgument(f"A model's name is none of {', '.join(sorted(RESERVED))}. Received: {name!r}.")
    if unexpected not in UNEXPECTED:
        raise InvalidArgument(f"unexpected is one of {', '.join(UNEXPECTED)}. Received: {unexpected!r}.")
    if log is not None and (bad := [name for name in models if name[0] in "._" or "=" in name]):
        raise InvalidArgument(
            f"A model whose predictions are logged has a folder of its name there: no = in it, no . or _ before it. "
            f"Received: {bad[0]!r}."
        )
    return Application(ModelServer(models, limits or Limits(), watch_seconds, unexpected, log))


UNEXPECTED: Final = ("warn", "refuse", "ignore")
RESERVED: Final = {"v1", "v2", "health", "metrics", "openapi.json", "page"}
"""Paths that are no model's."""
METHODS: Final = ("GET", "POST")
OPEN: Final = ("/health/", "/v2/health/")
"""Paths that ask for no token."""
CLOSE: Final = (b"connection", b"close")
MOST_ROUTES: Final = 1000
"""Paths that are remembered."""


@dataclass(frozen=True)
class Endpoint:
    """What answers a path.

    Attributes:
        handle: From the path's parts, the headers and the body to the answer.
        target: The path's parts.
    """

    handle: Callable[..., Awaitable[Answer]]
    target: Any


class Application:
    """What `app` gives.

    Args:
        server: The models.
    """

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self._token = os.environ.get(TOKEN, "").encode()
        self._protocols = (RestRoutes(server), OpenInferenceRoutes(server), RowRoutes(server), PageRoutes(server))
        self._routes: dict[tuple[str, str], Endpoint] = {}
        self._direct: dict[bytes, Endpoint] = {}
        self._others = Starlette(
            routes=[
                Route("/health/live", self._live, methods=["GET", "HEAD"]),
                Route("/health/ready", self._ready, methods=["GET", "HEAD"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ],
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        if not self.may_ask(scope["headers"]) and not scope["path"].startswith(OPEN):
            answer = error_answer(RequestError(401, "A bearer token is needed: Authorization: Bearer TOKEN."))
            await self._send(send, answer)
            return
        route = self._route(scope["method"], scope["path"])
        if route is None:
            await self._others(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            body = await self.server.bodies.received(receive, headers.get(b"content-encoding", b""))
        except RequestError as error:
            answer = error_answer(error)
        else:
            answer = await self._answer(route, headers, body)
        await self._send(send, answer)

    def direct_route(self, method: bytes, url: bytes) -> Endpoint | None:
        """What answers a POST to an address as it stands in a request's first line; of plain addresses alone."""
        if method != b"POST":
            return None
        found = self._direct.get(url)
        if found is None and url.startswith(b"/") and url.isascii() and not set(url) & set(b"%?#"):
            found = self._route("POST", url.decode())
            if found is not None and len(self._direct) < MOST_ROUTES:
                self._direct[url] = found
        return found

    async def answer_whole(self, route: Endpoint, headers: Mapping[bytes, bytes], body: bytes) -> Answer:
        """The answer to a request whose body has come, and is not packed."""
        try:
            self.server.bodies.hold(body)
        except RequestError as error:
            return error_answer(error)
        return await self._answer(route, headers, body)

    async def _answer(self, route: Endpoint, headers: Mapping[bytes, bytes], body: bytes) -> Answer:
        """The answer to a body that is held, and let go."""
        try:
            return await route.handle(route.target, headers, body, time.monotonic())
        except RequestError as error:
            return error_answer(error)
        except Exception:
            logger.exception("request failed")
            return error_answer(RequestError(500, "The model cannot answer this request."))
        finally:
            self.server.bodies.release(body)

    def _route(self, method: str, path: str) -> Endpoint | None:
        found = self._routes.get((method, path))
        if found is None:
            found = self._found(method, path)
            if found is None and method == "HEAD":
                found = self._found("GET", path)
            if found is None and (allowed := [one for one in METHODS if self._found(one, path)]):
                found = Endpoint(_not_allowed, ", ".join(allowed))
            if found is not None and len(self._routes) < MOST_ROUTES:
                self._routes[method, path] = found
        return found

    def _found(self, method: str, path: str) -> Endpoint | None:
        for protocol in self._protocols:
            if (target := protocol.target(method, path)) is not None:
                return Endpoint(protocol.answer, target)
        return None

    def may_ask(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request shows the token, if there is one."""
        if not self._token:
            return True
        given = b"".join(value for name, value in headers if name == b"authorization")
        return hmac.compare_digest(given, b"Bearer " + self._token)

    def headers(self, answer: Answer, *, close: bool = False) -> list[Header]:
        """All headers of an answer.

        Args:
            answer: What goes back.
            close: Whether the connection ends with it, whatever the answer says.
        """
        headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
        if close or self.server.draining or answer.status in (408, 413):
            headers.append(CLOSE)
        return headers

    async def _send(self, send: Any, answer: Answer) -> None:
        await send({"type": "http.response.start", "status": answer.status, "headers": self.headers(answer)})
        await send({"type": "http.response.body", "body": answer.body})

    async def _live(self, request: Request) -> Response:
        return _response(json_answer({"live": True}))

    async def _ready(self, request: Request) -> Response:
        ready = self.server.ready
        return _response(json_answer({"ready": ready}, 200 if ready else 503))

    async def _metrics(self, request: Request) -> Response:
        found = self.server.measurements.text(self.server.unexpected_rows())
        return Response(found, media_type=CONTENT_TYPE)

    @asynccontextmanager
    async def _lifespan(self, application: Starlette) -> AsyncIterator[None]:
        self.server.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.server.stop)


async def _not_allowed(allowed: str, headers: Any, body: bytes, started: float) -> Answer:
    error = error_answer(RequestError(405, f"This path takes {allowed}."))
    also = ", HEAD" if "GET" in allowed else ""
    return Answer(error.status, (*error.headers, (b"allow", f"{allowed}{also}".encode())), error.body)


def _response(answer: Answer) -> Response:
    status, headers, body = answer
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})
