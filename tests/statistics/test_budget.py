"""One budget for all statistics of a pass: shares, the room that they work in, and how memory is said."""

import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.statistics import Budget, Counts, DistinctValues, Moments, Quantiles, memory_bytes
from blocks.statistics.budget import LEAST_SHARE, WORKING
from blocks.statistics.working_memory import Room

WISHES = st.lists(st.integers(0, 1 << 28), max_size=60)


@given(wishes=WISHES, memory=st.integers(2 << 20, 1 << 34))
def test_shares_fit_and_are_as_large_as_can_be(wishes, memory):
    level = Budget(memory, wishes).level
    wanted = [wish for wish in wishes if wish]

    def taken(level):
        shares = [min(wish, level) for wish in wanted]
        return sum(shares) + WORKING * max(shares, default=0)

    assert taken(level) <= memory
    assert level == max(wanted, default=0) or taken(level + 1) > memory
    # who wishes for little is never cut before who wishes for more; and the order does not matter
    assert Budget(memory, wishes[::-1]).level == level


def test_a_share_depends_on_the_wishes_alone():
    level = Budget(512 << 20, [64 << 20]).level
    assert level == 64 << 20
    assert Budget(512 << 20, [64 << 20] * 4).level == 64 << 20
    assert Budget(512 << 20, [64 << 20] * 40).level == (512 << 20) // 44
    # numbers keep their 2 MiB beside forty columns of text
    budget = Budget(512 << 20, [64 << 20] * 40 + [2 << 20] * 40)
    given = budget.share({"text": Counts(), "told": Counts(1 << 27, shared=False), "q": Quantiles(), "m": Moments()})
    assert given["text"].parameters()["max_bytes"] == budget.level
    assert given["told"].parameters()["max_bytes"] == 1 << 27
    assert given["q"].parameters() == Quantiles().parameters()
    assert len({id(one.room) for one in given.values()}) == 1


@pytest.mark.parametrize("make", [Counts, Quantiles, DistinctValues])
def test_a_bounded_one_holds_no_more(make):
    random = np.random.default_rng(0)
    one = make().bounded(1 << 16)
    assert one.wish <= 1 << 16
    for _ in range(20):
        one.update(pa.array(random.normal(size=5_000)))
    again = make().bounded(1 << 16)
    again.merge(one)
    # the tokens or numbers, and a header
    assert len(one.to_bytes()) <= (1 << 16) + 2_000
    assert again.result().rows == 100_000


def test_so_many_columns_in_so_little_memory_are_refused_with_what_they_need():
    with pytest.raises(InvalidArgument, match=r'500 statistics need .* memory="8MiB"'):
        Budget(1 << 20, [64 << 20] * 500)
    assert Budget(8 << 20, [64 << 20] * 500).level >= LEAST_SHARE
    assert Budget(1, []).level == 0


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (1 << 20, 1 << 20),
        (np.int64(4096), 4096),
        ("1GiB", 1 << 30),
        (" 1.5 gib ", 3 << 29),
        ("300MB", 300_000_000),
        ("4096", 4096),
        ("2KB", 2000),
        (None, 512 << 20),
    ],
)
def test_memory_is_said_in_bytes_or_with_a_unit(said, meant):
    assert memory_bytes(said) == meant


@pytest.mark.parametrize(
    "said",
    [0, -1, True, 1.5, float("nan"), "", "GiB", "-1GiB", "1 XB", "1e9", "inf", "1GiB2", b"1GiB", [1], 1 << 70, "0"],
)
def test_what_is_no_memory_is_refused(said):
    with pytest.raises(InvalidArgument, match=r"memory is a number of bytes, or text with a unit .* Received"):
        memory_bytes(said)


def test_a_room_holds_who_fits_and_who_is_larger_works_alone():
    room, inside, most, together = Room(10), [], [], threading.Lock()

    def work(size):
        with room.taken(size):
            with together:
                inside.append(size)
                most.append(tuple(inside))
            time.sleep(0.002)
            with together:
                inside.remove(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in [4, 5, 6, 25, 3, 10, 1] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(sum(sizes) <= 10 or len(sizes) == 1 for sizes in most)
    assert len(most) == 21


def test_an_error_inside_gives_the_room_back():
    room = Room(10)
    with pytest.raises(ZeroDivisionError), room.taken(10):
        raise ZeroDivisionError
    with room.taken(10):
        pass
