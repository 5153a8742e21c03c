"""What the tables of BLOCKS_DATA hold that a practitioner would point out, found."""

import os
import zipfile
from pathlib import Path

import pyarrow.csv
import pytest

import blocks
from blocks.data.sample import sample
from blocks.inspection.associations import associations
from blocks.inspection.relation_findings import relation_findings

DATA = Path(os.environ.get("BLOCKS_DATA", ""))
pytestmark = pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA names no folder of real data")


@pytest.fixture(scope="module")
def titanic():
    return sample(blocks.read(DATA / "titanic" / "titanic.csv"))


def test_titanic_has_copies(titanic):
    found = associations(titanic, "survived")
    assert found.with_target[0][:4] == ("alive", "survived", "cramers_v", 1.0)
    assert found.among[0][:4] == ("embarked", "embark_town", "cramers_v", 1.0)


def kinds(rows, target):
    return {(one.kind, *one.columns) for one in relation_findings(rows, target) if one.severity != "note"}


def test_alive_is_what_titanic_asks_for(titanic):
    assert kinds(titanic, "survived") == {("copy of the target", "alive")}


def test_casual_and_registered_are_what_bike_sharing_counts():
    with (
        zipfile.ZipFile(DATA / "bike_sharing" / "Bike-Sharing-Dataset.zip") as archive,
        archive.open("hour.csv") as file,
    ):
        table = pyarrow.csv.read_csv(file)
    found = kinds(sample(blocks.read(table)), "cnt")
    assert found == {("target is a sum", "casual", "registered"), ("tells the target alone", "registered")}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("adult_census/adult_train.csv", "income"),
        ("penguins/penguins.csv", "species"),
        ("nycflights13/flights.parquet", "arr_delay"),
    ],
)
def test_tables_without_leaks_have_none(path, target):
    rows = sample(blocks.read(DATA / path))
    assert target in rows.schema.names
    assert kinds(rows, target) == set()
