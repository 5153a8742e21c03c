"""`blocks.describe`: one pass over rows, or over each of their splits, to what there is to know of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.arguments import check_whole_number, checked
from blocks.data.schema import require_columns
from blocks.data.split_rows import as_splits
from blocks.errors import EmptySource, InvalidArgument
from blocks.inspection.finding import ordered
from blocks.inspection.profile.column_findings import column_findings
from blocks.inspection.profile.column_summary import Disclosure, column_profile
from blocks.inspection.profile.profile import Profile
from blocks.inspection.profile.profile_gathering import Gathered, gather
from blocks.inspection.profile.split_findings import split_findings
from blocks.inspection.relations.relations import RowRelations, of_columns
from blocks.progress import Verbose
from blocks.statistics import memory_bytes

SAMPLE_ROWS = 10_000
"""Rows that are drawn for what is looked at on a sample."""

ALL = "rows"
"""What rows are called that are no split of anything."""


@checked(hints={"label": "The column to predict is target=.", "y": "The column to predict is target=."})
def describe(
    data: Any,
    *,
    target: str | None = None,
    key: str | Sequence[str] | None = None,
    time: str | None = None,
    seed: int = 0,
    sample_rows: int = SAMPLE_ROWS,
    min_count: int = 5,
    extremes: bool = True,
    memory: int | str | None = None,
    chunk_rows: int = 131_072,
    verbose: Verbose = "auto",
) -> Profile:
    """What is in the rows, and what of it somebody who knows data would point out; one pass, in bounded memory.

    Of every column: its type, missing and different values, moments, quantiles, a histogram, the most frequent values,
    lengths and forms of texts, the range and gaps of dates, outliers. Of the table: what columns tell of the target and
    of each other (on rows drawn at random), rows and keys that stand there twice, within splits and across them, and
    order in time. `print` it, `save` it as a page or JSON, or read its columns and `findings`.

    Args:
        data: Rows: a `Source`, or whatever `blocks.read` takes; or a dict of splits by name.
        target: The column to predict.
        key: The column or columns that name a row, or what rows belong together; no two splits should share one.
        time: The column of dates, timestamps or numbers that rows follow each other by.
        seed: Decides which rows are drawn.
        sample_rows: Rows that are drawn for what is not told of all of them.
        min_count: Values of fewer rows are named nowhere, so that a profile tells of no single person.
        extremes: Whether the least and the largest numbers and dates may be told, which are single rows' values.
        memory: What the statistics may take: bytes or text ("1GiB"); None for 512 MiB. Where it is short, counts of
            texts and quantiles become estimates, and say so.
        chunk_rows: Rows read at once; changes nothing but memory.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Raises:
        EmptySource: There is no row.
        SchemaMismatch: There is no column of the name `target`, `key` or `time`.
        InvalidArgument: An argument is out of range.

    Example:
        >>> import blocks
        >>> rows = {"age": [31, 45, None, 23] * 25, "city": ["rome"] * 100, "label": [0, 1, 1, 0] * 25}
        >>> profile = blocks.describe(rows, target="label")
        >>> profile["age"].missing, profile["age"].numbers.mean
        (25, 33.0)
        >>> [finding.kind for finding in profile.findings if finding.columns == ("city",)]
        ['constant column']

    Source: what it names is what skrub, ydata-profiling and TensorFlow Data Validation point out too; each number's
        formula stands with its statistic.
    """
    splits = {ALL if name is None else name: source for name, source in as_splits(data).items()}
    keys = (key,) if isinstance(key, str) else tuple(key or ())
    seed = check_whole_number("seed", seed, most=2**63 - 1)
    sampled = check_whole_number("sample_rows", sample_rows, 1)
    disclosure = Disclosure(check_whole_number("min_count", min_count, 1), extremes)
    rows_at_once = check_whole_number("chunk_rows", chunk_rows, 1)
    if not isinstance(extremes, bool):
        raise InvalidArgument(f"extremes is True or False. Received: {extremes!r}.")
    columns = list(dict.fromkeys(name for source in splits.values() for name in source.schema.names))
    for what, wanted in (("target", target), ("time", time)):
        if wanted is not None:
            require_columns([wanted], columns, what)
    require_columns(keys, columns, "key")
    beside = RowRelations(splits, target, keys, time)
    found = gather(
        splits,
        sample_rows=sampled,
        seed=seed,
        memory=memory_bytes(memory),
        chunk_rows=rows_at_once,
        verbose=verbose,
        beside={split: beside.beside(split) for split in splits},
    )
    if not any(found.rows.values()):
        raise EmptySource(
            f"There is nothing to describe. Received: {data!r:.200} with no row. Check its path or filter."
        )
    roles: dict[str | None, str] = {time: "time", **dict.fromkeys(keys, "key"), target: "target"}
    several = list(found.rows) != [ALL]
    profiles = {name: _column(name, found, disclosure, roles.get(name, ""), several) for name in columns}
    findings = [one for column in profiles.values() for one in column_findings(column, disclosure.min_count)]
    if several:
        findings += split_findings(profiles, found, target)
    findings += beside.findings(found.ordered, target, time, keys)
    of_rows = beside.relations(disclosure.extremes)
    relations, related = of_columns(found.sample, target, keys)
    return Profile(
        rows=sum(found.rows.values()),
        splits=found.rows if several else {},
        columns=profiles,
        findings=tuple(ordered([*related, *findings])),
        relations=dataclasses.replace(relations, duplicates=of_rows.duplicates, order=of_rows.order),
        target=target,
        key=keys,
        time=time,
        sampled=0 if found.sample is None else len(found.sample),
        seed=seed,
        min_count=disclosure.min_count,
    )


def _column(name: str, found: Gathered, disclosure: Disclosure, role: str, several: bool) -> Any:
    drawn = found.sample is not None and name in found.sample.schema.names
    parts: Mapping[str, Any] = {split: of[name] for split, of in found.parts.items() if name in of}
    return column_profile(
        found.fields[name],
        found.kinds[name],
        found.statistics[name],
        disclosure=disclosure,
        sample=found.sample[name] if drawn and found.sample is not None else None,
        parts=parts if several else None,
        role=role,
    )
