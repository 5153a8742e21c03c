"""RequestBodies: what requests send, received whole, unpacked, and bounded: each in bytes and time, all in bytes."""

import asyncio
import zlib
from typing import Any, Final

from blocks.serving.request_error import RequestError

AT_ONCE: Final = 8
"""Bodies of the largest size that are held at once, until they are answered."""
SLOW_SECONDS: Final = 60.0
"""From a request's headers to the end of its body."""


class RequestBodies:
    """The bodies of a server's requests.

    Args:
        most_bytes: Of one, unpacked; 413 beyond. All that wait for an answer have at most 8 times as many; 429 beyond.
        seconds: That one may take to come; 408 beyond.
    """

    def __init__(self, most_bytes: int, seconds: float = SLOW_SECONDS) -> None:
        self._most_bytes, self._seconds = most_bytes, seconds
        self.held_bytes = 0

    async def received(self, receive: Any, encoding: bytes = b"") -> bytes:
        """A request's whole body, unpacked; it counts as held until `release`.

        Args:
            receive: ASGI's.
            encoding: What the header Content-Encoding says.

        Raises:
            RequestError: It is too large or too slow, packed otherwise than by gzip or deflate, or ended early; or too
                many are held.
        """
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            try:
                async with asyncio.timeout(self._seconds):
                    body = await self._rest(receive, body)
            except TimeoutError:
                raise RequestError(408, f"A body comes within {self._seconds:g} seconds.") from None
        self._check_size(len(body))
        if encoding and encoding != b"identity":
            body = self._unpacked(body, encoding)
        self.hold(body)
        return body

    def hold(self, body: bytes) -> None:
        """Count a body that came another way, until `release`.

        Raises:
            RequestError: It is too large, or too many are held.
        """
        self._check_size(len(body))
        self._hold(len(body))

    def release(self, body: bytes) -> None:
        """Its request is answered."""
        self.held_bytes -= len(body)

    async def _rest(self, receive: Any, first: bytes) -> bytes:
        parts, size, more = [first], 0, True
        try:
            self._hold(len(first))
            size = len(first)
            while more:
                self._check_size(size)
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestError(400, "The request ended before its body did.")
                part, more = message.get("body", b""), message.get("more_body", False)
                self._hold(len(part))
                size += len(part)
                parts.append(part)
            return b"".join(parts)
        finally:
            self.held_bytes -= size

    def _hold(self, size: int) -> None:
        if self.held_bytes + size > AT_ONCE * self._most_bytes:
            raise RequestError(429, "Too many bytes of requests wait for answers. Try again in a second.")
        self.held_bytes += size

    def _unpacked(self, body: bytes, encoding: bytes) -> bytes:
        bits = {b"gzip": 31, b"deflate": 15}.get(encoding.strip().lower())
        if bits is None:
            raise RequestError(400, "A body is packed by gzip or deflate, or not at all.")
        unpacking = zlib.decompressobj(bits)
        try:
            unpacked = unpacking.decompress(body, self._most_bytes + 1)
        except zlib.error:
            raise RequestError(400, f"The body is no {encoding.decode('latin-1')[:20]}.") from None
        self._check_size(len(unpacked))
        if not unpacking.eof:
            raise RequestError(400, "The packed body ended early.")
        return unpacked

    def _check_size(self, size: int) -> None:
        if size > self._most_bytes:
            raise RequestError(413, f"A body holds at most {self._most_bytes:,} bytes. Send several requests.")
