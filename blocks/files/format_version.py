"""Versions of formats: every artefact says its own, and one that is newer than this blocks knows is refused by name."""

from typing import Any

from blocks.errors import NewerFormat


def refuse_newer(what: str, found: Any, known: int) -> None:
    """Refuse an artefact of a version that does not exist yet.

    Args:
        what: the artefact, by its kind and name.
        found: the version that it says.
        known: the newest that is read here; what is no number, or below 1, is the caller's to refuse.

    Raises:
        NewerFormat: it is newer.

    Example:
        >>> refuse_newer("The store 'here'", 1, 1)
        >>> refuse_newer("The store 'here'", 2, 1)
        Traceback (most recent call last):
        blocks.errors.NewerFormat: The store 'here' was made by a newer blocks: its format is of version 2, ...
    """
    if isinstance(found, int) and found > known:
        raise NewerFormat(
            f"{what} was made by a newer blocks: its format is of version {found}, and {known} is the newest that "
            "this one reads. Upgrade it: pip install --upgrade ml-blocks."
        )
