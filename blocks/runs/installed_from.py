"""What this blocks was installed from, as pip takes it: an index, a wheel, a path, or a Git address."""

import importlib.metadata
import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from blocks.files.url_passwords import without_secrets

NAME = "ml-blocks"


def requirement(extras: str = "", *, package: Path | None = None) -> tuple[str, str]:
    """The line of a requirements.txt that installs the same, and in words where that comes from.

    Args:
        extras: Names in brackets, "[serve]".
        package: The imported package's folder; this one's unless given.

    Example:
        >>> line, told = requirement("[serve]")
        >>> "ml-blocks" in line or line.startswith("-e "), bool(told)
        (True, True)
    """
    package = Path(__file__).resolve().parents[1] if package is None else package
    sources = package.parent
    if (sources / "pyproject.toml").exists():  # run from its sources, whatever else is installed
        return f"-e {sources}{extras}", f"the sources in {sources}"
    distribution = importlib.metadata.distribution(NAME)
    address = json.loads(distribution.read_text("direct_url.json") or "{}")
    return _of_address(address, distribution.version, extras)


def _of_address(address: dict[str, object], version: str, extras: str) -> tuple[str, str]:
    """The same of a PEP 610 record; {} for a package from an index.

    Example:
        >>> _of_address({}, "0.1.0", "")
        ('ml-blocks==0.1.0', 'the package index, version 0.1.0')
        >>> git = {"url": "https://me:secret@host/blocks.git", "vcs_info": {"vcs": "git", "commit_id": "5a1f"}}
        >>> _of_address(git, "0.1.0", "[serve]")
        ('ml-blocks[serve] @ git+https://host/blocks.git@5a1f', 'https://host/blocks.git at 5a1f')
        >>> _of_address({"url": "file:///tmp/a%20b.whl", "archive_info": {}}, "0.1.0", "")
        ('ml-blocks @ file:///tmp/a%20b.whl', '/tmp/a b.whl')
    """
    url = str(address.get("url", ""))
    if not url:
        return f"{NAME}{extras}=={version}", f"the package index, version {version}"
    parts = urlsplit(url)
    if "@" in parts.netloc:  # a name and a password are the environment's business
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    url = without_secrets(url)
    git = address.get("vcs_info")
    if isinstance(git, dict):
        return f"{NAME}{extras} @ {git['vcs']}+{url}@{git['commit_id']}", f"{url} at {git['commit_id']}"
    path = unquote(parts.path) if parts.scheme == "file" else url
    directory = address.get("dir_info")
    if isinstance(directory, dict) and directory.get("editable"):
        return f"-e {path}{extras}", f"the sources in {path}"
    return f"{NAME}{extras} @ {url}", path
