"""Names of a package that load when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def loader(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The package's `__getattr__` and `__dir__`.

    Args:
        package: Its `__name__`.
        homes: Name to the module of the package that defines it.

    Example:
        >>> find, names = loader("blocks", {"read": "data"})
        >>> find("read").__name__
        'read'
        >>> find("write")
        Traceback (most recent call last):
        AttributeError: module 'blocks' has no attribute 'write'
        >>> names()
        ['read']
    """

    def find(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find, lambda: sorted(homes)
