"""What tests of blocks with tokens share: learning as a model does, every way of calling, and hard strings."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.offline.adapt import adapt
from blocks.preprocessors import Columns

SIZES = (1, 2, 3, 7, 8, 16, 17, 1000)

TORTURE = [
    "new\nline",
    "\r",
    "\x85",
    "\u2028",
    "\x0b",
    "a\x00b",
    "\x00",
    "\N{GRINNING FACE}",
    "x" * 10_000,
    " ",
    "[UNK]",
    "",
    "\ufeffbom",
    "e\u0301\u0323",
    "-1",
    "|",
]

INVALID = [b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"\xc3\xa9 caf\xc3", b"\xf4\x90\x80\x80", b"\x80|b"]


def _learned(block, *columns):
    names = tuple(f"c{place}" for place in range(len(columns)))
    source = blocks.read(pa.table({name: pa.array(values) for name, values in zip(names, columns, strict=True)}))
    adapt(Columns({names[0] if len(names) == 1 else names: block}), None, source, verbose=False)
    return block


def _same_bits(block, *columns):
    """Asserts equal bits at full precision and as emitted: eager, traced, in tf.data, at all batch sizes."""
    tensors = [tf.constant(column) for column in columns]

    def given(parts):
        return parts[0] if len(parts) == 1 else tuple(parts)

    def both(*parts):
        return block.compute(given(parts)), block.call(given(parts))

    expected = [np.asarray(value) for value in both(*tensors)]
    traced = tf.function(both, input_signature=[tf.TensorSpec((None,), tensor.dtype) for tensor in tensors])
    rows = len(expected[0])
    for size in SIZES:
        few = min(rows, 10 * size)
        mapped = tf.data.Dataset.from_tensor_slices(tuple(tensor[:few] for tensor in tensors)).batch(size).map(traced)
        starts = range(0, few, size)
        eager = [both(*(tensor[start : start + size] for tensor in tensors)) for start in starts]
        graph = [traced(*(tensor[start : start + size] for tensor in tensors)) for start in starts]
        for found in (eager, graph, list(mapped)):
            for which, whole in enumerate(expected):
                joined = np.concatenate([np.asarray(part[which]) for part in found])[:few]
                assert joined.dtype == whole.dtype
                if whole.dtype == object:
                    assert joined.tolist() == whole[:few].tolist()
                else:
                    assert joined.tobytes() == whole[:few].tobytes()
    return expected[1]


def _real(file):
    if "BLOCKS_DATA" not in os.environ:
        pytest.skip("BLOCKS_DATA does not name the folder of real data")
    return Path(os.environ["BLOCKS_DATA"]) / file


@pytest.fixture(scope="session")
def learned():
    """Adapts a block on columns, as a model does, and returns it."""
    return _learned


@pytest.fixture(scope="session")
def same_bits():
    """Checks every way of calling a block on columns, and returns what it emits."""
    return _same_bits


@pytest.fixture(scope="session")
def real():
    """The path of a real file, or a skipped test."""
    return _real


@pytest.fixture(scope="session")
def torture():
    """Hard strings."""
    return list(TORTURE)


@pytest.fixture(scope="session")
def invalid():
    """Bytes that are no UTF-8."""
    return list(INVALID)
