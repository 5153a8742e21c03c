"""The entry of a run: the words by which the same can be begun again."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks.errors import InvalidArgument

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def checked_entry(given: str | Sequence[str]) -> dict[str, Any]:
    """An entry that a user names: "module:function", or the words after `python`.

    Raises:
        InvalidArgument: It is neither.

    Example:
        >>> checked_entry("train:main"), checked_entry(["train.py", "--fast"])
        ({'target': 'train:main'}, {'words': ['train.py', '--fast']})
    """
    if isinstance(given, str):
        if not _TARGET.fullmatch(given):
            raise InvalidArgument(
                'An entry is "module:function", or the words after python: ["train.py", "--fast"]. '
                f"Received: {given!r}."
            )
        return {"target": given}
    words = list(given)
    if not words or not all(isinstance(word, str) for word in words):
        raise InvalidArgument(f'The words of an entry are text: ["train.py", "--fast"]. Received: {words!r}.')
    return {"words": words}


def entry_of_process(root: Path) -> dict[str, Any] | None:
    """How this process was begun; None where no words would begin it again: a notebook, a prompt, text of `-c`.

    Args:
        root: Of the code: a script in it is named from there.
    """
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name not in ("", "__main__"):
        return {"words": ["-m", spec.name.removesuffix(".__main__"), *sys.argv[1:]]}
    if file is None or not Path(file).is_file():
        return None
    script = Path(file).resolve()
    if script.is_relative_to(root):
        return {"words": [str(script.relative_to(root)), *sys.argv[1:]], "from_root": True}
    if script.name == "blocks":  # what pip made of this package's own command
        return {"words": ["-m", "blocks", *sys.argv[1:]]}
    return {"words": [str(script), *sys.argv[1:]]}


def folder_of_code() -> Path:
    """The folder whose code runs: that of the script, if it is nobody's installed one; else the current one."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if file is None or not Path(file).is_file() or getattr(sys.modules["__main__"], "__spec__", None) is not None:
        return Path.cwd()
    folder = Path(file).resolve().parent
    installed = folder.is_relative_to(Path(sys.prefix).resolve()) or folder.is_relative_to(sys.base_prefix)
    return Path.cwd() if installed or Path.cwd().is_relative_to(folder) else folder
