"""GeoGrid against integer division in exact decimals."""

import os
import pathlib
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.geo.geo_grid import GeoGrid
from blocks.testing import check_block


def cells(block, latitude, longitude):
    places = (tf.constant(np.atleast_1d(value), tf.float64) for value in (latitude, longitude))
    return block(tuple(places)).numpy()


BLOCKS = {edge: GeoGrid(float(edge), num_bins=10**7) for edge in ("10", "1", "0.5", "0.1", "90", "180")}


@given(
    st.decimals(-90, 90, places=3),
    st.decimals(-180, Decimal("179.999"), places=3),
    st.sampled_from(list(BLOCKS)),
)
@settings(max_examples=150, deadline=None)
def test_a_place_lies_in_the_cell_that_exact_arithmetic_says(latitude, longitude, edge):
    size = Decimal(edge)
    rows, columns = int(180 / size), int(360 / size)
    row = min(int((latitude + 90) / size), rows - 1)
    column = min(int((longitude + 180) / size), columns - 1)
    assert cells(BLOCKS[edge], float(latitude), float(longitude)).tolist() == [row * columns + column + 1]


def test_cells_are_bounded_and_longitudes_wrap():
    block = GeoGrid([90.0, 0.7, 0.001], num_bins=500)
    tops = [feature.cardinality for feature in block.outputs("at", ("lat", "lon"))]
    assert tops == [9, 501, 501]
    latitude, longitude = np.meshgrid(np.linspace(-90, 90, 181), np.linspace(-360, 360, 241))
    found = cells(block, latitude.ravel(), longitude.ravel())
    assert (found >= 1).all()
    assert (found.max(axis=0) < tops).all()
    assert len(np.unique(found[:, 1])) == 500
    np.testing.assert_array_equal(cells(block, [5, 90, 0], [-190, 360, 180]), cells(block, [5, 90, 0], [170, 0, -180]))


def test_grids_of_all_edges_cover_the_globe_with_the_cells_they_state():
    corners = np.array([-90.0, 90.0, -90.0, 90.0]), np.array([-180.0, -180.0, 180 - 1e-9, 180 - 1e-9])
    for edge in (*np.arange(0.3, 60, 0.7).tolist(), 60.0, 49.0, 1 / 3, 180.0):
        block = GeoGrid(edge, num_bins=10**9)
        (feature,) = block.outputs("at", ())
        found = cells(block, *corners)
        assert found[0] == 1
        assert found[-1] == feature.cardinality - 1
        assert feature.cardinality == 1 + np.ceil(round(180 / edge, 9)) * np.ceil(round(360 / edge, 9))


@pytest.mark.parametrize("place", [(np.nan, 0), (0, np.nan), (np.inf, 0), (0, -np.inf), (90.5, 0), (0, 360.5)])
def test_a_place_that_is_none_is_missing(place):
    assert cells(GeoGrid([10, 0.01]), *place).tolist() == [[0, 0]]


def test_the_contract_holds():
    columns = ([10.0, None, -89.5, 90.0], [0.0, 359.0, -180.0, 180.0])
    check_block(GeoGrid(), columns)
    check_block(GeoGrid([5, 0.02], num_bins=64), tuple(pa.array(column, pa.float32()) for column in columns))
    check_block(Columns({("a", "b"): (GeoGrid(10), GeoGrid([1]))}), pa.table(dict(zip("ab", columns, strict=True))))


@pytest.mark.parametrize("resolutions", [[], [1, 1], 0, -1, [1e-5], 181, [float("nan")]])
def test_resolutions_that_are_none_are_refused(resolutions):
    with pytest.raises(InvalidArgument, match=r"different numbers of degrees from 0.0001 to 180. Received"):
        GeoGrid(resolutions)


def test_what_does_not_fit_is_refused():
    for bins in (0, 2**31, 1.5, True):
        with pytest.raises(InvalidArgument, match="num_bins must be a whole number, from 1 to"):
            GeoGrid(num_bins=bins)
    with pytest.raises(SchemaMismatch, match=r"takes 2 columns, with the key \(lat, lon\). Received: 1"):
        GeoGrid()(tf.constant([1.0]))


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_airports_lie_in_the_degree_that_numpy_says():
    path = pathlib.Path(os.environ["BLOCKS_DATA"]) / "nycflights13/airports.csv"
    table = blocks.data.read(path).to_table()
    latitude, longitude = (table.column(name).to_numpy() for name in ("lat", "lon"))
    expected = np.floor(latitude + 90) * 360 + np.floor(longitude + 180) + 1
    np.testing.assert_array_equal(cells(GeoGrid(1), latitude, longitude), expected)
