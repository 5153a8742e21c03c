"""Sparse rows against NumPy's dense ones and SciPy's, whatever is cut, taken and joined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csr_array

from blocks.features.sparse import Sparse

VALUES = st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.5, 1e-30])
DENSE = arrays.arrays(np.float32, st.tuples(st.integers(0, 9), st.integers(1, 12)), elements=VALUES)


@given(DENSE, st.data())
def test_rows_are_cut_and_taken_as_those_of_numpy(dense, data):
    rows = Sparse.from_dense(dense)
    assert rows.shape == dense.shape
    assert len(rows) == len(dense)
    np.testing.assert_array_equal(rows.dense(), dense)
    theirs = csr_array((rows.values, rows.indices, rows.offsets), rows.shape)
    np.testing.assert_array_equal(theirs.toarray(), dense)
    cut = data.draw(st.slices(len(dense)))
    np.testing.assert_array_equal(rows[cut].dense(), dense[cut])
    mask = data.draw(arrays.arrays(bool, len(dense)))
    np.testing.assert_array_equal(rows[mask].dense(), dense[mask])
    if len(dense):
        order = data.draw(
            st.lists(st.integers(-len(dense), len(dense) - 1), max_size=12).map(lambda v: np.array(v, int))
        )
        np.testing.assert_array_equal(rows.take(order, axis=0).dense(), dense[order])
        np.testing.assert_array_equal(rows[1:][:2].dense(), dense[1:][:2])


@given(DENSE, st.lists(st.integers(0, 9), max_size=3))
def test_concatenated_pieces_are_the_whole(dense, cuts):
    rows = Sparse.from_dense(dense)
    ends = sorted(min(cut, len(dense)) for cut in cuts)
    pieces = [rows[start:stop] for start, stop in zip([0, *ends], [*ends, len(dense)], strict=True)]
    whole = np.concatenate(pieces)
    np.testing.assert_array_equal(whole.dense(), dense)
    np.testing.assert_array_equal(whole.offsets, rows.offsets)


@given(DENSE)
def test_pairs_are_the_rows(dense):
    rows = Sparse.from_dense(dense)
    pairs = rows.pairs()
    assert pairs.dtype == np.float32
    assert pairs.shape[1] % 8 == 0
    assert pairs.shape[1] >= 8
    again = np.zeros_like(dense)
    for row, held in enumerate(pairs):
        for column, value in held:
            again[row, int(column)] += value
    np.testing.assert_array_equal(again, dense)
    np.testing.assert_array_equal(Sparse.from_pairs(pairs, dense.shape[1]).dense(), dense)
    # zeros at a row's end say nothing
    np.testing.assert_array_equal(
        Sparse.from_pairs(np.pad(pairs, ((0, 0), (0, 3), (0, 0))), dense.shape[1]).values, rows.values
    )


def test_other_functions_of_numpy_are_refused_rather_than_wrong():
    with pytest.raises(TypeError, match="no implementation found"):
        np.stack([Sparse.empty(3), Sparse.empty(3)])
