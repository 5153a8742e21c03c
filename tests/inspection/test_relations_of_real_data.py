"""What the tables of BLOCKS_DATA hold that a practitioner would point out, found."""

import os
from pathlib import Path

import pytest

import blocks
from blocks.data.sample import sample
from blocks.inspection.associations import associations

DATA = Path(os.environ.get("BLOCKS_DATA", ""))
pytestmark = pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA names no folder of real data")


@pytest.fixture(scope="module")
def titanic():
    return sample(blocks.read(DATA / "titanic" / "titanic.csv"))


def test_titanic_has_copies(titanic):
    found = associations(titanic, "survived")
    assert found.with_target[0][:4] == ("alive", "survived", "cramers_v", 1.0)
    assert found.among[0][:4] == ("embarked", "embark_town", "cramers_v", 1.0)
