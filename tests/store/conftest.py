import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """The functions of small_store.py, which is also run as a program of its own."""
    spec = importlib.util.spec_from_file_location("small_store", Path(__file__).with_name("small_store.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=["hdf5", "hdf5-gzip", "hdf5-lzf", "tfrecord", "tfrecord-example"])
def kind(request) -> dict[str, str]:
    """The arguments of `write` that choose how shards are written."""
    format, _, more = request.param.partition("-")
    if more == "example":
        return {"format": format, "layout": more}
    return {"format": format, "compression": more} if more else {"format": format}


@pytest.fixture(scope="session")
def stored(small, tmp_path_factory, kind):
    """A store of 1,000 and 25 rows that tests read and do not change."""
    return small.make(tmp_path_factory.mktemp("stored") / "store", **kind)
