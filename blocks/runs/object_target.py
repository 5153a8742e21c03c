"""What `module:object` names: an object of a module of the project's folder, or of an installed one."""

import importlib
import sys
from pathlib import Path
from typing import Any

from blocks.errors import BlocksError, InvalidArgument

_STAMPS: dict[Path, dict[str, tuple[int, int]]] = {}
"""Of each folder, its modules as they were when one was last imported."""


def is_target(text: str) -> bool:
    """Whether it has the form of `module:object`, which no file or URI of rows has.

    Example:
        >>> is_target("model:model"), is_target("people.csv"), is_target("sqlite:///shop.db"), is_target("a.b:c.d")
        (True, False, False, True)
    """
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def load_target(target: str, folder: Path) -> Any:
    """Import the module, the folder's own before all others, and give the object.

    Args:
        target: "module:object"; both may have dots.
        folder: Where its modules lie. It stays first on `sys.path`, for what they import later.

    Raises:
        InvalidArgument: It has another form, does not import, or has no such object.
    """
    if not is_target(target):
        raise InvalidArgument(f"A target is written module:object. Received: {target!r}. Write data:splits, say.")
    module, _, name = target.partition(":")
    _put_first(folder)
    try:
        found = importlib.import_module(module)
    except BlocksError:
        raise
    except Exception as error:
        at = _line(error, folder)
        raise InvalidArgument(
            f"{target} is imported from {folder}. Received: {type(error).__name__}: {error}{at}. Mend that, install "
            "what it needs, or name another target in [project] of blocks.toml."
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise InvalidArgument(
                f"{target} names an object of a module. Received: {module}, in "
                f"{getattr(found, '__file__', None) or 'memory'}, which has no {part}. Define it there."
            )
        found = getattr(found, part)
    return found


def _put_first(folder: Path) -> None:
    """Let the folder's modules be found first, and forget modules of their names that lie elsewhere."""
    path = str(folder.resolve())
    if path in sys.path:
        sys.path.remove(path)
    sys.path.insert(0, path)
    importlib.invalidate_caches()
    changed = _changed(folder)
    own = {one.stem for one in folder.glob("*.py")} | {one.parent.name for one in folder.glob("*/__init__.py")}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in own and file and (changed or not Path(file).resolve().is_relative_to(path)):
            del sys.modules[name]


def _changed(folder: Path) -> bool:
    """Whether the folder's code is another than when it was last imported here: in a notebook it is, soon."""
    stamps = {file.name: (file.stat().st_mtime_ns, file.stat().st_size) for file in folder.glob("*.py")}
    before, _STAMPS[folder.resolve()] = _STAMPS.get(folder.resolve(), stamps), stamps
    return stamps != before


def _line(error: Exception, folder: Path) -> str:
    """The innermost line of the project's own code that failed."""
    if isinstance(error, SyntaxError):
        return f" ({Path(error.filename or '?').name}, line {error.lineno})"
    found, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(folder.resolve()):
            found = f" ({file.name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found
