"""How many rows were seen, and which of them hold no finite value: kept by every statistic in the same way."""

import dataclasses


@dataclasses.dataclass
class Tally:
    """Rows by what they hold. All fields count rows."""

    rows: int = 0
    missing: int = 0
    negative_infinite: int = 0
    positive_infinite: int = 0

    @property
    def count(self) -> int:
        """Rows with a finite value."""
        return self.rows - self.missing - self.negative_infinite - self.positive_infinite

    def add(self, other: "Tally") -> None:
        """Adds another tally to this one."""
        self.rows += other.rows
        self.missing += other.missing
        self.negative_infinite += other.negative_infinite
        self.positive_infinite += other.positive_infinite

    def as_list(self) -> list[int]:
        """The four counts, in the order of the constructor."""
        return [self.rows, self.missing, self.negative_infinite, self.positive_infinite]
