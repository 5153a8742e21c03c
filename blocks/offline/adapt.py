"""Adapt: sources to statistics to blocks, all independent blocks in one pass, chains in waves.

A wave is one pass over the source. In each, every lane's first block that still must learn gets statistics of what the
blocks before it make of the column; the head's target rides along in the first. So a model whose chains hold k blocks
that learn takes k passes, and that number is known before the start.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from os import cpu_count
from typing import Any

import pyarrow as pa

from blocks.block import Block, ColumnChunk, Head, Preprocessor, State
from blocks.data import Source
from blocks.errors import BadTarget, EmptySource, InvalidArgument, SchemaMismatch, warn
from blocks.inspection.adapted_rows import AdaptedRows
from blocks.inspection.column_kinds import kind_of
from blocks.inspection.observed_columns import ObservedColumns
from blocks.offline.observed_values import enters_as_it_is, values_of_lane, values_of_stacks
from blocks.offline.out_of_fold import origin_to_learn_from, with_target
from blocks.preprocessors import Columns
from blocks.progress import Progress, Verbose, announce
from blocks.statistics import Budget, Statistic, Summary, memory_bytes
from blocks.targets import target_columns as targets

CHUNK_ROWS = 65_536

__all__ = ["adapt", "passes"]


@dataclass
class _Task:
    """One block's statistics in one wave, and how to get at what they are of."""

    key: str
    block: Block
    columns: tuple[str, ...]
    statistics: dict[str, Statistic]
    chunk: Callable[[pa.RecordBatch, int], Any]
    """From rows of the source, and the position of the first, to what the block observes."""
    reads: tuple[str, ...] = ()
    """Columns that it reads beside its own."""
    remembers: State = field(default_factory=dict)
    """State beside what is learned."""
    as_is: bool = False
    """Whether the statistics are of its column's rows as they are."""


def passes(columns: Columns) -> int:
    """How many passes over the source `adapt` takes: the most blocks that learn in any one chain, 1 at least.

    Example:
        >>> from blocks.preprocessors import Impute, Standardize
        >>> passes(Columns({"age": [Impute("median"), Standardize()]}))
        2
    """
    return max([1, *(sum(block.learns for block in lane.blocks) for lane in columns.lanes)])


def adapt(
    columns: Columns,
    head: Head | None,
    source: Source,
    *,
    initial: Summary | None = None,
    memory: int | str | None = None,
    keep: AdaptedRows | None = None,
    verbose: Verbose = "auto",
) -> Summary:
    """Let a preprocessor and a head learn from a source, which alone is read.

    Args:
        columns: The preprocessor; its blocks' state is replaced.
        head: The head whose target is learned in the same pass, or None.
        source: The training rows.
        initial: Statistics of an earlier call to continue from. Exact for blocks that read raw columns; blocks that
            read what another block has learned are refused, since those values change with it, and for blocks that use
            the target, which know the rows of one source alone. They keep the memory that they were begun with.
        memory: What all statistics together may take, while tokens are put together too: bytes, or text ("1GiB"); None
            for 512 MiB. It is shared before the first pass, by the number of columns whose tokens (or numbers) are held
            alone: the same model on other rows, or elsewhere, counts in the same shares. Chunks of the source and what
            is learned come on top.
        keep: Filled with what is kept of the rows, in the first pass; of rows that others are continued with, nothing.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Returns:
        The statistics, by lane, block and name: `save` them, and continue from them when there is more data.

    Raises:
        SchemaMismatch: A column is unknown or of a type that does not fit.
        BadTarget: The target allows no learning, or stands among the inputs.
        EmptySource: There is no row, or no usable value for a block.
        InvalidArgument: `initial` holds statistics that cannot be continued, or a block uses the target and there is no
            head, or its source can be read only once, or `memory` is no memory, or too little.
    """
    available = memory_bytes(memory)
    check_target(columns, head, source.schema)
    columns.bind(source.schema)
    total = passes(columns)
    if initial is not None and total > 1:
        raise InvalidArgument(
            f"Statistics can be continued when every block reads raw columns (one pass). Received: chains that take "
            f"{total} passes. Adapt on all data at once instead."
        )
    origin = origin_to_learn_from(columns, head, source, continued=initial is not None)
    learning = [head, *(block for lane in columns.lanes for block in lane.blocks)]
    budget = Budget(available, [s.wish for block in learning if block is not None for s in block.statistics().values()])
    rows = source.estimated_rows()
    passing = "1 pass" if total == 1 else f"{total} passes"
    announce(f"adapt: {passing} over {'the source' if rows is None else f'{rows:,} rows'}", verbose)
    summary = Summary()
    learned: set[int] = set()
    with ThreadPoolExecutor(cpu_count()) as pool:
        for wave in range(total):
            tasks = _wave(columns, head, learned, initial, budget, origin)
            observed = None
            if keep is not None and initial is None and not wave:
                observed = _observed(columns, head, source.schema, tasks, available)
            progress = Progress(f"adapt {wave + 1}/{total}", rows, verbose, note=f"{len(tasks)} blocks")
            _pass(source, tasks, pool, progress, observed)
            if keep is not None and observed is not None:
                targets = () if head is None else tuple(dict.fromkeys(head.targets))
                names = list(dict.fromkeys([*columns.inputs, *targets]))
                keep.keep(observed, pa.schema([source.schema.field(name) for name in names]), targets)
            for task in tasks:
                try:
                    state = task.block.learn(task.statistics)
                except EmptySource as error:
                    raise EmptySource(f"Column {', '.join(map(repr, task.columns))}: {error}") from None
                task.block.restore({**state, **task.remembers})
                learned.add(id(task.block))
                for name, statistic in task.statistics.items():
                    summary[f"{task.key}/{name}"] = statistic
                if isinstance(task.block, Head):
                    _tell_missing_targets(task.block, task.statistics, verbose)
    return summary


