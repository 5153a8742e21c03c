"""Which process writes a run, and whether it is still there: never a time-out."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Host, boot, process and when it started: no other process ever shares all four.

    Example:
        >>> is_alive(this_process())
        True
    """
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot": _boot(), "pid": pid, "started": _started(pid)}


def is_alive(process: Mapping[str, Any]) -> bool | None:
    """Whether a process is there; None where it is of another host, which cannot be told from here.

    Args:
        process: As `this_process` gave it.
    """
    if process["host"] != socket.gethostname():
        return None
    if process["boot"] != _boot():
        return False
    found = _started(process["pid"])
    if found is None and process["started"] is None:  # a system without /proc
        try:
            os.kill(process["pid"], 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True
    return found is not None and found == process["started"]


def _boot() -> str | None:
    """What the kernel calls this boot; None where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where it is gone, a zombie, or that is unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
