"""What names and paths of an HDF5 file stand for; a link that leaves it is refused, one in a circle is nothing."""

from typing import Any, Final

import h5py

from blocks.errors import InvalidArgument, MalformedData

_MOST_LINKS: Final = 8


def datasets(node: h5py.Group, name: str) -> dict[str, h5py.Dataset]:
    """The datasets right in a group."""
    found = {key: child_of(node, key, name) for key in node}
    return {key: child for key, child in found.items() if isinstance(child, h5py.Dataset)}


def child_of(node: h5py.Group, key: str, name: str, depth: int = 0) -> Any:
    """What a name in a group stands for, if it stays in the file; None where it stands for nothing."""
    link = node.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise MalformedData(
            f"A link stays in its file. Received: {key!r} of {node.name!r} in {name}, one to {link.filename!r}. "
            "Copy the data into one file, or read that one."
        )
    if not isinstance(link, h5py.SoftLink):
        return None if link is None else node[key]
    if depth >= _MOST_LINKS:
        return None
    return at_path(node.file if link.path.startswith("/") else node, link.path, name, depth + 1)


def at_path(node: Any, path: str, name: str, depth: int = 0) -> Any:
    """What lies at a path; None where nothing does."""
    for key in filter(None, path.split("/")):
        if not isinstance(node, h5py.Group):
            return None
        node = child_of(node, key, name, depth)
    return node


def follow(content: h5py.File, path: str, name: str) -> Any:
    """What lies at a path.

    Raises:
        InvalidArgument: Nothing does.
    """
    found = at_path(content, path, name)
    if found is None:
        known = ", ".join(with_rows(content)) or "none"
        raise InvalidArgument(f"{name} has no group {path!r}. Those that hold rows: {known}.")
    return found


def with_rows(content: h5py.File) -> list[str]:
    """Paths of the groups that hold datasets of rows, and of compound datasets; links have no place of their own."""
    found: list[str] = []
    waiting: list[h5py.Group] = [content]
    seen = set()
    while waiting and len(found) < 20:
        node = waiting.pop(0)
        if (address := h5py.h5o.get_info(node.id).addr) in seen:  # groups may hold themselves
            continue
        seen.add(address)
        if "pandas_type" in node.attrs:
            found.append(node.name)
            continue
        inside = [node[key] for key in node if isinstance(node.get(key, getlink=True), h5py.HardLink)]
        tables = [child for child in inside if isinstance(child, h5py.Dataset) and child.shape]
        if any(data.dtype.names is None for data in tables):
            found.append(node.name)
        found += [data.name for data in tables if data.dtype.names is not None]
        waiting += [child for child in inside if isinstance(child, h5py.Group)][:1000]
    return found
