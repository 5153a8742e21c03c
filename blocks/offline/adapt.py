"""Adapt: sources to statistics to blocks, all independent blocks in one pass, chains in waves.

A wave is one pass over the source. In each, every lane's first block that still must learn gets statistics of what the
blocks before it make of the column; the head's target rides along in the first. So a model whose chains hold k blocks
that learn takes k passes, and that number is known before the start.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from os import cpu_count
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Block, Classifier, ColumnChunk, Head, Preprocessor, observations
from blocks.data import Source
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import BadTarget, EmptySource, InvalidArgument, SchemaMismatch, warn
from blocks.offline.transform import encode, identity, is_coded, observing, of_stack, positions
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.lanes import Lane
from blocks.preprocessors.columns.stacking import stacked
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
    target: str | None = None


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
    origin = _origin(columns, head, source, initial)
    learning = [head, *(block for lane in columns.lanes for block in lane.blocks)]
    budget = Budget(available, [s.wish for block in learning if block is not None for s in block.statistics().values()])
    rows = source.estimated_rows()
    passing = "1 pass" if total == 1 else f"{total} passes"
    announce(f"adapt: {passing} over {'the source' if rows is None else f'{rows:,} rows'}", verbose)
    summary = Summary()
    learned: set[int] = set()
    with ThreadPoolExecutor(cpu_count()) as pool:
        for wave in range(total):
            tasks = _wave(columns, head, learned, initial, budget)
            progress = Progress(f"adapt {wave + 1}/{total}", rows, verbose, note=f"{len(tasks)} blocks")
            _pass(source, tasks, pool, progress)
            for task in tasks:
                try:
                    state = task.block.learn(task.statistics)
                except EmptySource as error:
                    raise EmptySource(f"Column {', '.join(map(repr, task.columns))}: {error}") from None
                task.block.restore(state if task.target is None or origin is None else {**state, "source": origin})
                learned.add(id(task.block))
                for name, statistic in task.statistics.items():
                    summary[f"{task.key}/{name}"] = statistic
                if isinstance(task.block, Head):
                    _tell_missing_targets(task.block, task.statistics, verbose)
    return summary


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


def _origin(columns: Columns, head: Head | None, source: Source, initial: Summary | None) -> np.ndarray | None:
    """What tells the source from others, where a block must know the rows that it learned from."""
    users = [lane for lane in columns.lanes if lane.blocks[-1].uses_target]
    if not users:
        return None
    name = f"{type(users[0].blocks[-1]).__name__} of {users[0].name!r}"
    if head is None:
        raise InvalidArgument(
            f"A block that uses the target is adapted with a head, which names it. Received: {name}, and no head. "
            "Adapt a blocks.Model, or the block alone: block.adapt((values, target))."
        )
    if initial is not None:
        raise InvalidArgument(
            f"A block that uses the target knows the rows of one source, so its statistics cannot be continued. "
            f"Received: initial statistics, and {name}. Adapt on all data at once."
        )
    return identity(source)


def _wave(
    columns: Columns, head: Head | None, learned: set[int], initial: Summary | None, budget: Budget
) -> list[_Task]:
    tasks = []
    if head is not None and id(head) not in learned:
        target = head.target
        tasks.append(
            _Task(
                "target",
                head,
                head.targets,
                budget.share(head.statistics()),
                lambda rows, first: targets.gather(rows, target),
            )
        )
    inputs = columns.inputs
    due = []
    for lane in columns.lanes:
        to_learn = [depth for depth, block in enumerate(lane.blocks) if block.learns and id(block) not in learned]
        if to_learn:
            due.append((lane, to_learn[0]))
    together = _together(due, inputs)
    for lane, depth in due:
        block = lane.blocks[depth]
        key = f"{lane.name}/{depth}:{type(block).__name__}"
        values = together.get(lane.name) or _values(lane, depth, inputs)
        task = _Task(key, block, lane.columns, budget.share(block.statistics()), partial(_column_chunk, values))
        if head is not None and block.uses_target:
            task.target, classes = _encoding_target(head, lane.name)
            task.chunk = partial(_chunk_with_target, values, task.target, classes)
        tasks.append(task)
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


def _encoding_target(head: Head, name: str) -> tuple[str, bool]:
    """The target that a block which uses it learns from, and whether it is one of several classes.

    Raises:
        InvalidArgument: There are several.
    """
    classes = isinstance(head, Classifier)
    if not isinstance(head.target, str) or (isinstance(head, Classifier) and not head.exclusive):
        raise InvalidArgument(
            f"A block that uses the target learns from one number or class a row. Received: one for {name!r}, and "
            f"{type(head).__name__} of {', '.join(map(repr, head.targets))}. Use Vocabulary or Hashing in its place."
        )
    return head.target, classes


def _together(
    due: Sequence[tuple[Lane, int]], inputs: dict[str, RawColumn]
) -> dict[str, Callable[[pa.RecordBatch], pa.Array]]:
    """By lane's name, from a chunk to what enters its block that is due, worked out for all equal chains at once."""
    before = [
        replace(lane, blocks=lane.blocks[:depth])
        for lane, depth in due
        if depth and _as_it_enters(lane.blocks[depth]) and not is_coded(lane, inputs)
    ]
    found: dict[str, Callable[[pa.RecordBatch], pa.Array]] = {}
    for stack in stacked(before, inputs)[0]:
        entering = _Entering(of_stack(stack, inputs))
        found |= {lane.name: partial(entering, place) for place, lane in enumerate(stack.lanes)}
    return found


