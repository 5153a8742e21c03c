"""Named statistics as one value: merged, saved and continued together."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Self

from blocks.errors import InvalidArgument, MalformedData, NewerFormat
from blocks.files.durable import write_bytes
from blocks.files.write_errors import explained
from blocks.statistics import serialization as encoding
from blocks.statistics.statistic import Statistic


class Summary(MutableMapping[str, Statistic]):
    """A mapping from free names to statistics.

    Args:
        statistics: What it starts with; the statistics are held, not copied.

    Example:
        >>> import pyarrow as pa
        >>> from blocks.statistics import Moments
        >>> monday, tuesday = Summary({"age": Moments()}), Summary({"age": Moments()})
        >>> monday["age"].update(pa.array([30, 40]))
        >>> tuesday["age"].update(pa.array([50]))
        >>> monday.merge(tuesday)
        >>> Summary.from_bytes(monday.to_bytes())["age"].result().mean
        40.0
    """

    def __init__(self, statistics: Mapping[str, Statistic] | None = None) -> None:
        self._statistics: dict[str, Statistic] = {}
        for name, statistic in (statistics or {}).items():
            self[name] = statistic

    def __getitem__(self, name: str) -> Statistic:
        return self._statistics[name]

    def __setitem__(self, name: str, statistic: Statistic) -> None:
        if not isinstance(name, str) or not isinstance(statistic, Statistic):
            raise InvalidArgument(
                f"A Summary maps strings to statistics. Received: {name!r} and {type(statistic).__name__}."
            )
        self._statistics[name] = statistic

    def __delitem__(self, name: str) -> None:
        del self._statistics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._statistics)

    def __len__(self) -> int:
        return len(self._statistics)

    def __repr__(self) -> str:
        kinds = Counter(type(statistic).__name__ for statistic in self._statistics.values())
        by_kind = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return f"<Summary of {len(self)} statistics{f': {by_kind}' if by_kind else ''}>"

    def merge(self, other: "Summary") -> None:
        """Adds each statistic of `other` to the one of its name, or a copy of it where there is none.

        Raises:
            InvalidArgument: Two statistics of one name differ in class or parameters.
            SchemaMismatch: Two statistics of one name saw columns of different types.
        """
        for name, statistic in other.items():
            self._statistics.setdefault(name, statistic.empty()).merge(statistic)

    def to_bytes(self) -> bytes:
        """Returns all names and states, loss-free; the order of the names does not matter to the bytes."""
        names = sorted(self)
        return encoding.pack({"class": "Summary", "names": names}, [self[name].to_bytes() for name in names])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restores a summary that `to_bytes` wrote.

        Raises:
            MalformedData: The bytes are damaged or hold something else.
        """
        header, parts = encoding.unpack(data)
        if header.get("class") != "Summary":
            raise MalformedData(
                f"The bytes must hold a Summary. Received: {header.get('class')!r}. Call Statistic.from_bytes for one."
            )
        return cls({name: Statistic.from_bytes(part) for name, part in zip(header["names"], parts, strict=True)})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the summary to a file that is, at every moment, the old one or the new one, whole.

        Raises:
            WriteError: The operating system keeps it from being written.
        """
        with explained(path):
            write_bytes(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote.

        Raises:
            InvalidArgument: There is no such file, or it may not be read.
            MalformedData: The file is damaged or holds something else.
            NewerFormat: A newer version of blocks wrote it.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise InvalidArgument(
                f"Summary.load reads a file that Summary.save wrote. Received: {os.fspath(path)!r} ({error.strerror})."
            ) from error
        try:
            return cls.from_bytes(data)
        except (MalformedData, NewerFormat) as error:
            raise type(error)(f"{os.fspath(path)}: {error}") from error
