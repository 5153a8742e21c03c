"""What the tables of BLOCKS_DATA hold that a practitioner would point out, found."""

import os
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.csv
import pytest

import blocks
from blocks.data.sample import sample
from blocks.inspection.relations.associations import associations
from blocks.inspection.relations.duplicate_rows import DuplicateRows
from blocks.inspection.relations.order_in_time import OrderInTime, time_columns
from blocks.inspection.relations.relations import of_columns
from blocks.inspection.relations.row_findings import duplicate_findings, order_findings

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
    return {(one.kind, *one.columns) for one in of_columns(rows, target, ())[1] if one.severity != "note"}


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


def test_adults_stand_twice_within_and_across_train_and_test():
    parts = {name: blocks.read(DATA / "adult_census" / f"adult_{name}.csv") for name in ("train", "test")}
    counted = DuplicateRows(target="income")
    for part, source in parts.items():
        for chunk in source.chunks(5_000):
            counted.update(part, chunk)
    found = counted.result()
    frames = {name: source.to_table().to_pandas() for name, source in parts.items()}
    contents = {name: frame.drop(columns="income") for name, frame in frames.items()}
    for part in found.equal["rows"].parts:
        assert part.repeated.value == frames[part.part].duplicated().sum()
    names = list(contents["train"])
    inside = [
        len(contents[one].merge(contents[other].drop_duplicates(), on=names))
        for one, other in (("train", "test"), ("test", "train"))
    ]
    (pair,) = found.equal["contents"].shared
    assert [pair.rows_of_one.value, pair.rows_of_other.value] == inside
    groups = pd.concat(frames.values()).groupby(names, dropna=False)["income"]
    assert found.conflicts[-1].contents.value == (groups.nunique() > 1).sum()
    kinds = [one.kind for one in duplicate_findings(found, "income")]
    assert kinds == ["duplicate rows", "duplicate rows", "rows in two splits", "label conflicts"]


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        ("penguins/penguins.csv", "species", {"sorted rows", "target moves with the row number"}),
        ("bike_sharing/bike_sharing_dataset_clean.csv", "users", {"target moves with the row number"}),
        ("titanic/titanic.csv", "survived", set()),
        ("adult_census/adult_train.csv", "income", set()),
    ],
)
def test_the_order_of_rows(path, target, expected):
    source = blocks.read(DATA / path)
    times = OrderInTime(time_columns(source.schema))
    for chunk in source.chunks(1_000):
        times.update("rows", chunk)
    found = order_findings(sample(source), times.result(), target)
    assert {one.kind for one in found if one.severity != "note"} == expected
