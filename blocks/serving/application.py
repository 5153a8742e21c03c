"""The ASGI application: models by name, TensorFlow Serving's REST, health and measurements."""

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blocks.arguments import check_whole_number, checked
from blocks.errors import InvalidArgument
from blocks.serving import tensorflow_serving as rest
from blocks.serving.batcher import Batcher
from blocks.serving.json_text import dumps, loads
from blocks.serving.measurements import CONTENT_TYPE, Measurements
from blocks.serving.model_versions import ModelVersions
from blocks.serving.request_error import RequestError
from blocks.serving.servable import Servable

log = logging.getLogger("blocks.serving")

JSON_TYPE: Final = (b"content-type", b"application/json")
LARGE_BODY: Final = 1 << 18
"""Bytes beyond which a body is parsed in a thread, so that others' requests go on."""
TOKEN: Final = "BLOCKS_SERVING_TOKEN"
"""The environment variable that holds the token which clients must show, if it is set."""


@dataclass(frozen=True)
class Limits:
    """What a server does at most.

    Args:
        body_bytes: Of a request's body; 413 beyond.
        request_rows: Of a request; 413 beyond.
        batch_rows: That run together.
        queued_rows: That wait; 429 beyond.
        seconds: From a request to its answer; 504 beyond.
    """

    body_bytes: int = 32 << 20
    request_rows: int = 16_384
    batch_rows: int = 1024
    queued_rows: int = 65_536
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("body_bytes", "request_rows", "batch_rows", "queued_rows"):
            check_whole_number(name, getattr(self, name), 1)
        if not 0 < self.seconds < float("inf"):
            raise InvalidArgument(f"seconds is a number above 0. Received: {self.seconds!r}.")


