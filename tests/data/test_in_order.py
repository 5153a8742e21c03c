"""`in_order`: on all cores, in the order of the items, with the errors where they belong, and no thread left."""

import threading
import time

import pytest

from blocks.data.in_order import in_order


def test_results_come_in_order_whatever_is_done_first() -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item

    assert list(in_order(iter(range(40)), work)) == list(range(40))
    assert list(in_order(iter([]), work)) == []


def test_errors_come_where_their_results_would() -> None:
    bad: int | None = None

    def items():
        yield from range(5)
        raise OSError("of the items")

    def work(item: int) -> int:
        if item == bad:
            raise ValueError("of the work")
        return item

    for wrong, error, count in ((3, ValueError, 3), (None, OSError, 5), (0, ValueError, 0)):
        bad, seen = wrong, []
        results = in_order(items(), work)
        with pytest.raises(error):
            seen.extend(results)
        assert seen == list(range(count))


def test_a_caller_who_stops_leaves_no_thread() -> None:
    made = in_order(iter(range(100)), lambda item: item)
    assert [next(made), next(made)] == [0, 1]
    assert any("blocks-in-order" in thread.name for thread in threading.enumerate())
    made.close()
    assert not any("blocks-in-order" in thread.name for thread in threading.enumerate())
    assert next(in_order(iter([1]), lambda item: threading.current_thread())) is threading.current_thread()