def _observed(
    columns: Columns, head: Head | None, schema: pa.Schema, tasks: list[_Task], memory: int
) -> ObservedColumns:
    """Statistics of all columns that a model takes, but for bytes that nothing else reads: pictures, say."""
    read = {name for task in tasks for name in (*task.columns, *task.reads)}
    targets = () if head is None else head.targets
    names = [
        name
        for name in dict.fromkeys([*columns.inputs, *targets])
        if name in read or kind_of(schema.field(name).type).kind != "bytes"
    ]
    taken: dict[str, list[Statistic]] = {}
    for task in tasks:
        if task.as_is:
            taken.setdefault(task.columns[0], []).extend(task.statistics.values())
    return ObservedColumns(schema, names, taken, memory)


def _tell_missing_targets(head: Head, results: Mapping[str, Statistic], verbose: Verbose) -> None:
    """Say what `fit` will do with rows that have no target: warn where it will refuse them."""
    skipped = {column for one in head.heads.values() if one.on_bad_target == "skip" for column in one.targets}
    for column, (missing, rows) in head.without_target(results).items():
        text = f"The target {column!r} is missing or not finite in {missing:,} of {rows:,} rows"
        if missing and column in skipped:
            announce(f"{text}; fit leaves them out, counted.", verbose)
        elif missing:
            warn(f"{text}, which fit refuses. Filter them out, or give the head on_bad_target='skip'.")


def check_target(columns: Columns, head: Head | None, schema: pa.Schema | None) -> None:
    """Refuse a target that is not there, or that stands among the inputs.

    Raises:
        BadTarget: It stands among the inputs.
        SchemaMismatch: The source has no such column.
    """
    if head is None:
        return
    for role, name in (*(("target", name) for name in head.targets), ("sample_weight", head.sample_weight)):
        if name is not None and name in columns.columns:
            raise BadTarget(
                f"The {role} must not stand among the inputs: the model would read its answer. Received: {name!r} in "
                f"Columns. Take it out (Columns.infer(source, exclude=[{name!r}]))."
            )
        if name is not None and schema is not None and name not in schema.names:
            raise SchemaMismatch(
                f"The {role} is a column of the source, which has: {', '.join(schema.names)}. Received: {name!r}."
            )


def _wave(
    columns: Columns, head: Head | None, learned: set[int], initial: Summary | None, budget: Budget, origin: State
) -> list[_Task]:
    tasks = []
    if head is not None and id(head) not in learned:
        share, target = budget.share(head.statistics()), head.target
        tasks.append(_Task("target", head, head.targets, share, lambda rows, _: targets.gather(rows, target)))
    inputs = columns.inputs
    due = []
    for lane in columns.lanes:
        to_learn = [depth for depth, block in enumerate(lane.blocks) if block.learns and id(block) not in learned]
        if to_learn:
            due.append((lane, to_learn[0]))
    together = values_of_stacks(due, inputs)
    for lane, depth in due:
        block = lane.blocks[depth]
        key = f"{lane.name}/{depth}:{type(block).__name__}"
        values, share = together.get(lane.name) or values_of_lane(lane, depth, inputs), budget.share(block.statistics())
        if head is not None and block.uses_target:
            chunk = with_target(values, head, lane)
            tasks.append(_Task(key, block, lane.columns, share, chunk, head.targets, origin))
        else:
            as_is = enters_as_it_is(lane, depth) and type(block).observe is Preprocessor.observe
            tasks.append(_Task(key, block, lane.columns, share, _without_target(values), as_is=as_is))
    if initial is not None:
        wanted = {f"{task.key}/{name}": (task, name) for task in tasks for name in task.statistics}
        if set(wanted) != set(initial):
            raise InvalidArgument(
                "Statistics to continue from belong to the same columns and blocks. Received: "
                f"differences in {', '.join(sorted(set(wanted) ^ set(initial)))}."
            )
        for key, (task, name) in wanted.items():
            mine, before = task.statistics[name], initial[key]
            if mine.wish and type(before) is type(mine):
                # bounds are kept: a summary in other shares could not be merged
                mine = task.statistics[name] = before.empty()
                mine.room = budget.room
            mine.merge(before)
    return tasks


def _pass(
    source: Source, tasks: list[_Task], pool: ThreadPoolExecutor, progress: Progress, observed: ObservedColumns | None
) -> None:
    wanted = [name for task in tasks for name in (*task.columns, *task.reads)]
    wanted += [] if observed is None else observed.names
    names = list(dict.fromkeys(wanted)) or source.schema.names[:1]
    rows = 0
    with progress:
        for chunk in source.chunks(CHUNK_ROWS, columns=names, encoded=True, exact=False):
            futures = [pool.submit(task.block.observe, task.statistics, task.chunk(chunk, rows)) for task in tasks]
            futures += [] if observed is None else map(pool.submit, observed.updates(chunk, rows))
            wait(futures)
            for future in futures:
                future.result()
            rows += len(chunk)
            progress.advance(len(chunk))
    if not rows:
        raise EmptySource(
            f"There is nothing to adapt on. Received: {source!r} with no row. Check its path, filter or split."
        )


def _without_target(values: Callable[[pa.RecordBatch], pa.Array]) -> Callable[[pa.RecordBatch, int], ColumnChunk]:
    return lambda rows, _: ColumnChunk(values(rows))