def _as_it_enters(block: Preprocessor) -> bool:
    """Whether a block's statistics are of the values that enter it, and of nothing else."""
    return type(block).observed is Preprocessor.observed and not block.uses_target


class _Entering:
    """What enters the blocks of several lanes, worked out once for each chunk."""

    def __init__(self, function: Callable[[pa.RecordBatch], np.ndarray]) -> None:
        self._function = function
        self._chunk: pa.RecordBatch | None = None
        self._values = np.empty(0)

    def __call__(self, place: int, chunk: pa.RecordBatch) -> pa.Array:
        if chunk is not self._chunk:
            self._values, self._chunk = self._function(chunk), chunk
        return pa.array(self._values[place])


def _values(lane: Lane, depth: int, inputs: dict[str, RawColumn]) -> Callable[[pa.RecordBatch], pa.Array]:
    """From a chunk to the values that the statistics of the block at `depth` of a lane are of."""
    block = lane.blocks[depth]
    if depth == 0 and len(lane.columns) == 1 and type(block).observed is Preprocessor.observed:
        return lambda chunk: chunk.column(lane.columns[0])
    observe = observing(lane, depth, inputs)
    if is_coded(lane, inputs):

        def of_distinct(chunk: pa.RecordBatch) -> pa.Array:
            coded = encode(chunk.column(lane.columns[0]), lane.columns[0])
            raw = np.append(to_raw(coded.dictionary, RawColumn("string"), lane.columns[0]), "")
            seen, at = observe(tf.constant(raw, tf.string)), positions(coded)
            if isinstance(seen, tf.RaggedTensor):
                seen, at = seen.values, _runs(seen.row_splits.numpy(), at)
            return pa.DictionaryArray.from_arrays(pa.array(at), observations(seen))

        return of_distinct

    def of_rows(chunk: pa.RecordBatch) -> pa.Array:
        columns = (to_raw(chunk.column(name), inputs[name], name) for name in lane.columns)
        return observations(observe(*(tf.constant(values) for values in columns)))

    return of_rows


def _runs(splits: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Positions of all values of the rows `at` of a ragged tensor, row after row: int32."""
    begin, lengths = splits[:-1][at], np.diff(splits)[at]
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum(), dtype=np.int32) + np.repeat((begin - before).astype(np.int32), lengths)


def _pass(source: Source, tasks: list[_Task], pool: ThreadPoolExecutor, progress: Progress) -> None:
    wanted = [name for task in tasks for name in task.columns] + [task.target for task in tasks if task.target]
    names = list(dict.fromkeys(wanted)) or source.schema.names[:1]
    rows = 0
    with progress:
        for chunk in source.chunks(CHUNK_ROWS, columns=names, encoded=True, exact=False):
            futures = [pool.submit(task.block.observe, task.statistics, task.chunk(chunk, rows)) for task in tasks]
            wait(futures)
            for future in futures:
                future.result()
            rows += len(chunk)
            progress.advance(len(chunk))
    if not rows:
        raise EmptySource(
            f"There is nothing to adapt on. Received: {source!r} with no row. Check its path, filter or split."
        )


def _column_chunk(values: Callable[[pa.RecordBatch], pa.Array], rows: pa.RecordBatch, first: int) -> ColumnChunk:
    return ColumnChunk(values(rows))


def _chunk_with_target(
    values: Callable[[pa.RecordBatch], pa.Array], target: str, classes: bool, rows: pa.RecordBatch, first: int
) -> ColumnChunk:
    truth = rows.column(target)
    if classes and not pa.types.is_dictionary(truth.type):
        truth = truth.dictionary_encode()
    return ColumnChunk(values(rows), truth, np.arange(first, first + len(rows)))
