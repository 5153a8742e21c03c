"""Distance against scikit-learn's haversine and extended precision."""

import os
import pathlib

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import haversine_distances

import blocks.data
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.geo.distance import Distance
from blocks.preprocessors.numeric.log1p import Log1p
from blocks.preprocessors.numeric.standardize import Standardize
from blocks.testing import check_block

RADIUS = 6371.0088
RNG = np.random.default_rng(4)


def distance(unit, *columns):
    return Distance(unit)(tuple(tf.constant(np.atleast_1d(column), tf.float64) for column in columns)).numpy()


def by_sklearn(lat1, lon1, lat2, lon2):
    pairs = np.radians(np.stack([lat1, lon1, lat2, lon2], axis=1))
    return np.array([haversine_distances(row[None, :2], row[None, 2:])[0, 0] for row in pairs]) * RADIUS


def test_distances_are_scikit_learns():
    rows = [
        RNG.uniform(-90, 90, 500),
        RNG.uniform(-180, 180, 500),
        RNG.uniform(-90, 90, 500),
        RNG.uniform(-180, 180, 500),
    ]
    for unit, factor in (("km", 1), ("m", 1000), ("mi", 1 / 1.609344)):
        np.testing.assert_allclose(distance(unit, *rows), by_sklearn(*rows) * factor, rtol=1e-7)
    near = [rows[0] * 0.9, rows[1], rows[0] * 0.9 + 1e-6, rows[1] + 1e-6]
    np.testing.assert_allclose(distance("m", *near), by_sklearn(*near) * 1000, rtol=1e-6)


def test_known_places():
    half = np.pi * RADIUS
    np.testing.assert_allclose(distance("km", 0, 0, 0, 180), half, rtol=1e-7)
    np.testing.assert_allclose(distance("km", 90, 7, -90, 40), half, rtol=1e-7)
    np.testing.assert_allclose(distance("km", 0, 0, 0, 90), half / 2, rtol=1e-7)
    assert distance("km", 10, 190, 10, -170)[0] < 1e-9
    assert distance("km", 41.1, -80.6, 41.1, -80.6).tolist() == [0]


coordinates = st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))


@given(coordinates)
@settings(max_examples=50, deadline=None)
def test_distance_is_symmetric_and_within_half_the_globe(place):
    lat1, lon1, lat2, lon2 = place
    there, back = distance("km", lat1, lon1, lat2, lon2), distance("km", lat2, lon2, lat1, lon1)
    assert there.tolist() == back.tolist()
    assert 0 <= there[0] <= np.float32(np.pi * RADIUS)


@pytest.mark.parametrize(
    "place", [(np.nan, 0, 0, 0), (0, np.inf, 0, 0), (0, 0, 90.1, 0), (0, 0, 0, -361), (-1e300, 0, 0, 0)]
)
def test_a_coordinate_that_is_none_makes_the_distance_missing(place):
    assert np.isnan(distance("km", *place)).all()
    filled = Distance(missing=-1)(tuple(tf.constant([value], tf.float64) for value in place))
    assert filled.numpy().tolist() == [-1]


def test_the_contract_holds():
    columns = ([10.0, None, -89.5], [0.0, 359.0, -180.0], [11.0, 2.0, 90.0], [5.0, 5.0, None])
    check_block(Distance(), columns, finite=False)
    check_block(Distance("mi", missing=0.0), tuple(pa.array(column, pa.float32()) for column in columns))
    table = pa.table(dict(zip("abcd", columns, strict=True)))
    check_block(Columns({("a", "b", "c", "d"): [Distance(), Log1p(), Standardize()]}), table)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidArgument, match=r"unit is one of 'km', 'mi', 'm'. Received: 'miles'"):
        Distance("miles")
    with pytest.raises(SchemaMismatch, match=r"takes 4 columns, with the key \(lat1.*Received: 2"):
        Distance()((tf.constant([1.0]), tf.constant([1.0])))
    with pytest.raises(SchemaMismatch, match=r"Received: 1"):
        Distance()(tf.constant([1.0]))


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_flights_are_as_long_as_the_airlines_say():
    folder = pathlib.Path(os.environ["BLOCKS_DATA"]) / "nycflights13"
    airports = blocks.data.read(folder / "airports.csv").to_table().to_pandas().set_index("faa")[["lat", "lon"]]
    flights = blocks.data.read(folder / "flights.parquet").to_table().to_pandas()
    routes = flights[["origin", "dest", "distance"]].drop_duplicates()
    routes = routes[routes.dest.isin(airports.index)]
    ends = np.concatenate([airports.loc[routes.origin], airports.loc[routes.dest]], axis=1)
    found = distance("mi", *ends.T)
    np.testing.assert_allclose(found, by_sklearn(*ends.T) / 1.609344, rtol=1e-7)
    assert len(routes) > 200
    assert np.median(np.abs(found / routes.distance.to_numpy() - 1)) < 0.003
