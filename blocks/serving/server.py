"""The server of `blocks serve`: uvicorn on one socket, which finishes what it has accepted before it stops."""

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from types import FrameType
from typing import Any

import tensorflow as tf
import uvicorn

from blocks.serving.application import Application
from blocks.serving.direct_connection import DirectConnection


class JsonLines(logging.Formatter):
    """A log record as one line of JSON, with its `facts`; no request's values are among them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        content: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            content["error"] = record.exc_info[0].__name__ if record.exc_info[0] else ""
        return json.dumps(content, ensure_ascii=False)


class DrainingServer(uvicorn.Server):
    """A server that says by its readiness that it is about to stop, then finishes what is queued, and stops."""

    def __init__(self, config: uvicorn.Config, application: Application, drain_seconds: float) -> None:
        super().__init__(config)
        self._application, self._drain_seconds = application, drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[Any] | None = None) -> None:
        """Until it is told to stop."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT: drain, then stop with status 0; the second time, stop at once."""
        if self._application.server.draining or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self._application.server.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def log_as_json() -> None:
    """Write what the server logs as lines of JSON to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("blocks.serving", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "blocks.serving" else logging.WARNING)


def run_graphs_in_one_thread() -> None:
    """Have TensorFlow run the parts of a graph in turn, unless TF_NUM_INTEROP_THREADS says how many at once.

    A batch takes well under a millisecond: to hand its hundred small parts to other threads costs more than they save.
    One part, such as a product of large matrices, still takes all cores. It must stand before TensorFlow runs anything.
    """
    if "TF_NUM_INTEROP_THREADS" not in os.environ:
        with contextlib.suppress(RuntimeError):  # it has run something
            tf.config.threading.set_inter_op_parallelism_threads(1)


def serve(
    application: Application, host: str, port: int, *, drain_seconds: float = 1.0, stop_seconds: int = 60
) -> None:
    """Listen until the process is told to stop.

    Args:
        application: What answers.
        host: The address to listen at.
        port: The port.
        drain_seconds: Between saying that it is not ready and taking no more connections.
        stop_seconds: How long requests that run may take at the end.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http=DirectConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=stop_seconds,
        h11_max_incomplete_event_size=None,
    )
    logging.getLogger("blocks.serving").info(
        "listening", extra={"facts": {"host": host, "port": port, "models": sorted(application.server.models)}}
    )
    DrainingServer(config, application, drain_seconds).run()
