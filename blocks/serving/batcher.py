"""Batcher: one thread that runs TensorFlow takes whatever has queued as soon as it is free, and runs it together.

There is no timer: at low load a request runs alone and at once, at high load a batch is what came in while the one
before ran. Requests are grouped by what they ask for (a version and a signature). Where a batch fails, its requests run
again one by one, so that a bad row hurts its own request alone. The queue counts rows, and is bounded.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocks.serving.request_error import RequestError

Arrays = Mapping[str, np.ndarray]


@dataclass(slots=True)
class Result:
    """A request's answers.

    Attributes:
        answers: Each of shape (rows, ...).
        finite: Whether no number of the batch is NaN or infinite.
        unexpected: What of the request is not as it was in training, in words.
    """

    answers: dict[str, np.ndarray]
    finite: bool
    unexpected: Sequence[str] = ()


@dataclass(slots=True, eq=False)
class _Request:
    run: Callable[[Arrays], dict[str, np.ndarray]]
    look: "Callable[[Arrays, bool], Sequence[str]] | None"
    inputs: Arrays
    rows: int
    deadline: float
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Result]"


class Batcher:
    """The queue and its thread, which starts with the first request.

    Args:
        max_batch_rows: Rows that run together; a request of more runs alone.
        max_queued_rows: Rows that wait; a request beyond them is refused with 429.
        observe: Called with the rows and requests of each batch that ran, and its seconds.
    """

    def __init__(
        self,
        max_batch_rows: int = 1024,
        max_queued_rows: int = 65_536,
        observe: Callable[[int, int, float], None] = lambda rows, requests, seconds: None,
    ) -> None:
        self._max_batch_rows, self._max_queued_rows = max_batch_rows, max_queued_rows
        self._observe = observe
        self._waiting: deque[_Request] = deque()
        self._rows = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def queued_rows(self) -> int:
        """Rows that wait."""
        return self._rows

    def submit(
        self,
        run: Callable[[Arrays], dict[str, np.ndarray]],
        inputs: Arrays,
        rows: int,
        deadline: float,
        look: Callable[[Arrays, bool], Sequence[str]] | None = None,
    ) -> "asyncio.Future[Result]":
        """Have inputs run, together with others for the same `run`; called from an event loop.

        Args:
            run: From arrays of equally many rows to answers, row by row.
            inputs: The arrays.
            rows: How many.
            deadline: `time.monotonic` after which nobody waits for it.
            look: From inputs to what is unexpected of them, in words; whether they are to be counted is its second
                argument. It sees a batch first, and each request of it only where there is something.

        Raises:
            RequestError: The queue is full, or the server is stopping.
        """
        loop = asyncio.get_running_loop()
        request = _Request(run, look, inputs, rows, deadline, loop, loop.create_future())
        with self._changed:
            if self._closing:
                raise RequestError(503, "The server is stopping.")
            if self._rows and self._rows + rows > self._max_queued_rows:
                raise RequestError(429, f"{self._rows:,} rows are queued already. Try again in a second.")
            self._waiting.append(request)
            self._rows += rows
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="blocks-tensorflow", daemon=True)
                self._thread.start()
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Run what is queued, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while batch := self._take():
            now = time.monotonic()
            done: list[tuple[_Request, Result | BaseException]] = []
            live = []
            for request in batch:
                if request.future.cancelled():
                    continue
                if request.deadline < now:
                    done.append((request, RequestError(504, "The request waited longer than its time limit.")))
                else:
                    live.append(request)
            if live:
                done += _run(live)
                self._observe(sum(one.rows for one in live), len(live), time.monotonic() - now)
            _deliver(done)

    def _take(self) -> list[_Request]:
        """The oldest request with all that can run with it; nothing at the end."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return []
                self._changed.wait()
            first = self._waiting.popleft()
            batch, rows, rest = [first], first.rows, deque[_Request]()
            while self._waiting and rows < self._max_batch_rows:
                request = self._waiting.popleft()
                if request.run == first.run and rows + request.rows <= self._max_batch_rows:
                    batch.append(request)
                    rows += request.rows
                else:
                    rest.append(request)
            self._waiting.extendleft(reversed(rest))
            self._rows -= rows
        return batch


def _run(batch: list[_Request]) -> list[tuple[_Request, Result | BaseException]]:
    try:
        if len(batch) == 1:
            inputs = batch[0].inputs
        else:
            inputs = {name: np.concatenate([one.inputs[name] for one in batch]) for name in batch[0].inputs}
        return _parted(batch, inputs, batch[0].run(inputs))
    except Exception as error:  # whatever it is, the thread lives on
        if len(batch) == 1:
            return [(batch[0], error)]
        return [result for one in batch for result in _run([one])]


def _parted(
    batch: list[_Request], inputs: Arrays, answers: Mapping[str, np.ndarray]
) -> list[tuple[_Request, Result | BaseException]]:
    """Of each request its rows of the answers."""
    finite = all(np.isfinite(values).all() for values in answers.values() if values.dtype.kind == "f")
    results: list[tuple[_Request, Result | BaseException]] = []
    look = batch[0].look
    unexpected = look(inputs, True) if look is not None else ()
    start = 0
    for one in batch:
        stop = start + one.rows
        of_one = unexpected if len(batch) == 1 or not unexpected or look is None else look(one.inputs, False)
        results.append((one, Result({name: values[start:stop] for name, values in answers.items()}, finite, of_one)))
        start = stop
    return results


def _deliver(done: list[tuple[_Request, Result | BaseException]]) -> None:
    """Give each event loop its requests' results at once."""
    loops: dict[Any, list[tuple[_Request, Result | BaseException]]] = {}
    for one in done:
        loops.setdefault(one[0].loop, []).append(one)
    for loop, of_loop in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, of_loop)
        except RuntimeError:  # the loop is closed: nobody waits
            continue


def _resolve(done: list[tuple[_Request, Result | BaseException]]) -> None:
    for request, result in done:
        if request.future.done():
            continue
        if isinstance(result, BaseException):
            request.future.set_exception(result)
        else:
            request.future.set_result(result)
