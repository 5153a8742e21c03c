"""Events of a run: a line of JSON each, written at once, so that a kill leaves whole lines."""

import json
import math
import os
from pathlib import Path
from typing import Any

NAME = "events.jsonl"


class EventLog:
    """Appends events to a file.

    Args:
        path: The file; made where there is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = EventLog(Path(folder, NAME))
        ...     log.append({"event": "metrics", "loss": float("nan")})
        ...     log.close()
        ...     read_events(Path(folder, NAME))
        [{'event': 'metrics', 'loss': 'nan'}]
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def append(self, event: dict[str, Any]) -> None:
        """Write an event, whole, in one call to the operating system."""
        line = json.dumps(as_json(event), allow_nan=False).encode() + b"\n"
        written = os.write(self._handle, line)
        while written < len(line):  # a disk that is nearly full takes a part
            written += os.write(self._handle, line[written:])

    def close(self) -> None:
        """Close the file; what was written is on the disk."""
        os.fsync(self._handle)
        os.close(self._handle)


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events of a file; a last line that was torn is none, nor is one that holds no event."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            found.append(event)
    return found


def as_json(value: Any) -> Any:
    """A value as JSON holds it: NumPy's numbers as Python's, what is not finite as text, anything else by its repr."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, dict):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else repr(value)
