"""Writing a store, resuming one that was interrupted, and rewriting damaged shards."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blocks.arguments import check_whole_number
from blocks.errors import EmptySource, InvalidArgument, StoreError, StoreMismatch
from blocks.files import durable
from blocks.files.lock import NAME as LOCK
from blocks.files.lock import locked
from blocks.files.place import Place, Remote, place
from blocks.files.write_errors import explained
from blocks.progress import Progress, Verbose, announce, check_verbose
from blocks.store import manifest
from blocks.store.formats import FORMATS, shard_format
from blocks.store.formats.shard import Shard, ShardSettings
from blocks.store.integrity import check, require_files, shard_problems
from blocks.store.manifest import Manifest
from blocks.store.rows import SplitPlan
from blocks.store.stored_array import describe, mean_bytes
from blocks.store.writing.journal import Journal
from blocks.store.writing.row_cutter import RowCutter
from blocks.store.writing.shard_threads import Pipeline
from blocks.store.writing.write_key import (
    differences_from_begun,
    differences_from_finished,
    mismatch,
    write_key,
)

MAX_CHUNK_ROWS, MAX_CHUNK_BYTES = 8192, 8 << 20
MAX_SHARD_ROWS, MAX_SHARD_BYTES = 1 << 20, 64 << 20
_SHARD_FILE = re.compile(rf".+-\d{{5,}}({'|'.join(re.escape(form.suffix) for form in FORMATS)})")


def write(
    path: str | os.PathLike[str],
    splits: Mapping[str, SplitPlan],
    *,
    fingerprint: Mapping[str, Any],
    format: str = "hdf5",
    layout: str = "chunk",
    compression: str | None = None,
    rows_per_shard: int | None = None,
    rows_per_chunk: int | None = None,
    workers: int = 2,
    columns: Mapping[str, Sequence[str]] | None = None,
    spec: Any = None,
    metadata: Any = None,
    overwrite: bool = False,
    verbose: Verbose = "auto",
) -> bool:
    """Write the rows of every split into a store; killed at any moment, the same call resumes to the same bytes.

    Rows are pulled in the calling thread, cut into chunks and shards, and written by `workers` threads. At most
    4 chunks for each of `workers + 1` shards wait in memory, and the string keys of the shards being written.

    Args:
        path: the folder, made where there is none; for TFRecord also a URL, see `blocks.files.place`.
        splits: by name, where the rows come from.
        fingerprint: what the rows depend on, as JSON by part: {"source": {split: ...}, "preprocessor": ..., "target":
            ...}. Two levels deep, its names are those by which a mismatch is told.
        format: "hdf5" or "tfrecord".
        layout: "chunk", or for TFRecord "example": one `tf.train.Example` per row.
        compression: for HDF5 "lzf" or "gzip"; such a store is read several times slower.
        rows_per_shard: None for at most 1,048,576 rows and 64 MiB.
        rows_per_chunk: rows read, and shuffled, as a unit; None for at most 8,192 rows and 8 MiB.
        workers: threads that write, one shard each.
        columns: names of the columns of each entry, on its last axis, or one for the whole:
            {"features/numeric": ["age", ...], "target": ["label"]}.
        spec: JSON, kept as it is; what the features are.
        metadata: JSON, kept as it is; class names, priors.
        overwrite: replace a store of other contents, or a damaged one, instead of refusing.
        verbose: how much to show, as of Keras: "auto", 0, 1 or 2.

    Returns:
        Whether a store of these contents was there, so that nothing was done.

    Raises:
        InvalidArgument: an argument is outside what is said above.
        SchemaMismatch: chunks differ in their entries.
        EmptySource: no split holds a row.
        StoreMismatch: the folder holds another store, finished or not; the message names the parts that differ.
        StoreLocked: another process writes there.
        StoreError: the operating system refuses; what is written stays, and the same call resumes.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from blocks.store.rows import Rows
        >>> def chunks(skip):
        ...     yield Rows({"numeric": np.arange(skip, 10, dtype="f4")[:, None]}, target=np.arange(skip, 10))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [write(folder, {"train": SplitPlan(chunks)}, fingerprint={"source": "ten rows"}) for _ in range(2)]
        [False, True]
    """
    folder, verbose = place(path), check_verbose(verbose)
    form = shard_format(format, layout, compression)
    key = write_key(
        splits, format, layout, compression, rows_per_shard, rows_per_chunk, columns, spec, metadata, fingerprint
    )
    if isinstance(folder, Remote) and not form.remote:
        raise InvalidArgument(f"{format} is written into a local folder; use format='tfrecord'. Received: '{folder}'.")
    workers = check_whole_number("workers", workers, 1)
    with explained(folder, StoreError):
        unfinished = (folder / manifest.JOURNAL).exists() or (folder / LOCK).exists()
        if (folder / manifest.NAME).exists() and not overwrite and not unfinished:
            # A finished store needs no lock, and may lie in a folder that cannot be written.
            if parts := differences_from_finished(key, _intact(folder)):
                raise mismatch(folder, parts, unfinished=False)
            return True
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            journal = _prepare(folder, key, overwrite)
            if journal is None:
                return True
            _write_missing(folder, journal, splits, workers, verbose)
            _finish(folder, journal, key)
    return False


def _intact(folder: Place) -> Manifest:
    content = manifest.load(folder)
    require_files(folder, content)
    return content


def _prepare(folder: Place, key: dict[str, Any], overwrite: bool) -> Journal | None:
    """Decide between nothing to do (None), resuming, starting and starting over; remove what a killed writer left."""
    journal = Journal(folder)
    finished = (folder / manifest.NAME).exists()
    if finished and not (overwrite and check(folder)):
        content = manifest.load(folder)
        parts = differences_from_finished(key, content)
        if not parts:
            journal.remove()
            _sweep(folder, {shard.file for shards in content.splits.values() for shard in shards})
            return None
        if not overwrite:
            raise mismatch(folder, parts, unfinished=False)
    # of a write that finished no shard nothing is lost
    begun = journal.key is not None and bool(journal.shards)
    if begun and not finished and (parts := differences_from_begun(key, journal.key or {})):
        if not overwrite:
            raise mismatch(folder, parts, unfinished=True)
        begun = False
    strange = [file.name for file in folder.iterdir() if _SHARD_FILE.fullmatch(file.name)]
    if strange and journal.key is None and not finished and not overwrite:
        raise StoreMismatch(
            f"'{folder}' holds files of the names that shards get ({min(strange)}), but neither a manifest nor "
            "a journal. "
            "They are left as they are. Choose another path, delete them, or pass overwrite=True."
        )
    if finished or not begun:
        journal.begin(key)
        (folder / manifest.NAME).unlink(missing_ok=True)
        durable.sync(folder)
    for split, shards in journal.shards.items():
        for index, shard in list(shards.items()):
            file = folder / shard.file
            if not file.exists() or file.stat().st_size != shard.bytes:
                journal.forget(split, index)
    _sweep(folder, {shard.file for shards in journal.shards.values() for shard in shards.values()})
    return journal


def _sweep(folder: Place, keep: set[str]) -> None:
    """Remove temporaries, and shards that nothing lists."""
    if isinstance(folder, Remote):
        durable.sweep_asides()
    files: list[Place] = list(folder.iterdir())
    for file in files:
        unlisted = _SHARD_FILE.fullmatch(file.name) and file.name not in keep
        if file.is_dir() and file.name.startswith(durable.TEMPORARY):
            durable.remove_tree(file)
        elif unlisted or file.name.startswith(durable.TEMPORARY):
            file.unlink()


def _write_missing(
    folder: Place, journal: Journal, splits: Mapping[str, SplitPlan], workers: int, verbose: Verbose
) -> None:
    done = sum(shard.rows for shards in journal.shards.values() for shard in shards.values())
    known = [plan.rows for plan in splits.values() if plan.rows is not None]
    total = sum(known) if len(known) == len(splits) else None
    try:
        with Progress("store", total, verbose, done=done) as bar, Pipeline(folder, workers, journal.add) as pipeline:
            for split, plan in splits.items():
                _write_split(pipeline, journal, split, plan, bar.advance)
    except KeyboardInterrupt:
        finished = sum(map(len, journal.shards.values()))
        announce(f"{folder}: interrupted; {finished} files are finished, and the same call resumes after them", verbose)
        raise


def _write_split(
    pipeline: Pipeline, journal: Journal, split: str, plan: SplitPlan, report: Callable[[int], object]
) -> None:
    """Pull the rows of the shards that are missing, one run of consecutive ones at a time."""
    done = dict(journal.shards.get(split, {}))
    index = 0
    while True:
        while index in done:
            if done[index].rows < journal.sizes["rows_per_shard"]:
                return
            index += 1
        stop = min((later for later in done if later > index), default=None)
        cutter = RowCutter(plan.chunks(index * journal.sizes.get("rows_per_shard", 0)))
        try:
            first = cutter.peek()
            if first is not None and not journal.entries:
                _describe(journal, first)
            cutter.expect(journal.entries)
            settings = _settings(journal)
            while index != stop:
                if cutter.peek() is None:
                    if stop is not None:
                        raise StoreMismatch(
                            f"The source of split '{split}' has fewer rows than when this store was begun. "
                            "Choose another path, delete the folder, or pass overwrite=True."
                        )
                    return
                rows = pipeline.write(split, index, settings, cutter, report)
                if rows < settings.rows_per_shard and stop is None:
                    return
                index += 1
        finally:
            cutter.close()


def _describe(journal: Journal, first: Mapping[str, Any]) -> None:
    key = journal.key or {}
    entries = describe(first, key["columns"])
    row = max(1, sum(mean_bytes(entry, first[entry.name]) for entry in entries))
    chunk = key["rows_per_chunk"] or max(1, min(MAX_CHUNK_ROWS, MAX_CHUNK_BYTES // row))
    shard = key["rows_per_shard"] or max(1, min(MAX_SHARD_ROWS, MAX_SHARD_BYTES // row) // chunk) * chunk
    journal.describe(entries, {"rows_per_chunk": chunk, "rows_per_shard": shard})


def _settings(journal: Journal) -> ShardSettings:
    key = journal.key or {}
    form = shard_format(key["format"], key["layout"], key["compression"])
    sizes = journal.sizes or {"rows_per_chunk": 1, "rows_per_shard": 1}
    return ShardSettings(form, key["compression"], entries=journal.entries, **sizes)


def _finish(folder: Place, journal: Journal, key: dict[str, Any]) -> None:
    if not journal.entries:
        journal.remove()
        raise EmptySource(f"A store needs at least one row. Received none from the splits {key['splits']}.")
    shards = {name: tuple(shard for _, shard in sorted(journal.shards.get(name, {}).items())) for name in key["splits"]}
    content = Manifest(
        **{name: key[name] for name in ("format", "layout", "compression", "spec", "metadata", "fingerprint")},
        rows_per_shard=journal.sizes["rows_per_shard"],
        rows_per_chunk=journal.sizes["rows_per_chunk"],
        entries=journal.entries,
        splits=shards,
    )
    durable.write_text(folder / manifest.NAME, content.to_text())
    journal.remove()


def repair(folder: Place, splits: Mapping[str, SplitPlan], workers: int = 2) -> list[str]:
    """Write the damaged shards of a finished store again, from the rows that it was made of.

    Args:
        folder: of a store whose manifest is intact.
        splits: where the rows come from, for the damaged splits at least.
        workers: threads that write, one shard each.

    Returns:
        The names of the files that were replaced.

    Raises:
        StoreMismatch: the rows are not those that the store was made of; the damaged file is left as it was.
        InvalidArgument: a damaged split has no plan.
    """
    content = manifest.load(folder)
    bad = [
        (split, index, shard)
        for split, shards in content.splits.items()
        for index, shard in enumerate(shards)
        if shard_problems(folder, content, shard)
    ]
    missing = sorted({split for split, _, _ in bad} - splits.keys())
    if missing:
        raise InvalidArgument(f"repair needs the source of every damaged split. Received none for: {missing}.")
    if not bad:
        return []
    with explained(folder, StoreError), locked(folder):
        for split, index, shard in bad:
            _rewrite(folder, content.settings, splits[split], split, index, shard, workers)
    return [shard.file for _, _, shard in bad]


def _rewrite(
    folder: Place, settings: ShardSettings, plan: SplitPlan, split: str, index: int, old: Shard, workers: int
) -> None:
    cutter = RowCutter(plan.chunks(index * settings.rows_per_shard))
    cutter.expect(settings.entries)
    aside = folder / f"{durable.TEMPORARY}repair"
    aside.mkdir(exist_ok=True)
    made: list[Shard] = []
    try:
        with Pipeline(aside, workers, lambda _split, _index, shard: made.append(shard)) as pipeline:
            if cutter.peek() is not None:
                pipeline.write(split, index, settings, cutter, lambda _rows: None)
        if made != [old]:
            raise StoreMismatch(
                f"The rows that split '{split}' gives now are not those that shard {old.file} was made of. "
                "The shard is left as it was. Restore the source, or write the store again with overwrite=True."
            )
        (aside / old.file).replace(folder / old.file)
        durable.sync(folder)
    finally:
        cutter.close()
        durable.remove_tree(aside)
