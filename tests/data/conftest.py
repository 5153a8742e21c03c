"""A PostgreSQL server of the tests' own, where Debian's package is installed."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("postgresql_server", Path(__file__).parent / "postgresql_server.py")
postgresql_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(postgresql_server)


@pytest.fixture(scope="session")
def postgresql():
    """The URI of a database of a server that is started for this session."""
    pytest.importorskip("adbc_driver_postgresql", reason="the extra sql is not installed")
    try:
        with postgresql_server.server() as uri:
            yield uri
    except postgresql_server.Unavailable as why:
        pytest.skip(str(why))
