"""The wheel holds every file of the package and nothing else; `make wheel` also installs it and runs the quickstart."""

import importlib.metadata
import importlib.util
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import blocks

SCRIPT = Path(blocks.__file__).parent.parent / ".ci" / "wheel.py"


def setuptools_version():
    try:
        return int(importlib.metadata.version("setuptools").split(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


@pytest.fixture(scope="module")
def wheel_script():
    found = importlib.util.spec_from_file_location("wheel_script", SCRIPT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(wheel_script, tmp_path_factory):
    if setuptools_version() < 77:
        pytest.skip("Building a wheel without a network takes setuptools 77 or newer.")
    folder = tmp_path_factory.mktemp("wheel")
    return wheel_script.build(folder / "source", folder, "--no-build-isolation")


def test_the_wheel_holds_the_package_and_nothing_else(wheel, wheel_script):
    assert wheel_script.differences(wheel) == []
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    beside_code = {"blocks/py.typed", "blocks/pages/page.css", "blocks/pages/page.html.jinja"}
    assert beside_code | {f"blocks/{part}/manifest.schema.json" for part in ("store", "export")} <= names


def test_its_metadata_say_what_the_package_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Version"] == blocks.__version__
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_a_wheel_that_lacks_a_file_or_holds_tests_is_named(wheel_script, tmp_path):
    wheel = tmp_path / "made_up.whl"
    packed = wheel_script.package_files() - {"blocks/py.typed"} | {"tests/conftest.py"}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in [*packed, "ml_blocks-1.dist-info/METADATA"]:
            archive.writestr(name, "")
    lacks, holds = wheel_script.differences(wheel)
    assert "lacks blocks/py.typed: name it in [tool.setuptools.package-data]" in lacks
    assert "holds tests/conftest.py" in holds
