"""Every artefact says the version of its format, and one of a newer version is refused by name."""

import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

import blocks
from blocks.errors import NewerFormat
from blocks.evaluate.tables.table_description import METADATA, Description
from blocks.statistics.serialization import pack, unpack
from blocks.store.checksum import text_sum
from blocks.store.manifest import canonical

OLD = Path(__file__).parents[1] / "artefacts" / "tensorflow-2.21"
NEWER = r"made by a newer blocks: its format is of version 2, .* pip install --upgrade ml-blocks"


def test_a_store(tmp_path):
    folder = Path(shutil.copytree(OLD / "store-hdf5", tmp_path / "store"))
    content = json.loads((folder / "manifest.json").read_text()) | {"version": 2, "more": 1, "checksum": ""}
    content["checksum"] = text_sum(canonical(content))
    (folder / "manifest.json").write_text(canonical(content))
    with pytest.raises(NewerFormat, match=rf"The store '{folder}' was {NEWER}"):
        blocks.open_store(folder)
    assert [problem.partition(":")[0] for problem in blocks.store.check(folder)] == ["manifest.json"]


def test_an_export(tmp_path):
    folder = Path(shutil.copytree(OLD / "export", tmp_path / "export"))
    file = folder / "assets.extra" / "blocks" / "manifest.json"
    file.write_text(json.dumps({"version": 2, "more": 1}))
    with pytest.raises(NewerFormat, match=rf"The export '{folder}' was {NEWER}"):
        blocks.verify(folder)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_model(tmp_path):
    file = Path(shutil.copy(OLD / "model.keras", tmp_path / "model.keras"))
    assert blocks.load(file).get_config()["format_version"] == 1
    with zipfile.ZipFile(file, "a") as archive:
        content = json.loads(archive.read("config.json"))
        content["config"] = {"format_version": 2, "more": 1}
        archive.writestr("config.json", json.dumps(content))
    with pytest.raises(NewerFormat, match=rf"{file}.*The model was {NEWER}"):
        blocks.load(file)


def test_a_statistic():
    assert unpack(pack({"of": 1}, []))[0]["of"] == 1
    with pytest.raises(NewerFormat, match=NEWER):
        unpack(pack({"version": 2}, []))


def test_a_table():
    schema = pa.schema([("x", pa.int64())], {METADATA: json.dumps({"version": 2, "more": 1}).encode()})
    with pytest.raises(NewerFormat, match=rf"The table was {NEWER}"):
        Description.of_schema(schema)
