"""Memory in use is never handed out again, whoever shares it and however; memory that nobody sees is."""

import threading

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from blocks.store.reading.array_pool import ArrayPool
from blocks.store.stored_array import StoredArray

ENTRY = StoredArray("features/numeric", "<f4", (4,))


def address(array):
    return array.ctypes.data


class Interface:
    """What shares memory by NumPy's protocol alone."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__array_interface__


class Subclass(np.ndarray):
    pass


SHARED = {
    "itself": lambda a: a,
    "a slice": lambda a: a[3:5],
    "a slice of a slice": lambda a: a[2:][1:][:, 1:][::2],
    "a row": lambda a: a[3],
    "np.asarray": lambda a: np.asarray(a),
    "another shape": lambda a: a.reshape(-1, 2, 2),
    "transposed": lambda a: a.T[1],
    "another dtype": lambda a: a.view(np.int32)[4:].view(np.uint8),
    "a subclass": lambda a: a[2:].view(Subclass)[1:],
    "an iterator": lambda a: iter(a),
    "a memoryview": lambda a: memoryview(a)[2:],
    "an array of a memoryview": lambda a: np.frombuffer(memoryview(a[2:]), np.uint8)[5:],
    "a stride trick": lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=0),
    "the array interface": lambda a: np.asarray(Interface(a[1:])),
    "DLPack": lambda a: np.from_dlpack(a),
    "Arrow": lambda a: pa.py_buffer(a[1:]).slice(8),
    "an Arrow array": lambda a: pa.array(a.reshape(-1)).slice(4),
    "ctypes": lambda a: a.ctypes,
}


@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
def test_memory_that_someone_sees_is_not_handed_out(share):
    pool = ArrayPool(3)
    array = pool.empty(ENTRY, 16)
    array[...] = 7
    place, kept = address(array), share(array)
    del array
    others = [pool.empty(ENTRY, 16) for _ in range(5)]
    for other in others:
        assert not place <= address(other) < place + 16 * 16
        other[...] = -1
    del others, other
    pool.empty(ENTRY, 16)[...] = -1
    if isinstance(kept, np.ndarray) and kept.dtype == np.float32:
        assert (kept == 7).all()
    del kept


def test_a_tensor_that_shares_memory_keeps_it():
    pool, given = ArrayPool(3), []
    given.append(pool.empty(ENTRY, 16))
    given[0][...] = 7
    tensor = tf.numpy_function(given.pop, [], tf.float32)
    for _ in range(5):
        pool.empty(ENTRY, 16)[...] = -1
    assert (tensor.numpy() == 7).all()


def test_memory_that_nobody_sees_is_handed_out_again():
    pool = ArrayPool(3)
    arrays = [pool.empty(ENTRY, 16) for _ in range(3)]
    places = {address(array) for array in arrays}
    parts = [array[1:] for array in arrays]
    del arrays
    assert places.isdisjoint(address(pool.empty(ENTRY, 16)) for _ in range(3))
    del parts
    arrays = [pool.empty(ENTRY, rows) for rows in (16, 9, 1)]
    assert {address(array) for array in arrays} == places
    assert all(place % 64 == 0 for place in places)


def test_free_memory_is_bounded_and_follows_the_largest():
    pool = ArrayPool(2)
    arrays = [pool.empty(ENTRY, 16) for _ in range(9)]
    del arrays
    assert [len(free) for free in pool._free.values()] == [2]
    large = pool.empty(ENTRY, 1000)
    assert [len(free) for free in pool._free.values()] == [0]
    place = address(large)
    del large
    assert address(pool.empty(ENTRY, 16)) == place


def test_what_outlives_the_pool_keeps_its_memory_alone():
    pool = ArrayPool(2)
    kept, other = pool.empty(ENTRY, 16), pool.empty(ENTRY, 16)
    kept[...] = 7
    del pool, other
    fresh = [ENTRY.empty(16) for _ in range(4)]
    for array in fresh:
        array[...] = -1
    assert (kept == 7).all()


def test_threads_never_get_the_same_memory():
    pool, wrong = ArrayPool(4), []

    def work(number):
        kept = []
        for turn in range(2000):
            array = pool.empty(ENTRY, 8)
            array[...] = number
            kept.append(array[1:])
            if turn % 3:
                wrong.extend(part for part in kept if not (part == number).all())
                kept.clear()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
