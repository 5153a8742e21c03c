"""Versions: which one answers, what a new one must prove, labels, and going back."""

import json
import shutil

import pytest

from blocks.errors import InvalidArgument, MalformedData
from blocks.export.replay import ASSETS, read_arrays, write_arrays
from blocks.serving.model_versions import LABELS, ModelVersions
from blocks.serving.request_error import RequestError


@pytest.fixture
def folder(mixed_export, tmp_path):
    shutil.copytree(mixed_export, tmp_path / "versions" / "1")
    return tmp_path / "versions"


def spoil(export):
    """Golden features of which one bit differs."""
    file = export / ASSETS / "golden_features.arrow"
    arrays = read_arrays(file)
    name = sorted(arrays)[-1]
    arrays[name] = arrays[name].copy()
    arrays[name].view("u1").reshape(-1)[0] ^= 1
    write_arrays(file, arrays)


def test_a_new_version_takes_over_a_bad_one_does_not_and_removing_goes_back(folder):
    events = []
    versions = ModelVersions("m", folder, lambda event, facts: events.append((event, facts["version"])))
    first = versions.get()
    shutil.copytree(folder / "1", folder / "2")
    shutil.copytree(folder / "1", folder / "10")
    spoil(folder / "10")
    versions.refresh()
    assert (versions.get().version, dict(versions.failed)) == (1, {10: "MalformedData"})
    before = len(events)
    versions.refresh()
    assert len(events) == before  # it is not tried again as long as nothing changed
    shutil.rmtree(folder / "10")
    versions.refresh()
    assert versions.get().version == 2
    assert list(versions.versions) == [2]
    assert first.run(first.pack(first.golden_rows))  # requests of before finish on the old one
    shutil.rmtree(folder / "2")
    versions.refresh()
    assert versions.get().version == 1
    assert ("version let go", 2) in events
    shutil.rmtree(folder / "1")
    versions.refresh()
    with pytest.raises(RequestError) as error:
        versions.get()
    assert error.value.status == 404


def test_labels(folder):
    shutil.copytree(folder / "1", folder / "2")
    (folder / LABELS).write_text(json.dumps({"stable": 1, "gone": 7}))
    versions = ModelVersions("m", folder)
    assert sorted(versions.versions) == [1, 2]
    assert (versions.get().version, versions.get(label="stable").version) == (2, 1)
    assert dict(versions.labels) == {"stable": 1}
    with pytest.raises(RequestError):
        versions.get(label="gone")
    (folder / LABELS).write_text("[")  # half written: the labels stay as they were
    versions.refresh()
    assert versions.get(label="stable").version == 1


def test_what_is_no_export(folder, tmp_path):
    with pytest.raises(InvalidArgument, match=r"Name the folder that model\.export wrote"):
        ModelVersions("m", tmp_path)
    spoil(folder / "1")
    with pytest.raises(MalformedData, match="gives other features of its golden rows"):
        ModelVersions("m", folder)
