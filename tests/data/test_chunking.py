"""Batches regrouped: exactly as many rows, but where Arrow's offsets reach no further; a producer that runs ahead."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data import chunking
from blocks.data.chunking import rechunk

VALUES = st.lists(st.none() | st.text("ab", max_size=9), min_size=1, max_size=30)


def columns(texts):
    """One column of every layout in which offsets of 32 bits stand."""
    lists = pa.array([None if text is None else list(text) for text in texts], pa.list_(pa.string()))
    return {
        "text": pa.array(texts, pa.string()),
        "large": pa.array(texts, pa.large_string()),
        "list": lists,
        "pairs": pa.FixedSizeListArray.from_arrays(pa.array([t for text in texts for t in (text, "c")]), 2),
        "struct": pa.StructArray.from_arrays([lists], ["inner"]),
        "map": pa.array(
            [None if text is None else [(text, text)] for text in texts], pa.map_(pa.string(), pa.string())
        ),
        "number": pa.array(range(len(texts))),
    }


@settings(max_examples=80, deadline=None)
@given(VALUES, st.lists(st.integers(0, 29), max_size=6), st.integers(1, 12), st.integers(24, 60))
def test_chunks_are_cut_where_offsets_end_and_only_there(texts, cuts, rows, most):
    whole = pa.record_batch(columns(texts))
    bounds = sorted({0, len(texts), *(cut for cut in cuts if cut < len(texts))})
    parts = [whole.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "_MOST_OFFSET", most)
        found = list(rechunk(iter(parts), rows))
        again = list(rechunk(iter([whole.slice(at, 1) for at in range(len(texts))]), rows))
    assert pa.Table.from_batches(found).equals(pa.Table.from_batches([whole]))
    assert all(0 < batch.num_rows <= rows for batch in found)
    for batch in again:
        assert chunking._extents(batch).max() <= most
    begin = 0
    for batch in again[:-1]:
        begin += batch.num_rows
        if batch.num_rows < rows:  # one row more would not have fit
            assert chunking._extents(whole.slice(begin - batch.num_rows, batch.num_rows + 1)).max() > most
    if all(chunking._extents(part).max() <= most for part in parts):  # as they are of every batch of Arrow's
        assert [batch.num_rows for batch in found] == [batch.num_rows for batch in again]


def test_more_than_two_gigabytes_of_bytes_are_cut_into_chunks_that_arrow_holds():
    size = 1_200_000_000
    data = pa.py_buffer(np.zeros(size, np.uint8))  # of which no page is touched
    value = pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(np.array([0, size], np.int32)), data])
    batch = pa.record_batch({"image": value})
    with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
        pa.concat_batches([batch] * 4)
    assert [batch.num_rows for batch in rechunk(iter([batch] * 4), 65_536)] == [1, 1, 1, 1]
    bits = pa.Array.from_buffers(pa.bool_(), 2**30, [None, data])
    flags = pa.record_batch({"flags": pa.ListArray.from_arrays(pa.array([0, 2**30], pa.int32()), bits)})
    assert [batch.num_rows for batch in rechunk(iter([flags] * 3), 65_536)] == [1, 1, 1]