@checked()
def app(
    models: Mapping[str, str | os.PathLike[str]],
    *,
    limits: Limits | None = None,
    watch_seconds: float = 2.0,
) -> "Application":
    """An ASGI application that answers from exports: run it by any ASGI server, or by `blocks serve`.

    One process, and one thread for TensorFlow: what came in while it was busy runs together. It listens nowhere by
    itself, writes nothing, and needs no training code. Clients show `Authorization: Bearer TOKEN` where the environment
    has BLOCKS_SERVING_TOKEN.

    Args:
        models: By the name that requests call it: an export's folder, or a folder of exports called by numbers, which
            is watched.
        limits: What it does at most.
        watch_seconds: How often folders of versions are looked at.

    Returns:
        The application.

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
    return Application(models, limits or Limits(), watch_seconds)


class Application:
    """What `app` gives: the models, their queue, and the routes.

    Args:
        models: Folders by name.
        limits: What it does at most.
        watch_seconds: How often folders are looked at.
    """

    def __init__(self, models: Mapping[str, str | os.PathLike[str]], limits: Limits, watch_seconds: float) -> None:
        self._limits = limits
        self._watch_seconds = watch_seconds
        self._token = os.environ.get(TOKEN, "").encode()
        self.measurements = Measurements()
        self.models = {name: ModelVersions(name, folder, self._changed) for name, folder in models.items()}
        self.batcher = Batcher(limits.batch_rows, limits.queued_rows, self.measurements.observe_batch)
        self.measurements.queued_rows.set_function(lambda: self.batcher.queued_rows)
        self._draining = False
        self._stopped = threading.Event()
        self._targets: dict[str, tuple[str, int | None, str | None, str]] = {}
        self._others = Starlette(
            routes=[
                Route("/health/live", self._live, methods=["GET", "HEAD"]),
                Route("/health/ready", self._ready, methods=["GET", "HEAD"]),
                Route("/metrics", self._metrics, methods=["GET"]),
                Route("/v1/{rest:path}", self._rest, methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
            ],
            lifespan=self._lifespan,
        )

    @property
    def ready(self) -> bool:
        """Whether every model has a version, and the server is not stopping."""
        return not self._draining and all(one.versions for one in self.models.values())

    @property
    def draining(self) -> bool:
        """Whether the server is stopping."""
        return self._draining

    def drain(self) -> None:
        """From here on the server says that it is not ready, and asks clients to close their connections."""
        self._draining = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        if self._token and not self._has_token(scope):
            await self._send(send, 401, _error("A bearer token is needed: Authorization: Bearer TOKEN."))
            return
        if scope["method"] == "POST" and (target := self._target(scope["path"])) is not None:
            await self._answer(target, receive, send)
            return
        await self._others(scope, receive, send)

    def _has_token(self, scope: Any) -> bool:
        import hmac

        if scope["path"].startswith("/health/"):
            return True
        given = b"".join(value for name, value in scope["headers"] if name == b"authorization")
        return hmac.compare_digest(given, b"Bearer " + self._token)

    def _target(self, path: str) -> tuple[str, int | None, str | None, str] | None:
        """Which model, version, label and method a path asks for."""
        found = self._targets.get(path)
        if found is None:
            match = rest.PATH.fullmatch(path)
            if match is None or match["method"] is None:
                return None
            version = int(match["version"]) if match["version"] else None
            found = (unquote(match["model"]), version, match["label"], match["method"].lower())
            if len(self._targets) < 1000 and found[0] in self.models:
                self._targets[path] = found
        return found

    async def _answer(self, target: tuple[str, int | None, str | None, str], receive: Any, send: Any) -> None:
        started = time.monotonic()
        model, version, label, method = target
        rows, status = 0, 200
        try:
            body = await self._body(receive)
            servable = self._servable(model, version, label)
            answer, rows = await self._predict(servable, method, body, started)
        except RequestError as error:
            status, answer = error.status, _error(str(error))
        except Exception:
            log.exception("request failed", extra={"facts": {"model": model, "method": method}})
            status, answer = 500, _error("The model cannot answer this request.")
        if model in self.models:
            number = str(servable.version) if status == 200 else ""
            self.measurements.observe_request(model, number, method, status, rows, time.monotonic() - started)
        await self._send(send, status, answer)

    def _servable(self, model: str, version: int | None, label: str | None) -> Servable:
        if model not in self.models:
            raise RequestError(404, f"Servable not found for request: Latest({model[:100]})")
        if version is not None and version > rest.MAX_VERSION:
            raise RequestError(400, "A version is a whole number within int64.")
        return self.models[model].get(version, label)

    async def _predict(self, servable: Servable, method: str, body: bytes, started: float) -> tuple[bytes, int]:
        rest.check_method(method, servable)
        if len(body) > LARGE_BODY:
            request = await asyncio.to_thread(self._parsed, body, servable, method)
        else:
            request = self._parsed(body, servable, method)
        if request.rows > self._limits.request_rows:
            raise RequestError(
                413, f"A request holds at most {self._limits.request_rows:,} rows. Received: {request.rows:,}. "
                "Send several."
            )  # fmt: skip
        deadline = started + self._limits.seconds
        future = self.batcher.submit(servable.runner(request.signature), request.inputs, request.rows, deadline)
        result = await future
        if method == "classify":
            return rest.classify_answer(result, servable), request.rows
        if method == "regress":
            return rest.regress_answer(result, servable), request.rows
        return rest.predict_answer(result, request.by_row), request.rows

    @staticmethod
    def _parsed(body: bytes, servable: Servable, method: str) -> rest.Prediction:
        content = loads(body)
        if method == "predict":
            return rest.predict_request(content, servable)
        return rest.examples_request(content, servable)

    async def _body(self, receive: Any) -> bytes:
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            self._check_size(len(body))
            return body
        parts, size = [body], len(body)
        while message.get("more_body", False):
            self._check_size(size)
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(400, "The request ended before its body did.")
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
        self._check_size(size)
        return b"".join(parts)

    def _check_size(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise RequestError(413, f"A body holds at most {self._limits.body_bytes:,} bytes. Send several requests.")

    async def _send(self, send: Any, status: int, body: bytes) -> None:
        headers = [JSON_TYPE, (b"content-length", str(len(body)).encode())]
        if status == 429:
            headers.append((b"retry-after", b"1"))
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self._draining or status == 413:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # -- what is asked seldom ------------------------------------------------------------------------------------------

    async def _live(self, request: Request) -> Response:
        return _json({"live": True})

    async def _ready(self, request: Request) -> Response:
        return _json({"ready": self.ready}, 200 if self.ready else 503)

    async def _metrics(self, request: Request) -> Response:
        for name, one in self.models.items():
            for number in one.versions:
                self.measurements.versions.labels(name, str(number)).set(1)
        return Response(self.measurements.text(), media_type=CONTENT_TYPE)

    async def _rest(self, request: Request) -> Response:
        """TensorFlow Serving's questions for status and metadata, and its answer to all others."""
        path = request.url.path
        try:
            match = rest.PATH.fullmatch(path)
            if request.method == "GET" and path.lower().rstrip("/") == "/v1/models":
                raise RequestError(400, "Missing model name in request.")
            if match is None or match["method"] or request.method != "GET":
                raise RequestError(400, f"Malformed request: {request.method} {path[:200]}")
            version = int(match["version"]) if match["version"] else None
            name = unquote(match["model"])
            if match["metadata"]:
                return _json(rest.metadata(name, self._servable(name, version, match["label"])))
            if name not in self.models:
                raise RequestError(404, f"Could not find any versions of model {name[:100]}")
            one = self.models[name]
            if version is not None or match["label"]:
                return _json(rest.status({self._servable(name, version, match["label"]).version: ""}))
            return _json(rest.status({**dict(one.failed), **dict.fromkeys(one.versions, "")}))
        except RequestError as error:
            return Response(_error(str(error)), error.status, media_type="application/json")

    @asynccontextmanager
    async def _lifespan(self, application: Starlette) -> AsyncIterator[None]:
        watcher = threading.Thread(target=self._watch, name="blocks-versions", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._draining = True
            self._stopped.set()
            await asyncio.to_thread(self.batcher.close)

    def _watch(self) -> None:
        while not self._stopped.wait(self._watch_seconds):
            for one in self.models.values():
                try:
                    one.refresh()
                except Exception:
                    log.exception("versions not refreshed", extra={"facts": {"model": one.name}})

    def _changed(self, event: str, facts: Mapping[str, object]) -> None:
        if event == "version let go":
            self.measurements.versions.labels(facts["model"], str(facts["version"])).set(0)
        log.info(event, extra={"facts": dict(facts)})


def _error(message: str) -> bytes:
    return dumps({"error": message}, finite=True)


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")
