"""What the tests of formats share."""

import numpy as np
import pytest

import blocks
from blocks.errors import BlocksError


@pytest.fixture
def damaged():
    """A file with bits flipped and its end cut off, again and again: its rows, or an error that names it; how many."""

    def read_each(path, count=60, from_byte=0):
        whole, random = path.read_bytes(), np.random.default_rng(1)
        expected, refused = blocks.read(path).to_table(), 0
        for n in range(count):
            content = bytearray(whole[: random.integers(from_byte + 1, len(whole))] if n % 3 == 0 else whole)
            for _ in range(3):
                content[random.integers(from_byte, len(content))] ^= 1 << random.integers(0, 8)
            other = path.with_name(f"damaged-{n}{path.suffix}")
            other.write_bytes(content)
            try:
                found = blocks.read(other).to_table()
            except BlocksError as error:
                refused += 1
                if other.name not in str(error):
                    raise
            else:
                assert found.equals(expected), other
        return refused

    return read_each
