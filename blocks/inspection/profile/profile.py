"""Profile: what `blocks.describe` found; printed, shown by a notebook, saved as a page or JSON, read back."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.files.durable import write_text
from blocks.files.regular_files import read_saved
from blocks.files.write_errors import explained
from blocks.inspection.finding import Finding
from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.inspection.profile.profile_json import from_json, to_json
from blocks.inspection.profile.profile_page import profile_html, profile_page
from blocks.inspection.profile.profile_text import profile_text
from blocks.inspection.relations.relations import Relations

_MOST_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Profile(Mapping[str, ColumnProfile]):
    """What there is to know of rows: a mapping from the names of columns to their profiles, and what is of them all.

    Attributes:
        rows: How many there are, all splits together.
        splits: Rows by split; empty where none were given.
        columns: The columns' profiles by name, in order.
        findings: What somebody who knows data would point out, the gravest first.
        relations: How columns go with the target and with each other, what stands twice, and order in time.
        target: The column to predict, or None.
        key: The columns that name a row.
        time: The column that rows follow each other by, or None.
        sampled: Rows that were drawn for what is not told of all of them.
        seed: Decided which.
        min_count: Values of fewer rows are named nowhere.

    Example:
        >>> import blocks
        >>> profile = blocks.describe({"x": [1.0, 2.0, 6.0], "city": ["rome"] * 3})
        >>> profile["x"].numbers.mean, profile.findings[0].sentence
        (3.0, "'city' has one and the same value in all rows.")
        >>> Profile.from_json(profile.to_json())["x"] == profile["x"]
        True
    """

    rows: int
    splits: dict[str, int]
    columns: dict[str, ColumnProfile]
    findings: tuple[Finding, ...]
    relations: Relations = dataclasses.field(default_factory=Relations)
    target: str | None = None
    key: tuple[str, ...] = ()
    time: str | None = None
    sampled: int = 0
    seed: int = 0
    min_count: int = 5

    def __getitem__(self, name: str) -> ColumnProfile:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return profile_text(self)

    def _repr_html_(self) -> str:
        return profile_html(self)

    def to_json(self) -> str:
        """All of it as JSON: an object whose fields have the names of the attributes.

        `format` is "blocks profile" and `version` 1. `columns` is a list of objects with the fields of
        `ColumnProfile`, `findings` one of objects with those of `Finding`. What is not there is null; no number is
        NaN or infinite.
        """
        return to_json(self)

    @classmethod
    @checked()
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            MalformedData: It is damaged, or holds something else.
            NewerFormat: A newer version of blocks wrote it.
        """
        return cls(**from_json(text, "the text"))

    @checked()
    def save(self, path: str | os.PathLike[str], *, title: str | None = None) -> Path:
        """Writes a page that needs no network (.html), or JSON (.json), to a file that is always whole.

        Args:
            path: Its name says which.
            title: The page's title.

        Returns:
            The path.

        Raises:
            InvalidArgument: The name ends with neither.
            WriteError: The operating system keeps it from being written.
        """
        final = Path(path)
        if final.suffix not in (".html", ".json") or final.is_dir():
            raise InvalidArgument(
                f"A profile is saved as a page (.html) or as numbers (.json). Received: {os.fspath(path)!r}. "
                'Use profile.save("data.html").'
            )
        text = to_json(self) if final.suffix == ".json" else profile_page(self, title)
        with explained(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            write_text(final, text)
        return final

    @classmethod
    @checked()
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads the JSON that `save` wrote.

        Raises:
            InvalidArgument: There is no such file, or it may not be read.
            MalformedData: The file is damaged, or holds something else.
            NewerFormat: A newer version of blocks wrote it.
        """
        text = read_saved(path, _MOST_BYTES, "Profile")
        return cls(**from_json(text, os.fspath(path)))
