"""The queue: what runs together, what a failing row hurts, what is refused, and what is late."""

import asyncio
import threading
import time

import numpy as np
import pytest

from blocks.serving.batcher import Batcher
from blocks.serving.request_error import RequestError

LATER = time.monotonic() + 3600


def double(inputs):
    if np.isnan(inputs["x"]).any():
        raise ValueError("a bad row")
    return {"y": inputs["x"] * 2}


class Held:
    """A function that waits until it is let go, and knows how many rows came together."""

    def __init__(self):
        self.go, self.begun, self.rows = threading.Event(), threading.Event(), []

    def __call__(self, inputs):
        self.begun.set()
        assert self.go.wait(30)
        self.rows.append(len(inputs["x"]))
        return double(inputs)


def test_each_request_gets_its_own_rows_and_what_waits_runs_together():
    held = Held()
    batcher = Batcher(max_batch_rows=64)

    async def ask():
        first = batcher.submit(held, {"x": np.array([-1.0])}, 1, LATER)
        await asyncio.to_thread(held.begun.wait)
        futures = [batcher.submit(held, {"x": np.arange(k, k + 3.0)}, 3, LATER) for k in range(30)]
        held.go.set()
        return await first, await asyncio.gather(*futures)

    first, results = asyncio.run(ask())
    batcher.close()
    assert first.answers["y"].tolist() == [-2.0]
    for k, result in enumerate(results):
        assert result.answers["y"].tolist() == [2.0 * k, 2.0 * k + 2, 2.0 * k + 4]
    assert held.rows == [1, 63, 27]


def test_a_bad_row_hurts_its_own_request_alone():
    held = Held()
    batcher = Batcher()

    async def ask():
        first = batcher.submit(held, {"x": np.array([0.0])}, 1, LATER)
        await asyncio.to_thread(held.begun.wait)
        values = [1.0, float("nan"), 3.0]
        futures = [batcher.submit(held, {"x": np.array([value])}, 1, LATER) for value in values]
        held.go.set()
        await first
        return await asyncio.gather(*futures, return_exceptions=True)

    good, bad, also = asyncio.run(ask())
    batcher.close()
    assert (good.answers["y"][0], also.answers["y"][0]) == (2.0, 6.0)
    assert isinstance(bad, ValueError)


def test_a_full_queue_and_late_requests():
    held = Held()
    batcher = Batcher(max_queued_rows=10)

    async def ask():
        first = batcher.submit(held, {"x": np.zeros(20)}, 20, LATER)  # more than may wait, but alone
        await asyncio.to_thread(held.begun.wait)
        late = batcher.submit(held, {"x": np.zeros(8)}, 8, time.monotonic() - 1)
        with pytest.raises(RequestError) as refused:
            batcher.submit(held, {"x": np.zeros(3)}, 3, LATER)
        held.go.set()
        await first
        return refused.value, (await asyncio.gather(late, return_exceptions=True))[0]

    refused, late = asyncio.run(ask())
    assert refused.status == 429
    assert isinstance(late, RequestError)
    assert late.status == 504
    assert held.rows == [20]  # the late one never ran
    batcher.close()

    async def after():
        batcher.submit(held, {"x": np.zeros(1)}, 1, LATER)

    with pytest.raises(RequestError) as stopped:
        asyncio.run(after())
    assert stopped.value.status == 503


def test_what_asks_for_something_else_runs_apart():
    held, other = Held(), Held()
    other.go.set()
    batcher = Batcher()

    async def ask():
        first = batcher.submit(held, {"x": np.zeros(1)}, 1, LATER)
        await asyncio.to_thread(held.begun.wait)
        mixed = [batcher.submit(run, {"x": np.ones(1)}, 1, LATER) for run in (held, other, held, other)]
        held.go.set()
        await asyncio.gather(first, *mixed)

    asyncio.run(ask())
    batcher.close()
    assert (held.rows, other.rows) == ([1, 2], [2])
