"""Which versions serve an export as it was made: pins for pip, by its manifest and by what is installed here."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from blocks.errors import InvalidArgument, warn
from blocks.export.own_wheel import DISTRIBUTION

SERVING: Final = ("httptools", "orjson", "prometheus-client", "starlette", "uvicorn", "uvloop")
"""The extra `serve`."""

DECISIVE: Final = ("tensorflow", "keras", "numpy", "pyarrow")
"""Those on which the bits of answers depend; an export says which made it."""


def pinned_requirements(versions: Mapping[str, str]) -> Sequence[str]:
    """Lines of a requirements file.

    Where this environment has what made the export, everything that blocks needs to serve is pinned as it is installed
    here. Where it has other versions, those of the export are pinned, and pip chooses the rest.

    Args:
        versions: The export's, by distribution, and "python".

    Raises:
        InvalidArgument: What serving needs is not installed.
    """
    said = {name: versions[name] for name in DECISIVE if name in versions}
    installed = _installed()
    other = [f"{name} {one} (here {installed[name]})" for name, one in said.items() if installed.get(name) != one]
    here = platform.python_version()
    if minor(versions.get("python", here)) != minor(here):
        other.append(f"Python {versions['python']} (here {here})")
    if not other:
        return [f"{name}=={installed[name]}" for name in sorted(installed)]
    warn(
        f"The export was made with {', '.join(other)}. The package pins those, and leaves other versions to pip: write "
        "it where the export was made, and all are pinned."
    )
    wanted = [Requirement(one) for one in distribution(DISTRIBUTION).requires or ()]
    ranges: dict[str, str] = {canonicalize_name(one.name): str(one) for one in wanted if one.marker is None}
    ranges |= {name: name for name in SERVING}
    return sorted((ranges | {name: f"{name}=={one}" for name, one in said.items()}).values())


def minor(version: str) -> str:
    """Python's version without its last part.

    Example:
        >>> minor("3.11.9")
        '3.11'
    """
    return ".".join(version.split(".")[:2])


def _installed() -> dict[str, str]:
    """Versions of all that blocks and its server need, by name."""
    found: dict[str, str] = {}
    waiting = [*(Requirement(name) for name in SERVING)]
    waiting += [Requirement(one) for one in distribution(DISTRIBUTION).requires or ()]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(wanted.name)
        try:
            one = distribution(name)
        except PackageNotFoundError:
            raise InvalidArgument(
                f"A package pins what serves the model as it is installed here. Received: no {name!r}. "
                f"pip install '{DISTRIBUTION}[serve]'."
            ) from None
        found[name] = one.version
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in one.requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    needed.marker = None
                    waiting.append(needed)
    return found
