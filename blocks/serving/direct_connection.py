"""DirectConnection: a connection that gives small whole requests to the application without ASGI's messages between.

What ASGI makes of a request costs more than what we do with it: a scope, an event, two messages each way. A POST to a
path that answers, of a plain body that is small and soon there, needs none of them. All else, and a body that takes its
time, goes the usual way; the answers are the same.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from blocks.serving.application import CLOSE, Application, Endpoint
from blocks.serving.bounded_connection import BoundedConnection

SMALL_BODY: Final = 1 << 16
"""Bytes: as many as uvicorn reads ahead of an application."""
SOON_SECONDS: Final = 1.0
"""From a request's headers to the end of its body."""
_SPECIAL: Final = (b"content-encoding", b"transfer-encoding", b"expect", b"upgrade")


class _Received:
    """ASGI's event that more of a request has come, which nobody awaits here."""

    def set(self) -> None:
        """Nothing waits."""


class _Exchange:
    """A request and its answer, as far as uvicorn's connection asks.

    Args:
        keep_alive: Whether the connection goes on after it.
    """

    message_event = _Received()

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = self.disconnected = False


class DirectConnection(BoundedConnection):
    """One client's connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._application = self.app if isinstance(self.app, Application) else None
        self._route: Endpoint | None = None  # of the request that comes, if it goes the short way
        self._parts: list[bytes] = []
        self._given: dict[bytes, bytes] = {}
        self._soon: asyncio.TimerHandle | None = None

    def on_headers_complete(self) -> None:
        """The request has a head."""
        self._route = self._direct_route()
        if self._route is None:
            super().on_headers_complete()
        else:
            self._has_head()

    def on_body(self, body: bytes) -> None:
        """A part of the request's body."""
        if self._route is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        route, application = self._route, self._application
        if route is None or application is None:
            super().on_message_complete()
            return
        self._forget()
        body, self._parts = b"".join(self._parts), []
        self.cycle = exchange = _Exchange(self.parser.should_keep_alive())
        task = self.loop.create_task(self._answer(application, route, self._given, body, exchange))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        super().data_received(data)
        if self._route is not None and self._soon is None:
            self._soon = self.loop.call_later(SOON_SECONDS, self._go_the_usual_way)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._forget()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Answer what has begun, and close."""
        self._go_the_usual_way()
        super().shutdown()

    @property
    def _idle(self) -> bool:
        return self._route is None and super()._idle

    def _direct_route(self) -> Endpoint | None:
        """What answers the request whose head has come, where it may go the short way."""
        application = self._application
        if application is None or not (self.cycle is None or self.cycle.response_complete):
            return None
        route = application.direct_route(self.parser.get_method(), self.url)
        if route is None:
            return None
        self._given = given = dict(self.headers)
        length = given.get(b"content-length", b"")
        if not length.isdigit() or len(length) > 5 or int(length) > SMALL_BODY:
            return None
        if self.parser.get_http_version() != "1.1" or any(name in given for name in _SPECIAL):
            return None
        return route if application.may_ask(self.headers) else None

    def _forget(self) -> None:
        self._route = None
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def _go_the_usual_way(self) -> None:
        """Let uvicorn have the request that has begun, with what came of its body."""
        if self._route is None:
            return
        parts, self._parts = self._parts, []
        self._forget()
        super().on_headers_complete()
        for part in parts:
            super().on_body(part)

    async def _answer(
        self, application: Application, route: Endpoint, given: dict[bytes, bytes], body: bytes, exchange: _Exchange
    ) -> None:
        answer = await application.answer_whole(route, given, body)
        if self.flow.write_paused and not exchange.disconnected:
            await self.flow.drain()
        if exchange.disconnected:
            return
        headers = application.headers(answer, close=not exchange.keep_alive)
        parts = [STATUS_LINE[answer.status]]
        for name, value in (*self.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", answer.body)
        self.transport.write(b"".join(parts))
        exchange.response_complete = True
        if CLOSE in headers:
            self.transport.close()
        self.on_response_complete()
