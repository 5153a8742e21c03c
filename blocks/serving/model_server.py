"""ModelServer: models by name, the queue that they share, and the limits of a request. Every protocol stands on it."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np

from blocks.arguments import check_whole_number
from blocks.errors import InvalidArgument
from blocks.serving.batcher import Batcher, Result
from blocks.serving.measurements import Measurements
from blocks.serving.model_versions import ModelVersions
from blocks.serving.prediction_log import LogWriter, PredictionLog
from blocks.serving.request_bodies import RequestBodies
from blocks.serving.request_error import RequestError
from blocks.serving.servable import Servable

log = logging.getLogger("blocks.serving")

MAX_VERSION: Final = 2**63 - 1
LARGE_BODY: Final = 1 << 18
"""Bytes beyond which a body is parsed in a thread."""
Parsed = TypeVar("Parsed")


def version_number(digits: str | None) -> int | None:
    """The version that a path names; beyond int64 for all that are, however many digits they have."""
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) < 20 else MAX_VERSION + 1


@dataclass(frozen=True)
class Limits:
    """What a server does at most.

    Args:
        body_bytes: Of a request's body, unpacked; 413 beyond. All that wait for answers: 8 times as many; 429 beyond.
        request_rows: Of a request; 413 beyond.
        batch_rows: That run together.
        queued_rows: That wait; 429 beyond.
        seconds: From a request to its run; 504 beyond.
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


@dataclass(frozen=True)
class Prediction:
    """A request, ready to run.

    Attributes:
        inputs: Its arrays, of equally many rows.
        rows: How many.
        signature: "" for the model's answers, or the name of another signature.
        by_row: Whether the answer is a list of rows, or columns.
        keys: What its rows are known by in the prediction log.
    """

    inputs: Mapping[str, np.ndarray]
    rows: int
    signature: str = ""
    by_row: bool = True
    keys: Mapping[str, Sequence[str | None]] = field(default_factory=dict)


@dataclass
class Answered:
    """What is counted of a request that got its answer.

    Attributes:
        rows: How many it had.
        version: Which one answered.
    """

    rows: int = 0
    version: str = ""


class ModelServer:
    """The models and their queue.

    Args:
        models: Folders by name.
        limits: What it does at most.
        watch_seconds: How often folders of versions are looked at.
        unexpected: What is done about values that training rows did not have: "warn", "refuse" or "ignore".
        prediction_log: What is kept of requests and answers; nothing unless it is given.
    """

    def __init__(
        self,
        models: Mapping[str, str | os.PathLike[str]],
        limits: Limits,
        watch_seconds: float,
        unexpected: str = "warn",
        prediction_log: PredictionLog | None = None,
    ) -> None:
        self.limits = limits
        self._unexpected = unexpected
        self.measurements = Measurements()
        self.log_keys = tuple(prediction_log.keys) if prediction_log else ()
        """What requests may carry beside a model's columns."""
        self._log = LogWriter(prediction_log, self.measurements.observe_logged) if prediction_log else None
        self.models = {name: ModelVersions(name, folder, self._changed) for name, folder in models.items()}
        self.bodies = RequestBodies(limits.body_bytes)
        self.batcher = Batcher(limits.batch_rows, limits.queued_rows, self.measurements.observe_batch)
        self.measurements.queued_rows.set_function(lambda: self.batcher.queued_rows)
        self._watch_seconds = watch_seconds
        self._stopped = threading.Event()
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether every model has a version, and the server is not stopping."""
        return not self.draining and all(one.versions for one in self.models.values())

    def start(self) -> None:
        """Look after the folders of versions from now on."""
        threading.Thread(target=self._watch, name="blocks-versions", daemon=True).start()

    def stop(self) -> None:
        """Answer what is queued, then stop."""
        self.draining = True
        self._stopped.set()
        self.batcher.close()
        if self._log is not None:
            self._log.close()

    def servable(self, model: str, version: int | None = None, label: str | None = None) -> Servable:
        """The version that answers.

        Raises:
            RequestError: There is no such model or version.
        """
        if model not in self.models:
            raise RequestError(404, f"Servable not found for request: Latest({model[:100]})")
        if version is not None and version > MAX_VERSION:
            raise RequestError(400, "A version is a whole number within int64.")
        return self.models[model].get(version, label)

    @staticmethod
    async def parsed(parse: Callable[..., Parsed], body: bytes, *others: Any) -> Parsed:
        """What a parser makes of a body; of a large one in a thread, so that others' requests go on."""
        return await asyncio.to_thread(parse, body, *others) if len(body) > LARGE_BODY else parse(body, *others)

    async def run(self, servable: Servable, prediction: Prediction, started: float) -> Result:
        """The answers to a request, which runs together with others.

        Args:
            servable: What answers.
            prediction: The request.
            started: `time.monotonic` when it came.

        Raises:
            RequestError: It has too many rows, the queue is full, it waited too long, or it is refused for values that
                training rows did not have.
        """
        rows, most = prediction.rows, self.limits.request_rows
        if rows > most:
            raise RequestError(413, f"A request holds at most {most:,} rows. Received: {rows:,}. Send several.")
        runner = servable.runner(prediction.signature)
        looked_at = self._unexpected != "ignore" and prediction.signature in ("", "transform_features")
        look = servable.look if looked_at and servable.request_check is not None else None
        result = await self.batcher.submit(runner, prediction.inputs, rows, started + self.limits.seconds, look)
        if result.unexpected and self._unexpected == "refuse":
            raise RequestError(400, f"Not as the model's training rows: {'; '.join(result.unexpected)}.")
        if self._log is not None and prediction.signature == "":
            self._log.offer(servable, prediction.inputs, prediction.keys, result, rows)
        return result

    def unexpected_rows(self) -> Iterator[tuple[str, str, str, int]]:
        """Model, column and kind of what was unexpected so far, with the number of rows."""
        for name, one in self.models.items():
            for servable in one.versions.values():
                if servable.request_check is None:
                    continue
                for column, kinds in servable.request_check.counters.items():
                    for kind, rows in kinds.items():
                        yield name, column, kind, rows

    @contextmanager
    def counted(self, model: str, method: str, started: float) -> Iterator[Answered]:
        """Count a request, answered or refused; those for models that are not there are not counted by name.

        Args:
            model: What it asks.
            method: By which of a protocol's methods.
            started: `time.monotonic` when it came.
        """
        answered, status = Answered(), 500
        try:
            yield answered
            status = 200
        except RequestError as error:
            status = error.status
            raise
        finally:
            if model in self.models:
                taken = time.monotonic() - started
                self.measurements.observe_request(model, answered.version, method, status, answered.rows, taken)

    def _watch(self) -> None:
        while not self._stopped.wait(self._watch_seconds):
            for one in self.models.values():
                try:
                    one.refresh()
                except Exception:
                    log.exception("versions not refreshed", extra={"facts": {"model": one.name}})

    def _changed(self, event: str, facts: Mapping[str, object]) -> None:
        if event in ("version loaded", "version let go"):
            loaded = self.measurements.versions.labels(facts["model"], str(facts["version"]))
            loaded.set(event == "version loaded")
        log.info(event, extra={"facts": dict(facts)})
