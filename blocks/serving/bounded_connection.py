"""BoundedConnection: uvicorn's HTTP connection, which waits for a request's head only so long, and for so many bytes.

uvicorn gives a connection up that was idle after an answer, but neither one that never asked nor one that sends its
headers drop by drop or without end: a few hundred of them would take all of a process's files, or its memory.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_SECONDS: Final = 20.0
"""From a connection, or the first byte of a request, to the end of its headers."""
HEAD_BYTES: Final = 1 << 16
"""Of the request line and headers, beyond the last read of a socket."""


class BoundedConnection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: object | None = None  # the one that is coming
        self._head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head, self._head_bytes = object(), 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The request has a head."""
        self._has_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        before = self._head
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head is not None and self._head is before:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse_head()
                return
        if self._patience is None and (self._head is not None or self._idle):
            self._wait_for_head()

    def _has_head(self) -> None:
        self._head = None
        self._stop_waiting()

    @property
    def _idle(self) -> bool:
        """Whether nothing is asked, and uvicorn does not look at the clock."""
        return self.cycle is None or (self.cycle.response_complete and self.timeout_keep_alive_task is None)

    def _refuse_head(self) -> None:
        self._stop_waiting()
        self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_for_head()  # the request before it, of the same connection, is not answered yet
        elif not self.transport.is_closing():
            self.transport.close()
