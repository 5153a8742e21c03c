"""Verify: prove that an exported SavedModel gives the bits that were computed offline, in a process without blocks."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.data import read
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch, StoreMismatch, warn
from blocks.export import replay
from blocks.export.export_manifest import TOLERANCE, TOLERANCES, damaged, read_manifest, sound
from blocks.export.savedmodel import read_parts, was_fitted
from blocks.features.sparse import as_batch_form
from blocks.features.spec import FeatureSpec
from blocks.files.regular_files import file_size
from blocks.offline.out_of_fold import features_out_of_fold
from blocks.offline.transform import Transform
from blocks.progress import Progress, Verbose, check_verbose
from blocks.targets import target_columns as targets

BATCH_SIZES = (1, 2, 3, 7, 8, 16, 1000)
SMALL_BATCH_ROWS = 1000
CHUNK_ROWS = 65_536
CHUNK_VALUES = 1 << 24


@dataclass
class Verification:
    """What `verify` found.

    Args:
        path: The SavedModel.
        features: For every feature, the number of rows whose bits differed, over all batch sizes; all must be 0.
        answers: For every answer, the largest difference, relative to the answer's largest size; for text, the share
            of rows that differ.
        rows: Rows that were replayed, by what they are of.
        batch_sizes: The batch sizes tried; 0 stands for all rows of a chunk at once.
        tolerance: What `answers` may reach; it follows `compute_dtype`. Features are exact whatever the dtype.
        compute_dtype: The least exact dtype that the core computes in.
        notes: What a reader should know.
    """

    path: str
    features: dict[str, int] = field(default_factory=dict)
    answers: dict[str, float] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    batch_sizes: tuple[int, ...] = (*BATCH_SIZES, 0)
    tolerance: float = TOLERANCE
    compute_dtype: str = "float32"
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no bit of a feature differs, and no answer by more than the tolerance."""
        return not any(self.features.values()) and all(gap <= self.tolerance for gap in self.answers.values())

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        sizes = ", ".join("all" if size == 0 else str(size) for size in self.batch_sizes)
        counts = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        bad = {name: count for name, count in self.features.items() if count}
        lines = [
            f"{self.path}: {'equal' if self.ok else 'DIFFERENT'}",
            f"  rows      {counts}, at batch sizes {sizes}, in a process without blocks",
            f"  features  {len(self.features)}, differing bits in {len(bad)}"
            + "".join(f"\n            {name}: {count:,} rows" for name, count in bad.items()),
        ]
        lines += [f"  answers   {name}: largest difference {gap:.3g}" for name, gap in self.answers.items()]
        lines.append(f"  tolerance {self.tolerance:.3g} of answers, which are computed in {self.compute_dtype}")
        return "\n".join([*lines, *(f"  note      {note}" for note in self.notes)])


@checked()
def verify(
    path: str | os.PathLike[str],
    source: Any = None,
    store: Any = None,
    *,
    small_batch_rows: int = SMALL_BATCH_ROWS,
    verbose: Verbose = "auto",
) -> Verification:
    """Replay golden rows, and any others, through a SavedModel in a fresh process that cannot import blocks.

    A SavedModel is a program, which TensorFlow runs with all that its user may do: verify and use exports of those
    alone whom you trust. What is proved is that two computations agree, not that either is harmless.

    The golden rows' features and answers were written by the process that exported. The source's features are computed
    here, by blocks' own layers; with a store's split, they are what was stored, but for features of blocks that use the
    target in the split that these were adapted on: by design its rows are encoded from others than themselves, so these
    are left out, and a note says so. Answers of a source are compared across batch sizes.

    Args:
        path: The export.
        source: Raw rows, anything that `blocks.read` takes, or None.
        store: The store's split that was made of these rows, or None.
        small_batch_rows: How many rows run at batch sizes below 1,000; all run at 1,000 and a chunk at once.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Returns:
        The report: `ok`, differing rows for each feature, differences for each answer; printable.

    Raises:
        InvalidArgument: `path` is no export of blocks.
        MalformedData: It is damaged.
        SchemaMismatch: The source lacks a column, or a store comes without its source.
        StoreMismatch: Store and source have different numbers of rows.
    """
    path, verbose = Path(path), check_verbose(verbose)
    preprocessor, head, spec = read_parts(path)
    dtype = read_manifest(path).get("compute_dtype", "float32")
    report = Verification(str(path), tolerance=TOLERANCES.get(dtype, TOLERANCE), compute_dtype=dtype)
    report.notes.append("serving_examples takes floats as float32 (tf.train.Example): not compared bit for bit")
    if not was_fitted(path):
        report.notes.append("the model was never fitted: its weights are random")
        warn("verify: this model was never fitted, its weights are random. Fit it, then export anew.")
    if store is not None and source is None:
        raise SchemaMismatch("A store is compared with the raw rows it was made of. Received: a store and no source.")
    golden = path / replay.ASSETS
    files = [golden / f"{name}.arrow" for name in ("golden_rows", "golden_features", "golden_answers")]
    count = _golden_rows(path, files, preprocessor, spec)
    with tempfile.TemporaryDirectory() as folder, _Child(path) as child:
        _collect(report, spec, child.run(files[0], files[1], files[2], _sizes(count, count)))
        report.rows["golden rows"] = count
        if source is not None:
            source = read(source)
            transform = Transform(preprocessor)
            apart = features_out_of_fold(preprocessor, store)
            if apart:
                report.notes.append(
                    f"{', '.join(apart)}: encoded out of fold in the store, since the model was adapted on these rows: "
                    "not compared with the export, which serves encodings from all folds"
                )
            done = 0
            with Progress("verify", source.estimated_rows(), verbose) as progress:
                for raw, features in _cases(source, transform, head, store):
                    rows, expected = Path(folder) / "rows.arrow", Path(folder) / "features.arrow"
                    replay.write_arrays(rows, raw)
                    replay.write_arrays(expected, {n: as_batch_form(values) for n, values in features.items()})
                    size = len(next(iter(raw.values())))
                    _collect(
                        report, spec, child.run(rows, expected, None, _sizes(size, small_batch_rows - done)), apart
                    )
                    done += size
                    progress.advance(size)
            report.rows["rows of the source" if store is None else "rows of the source and store"] = done
    return report


def _golden_rows(path: Path, files: Sequence[Path], preprocessor: Any, spec: FeatureSpec) -> int:
    """How many golden rows there are, of the model's columns and features; refused where they do not fit together."""
    counts: set[int] = set()
    for file, names in zip(files, (set(preprocessor.inputs), set(spec), None), strict=True):
        with sound(path, file.name):
            file_size(file)
            arrays = replay.read_arrays(file)
            if not arrays or (names is not None and arrays.keys() != names):
                raise InvalidArgument(f"it holds {', '.join(map(repr, arrays)) or 'nothing'}")
            counts |= {len(array) for array in arrays.values()}
            if len(counts) > 1 or 0 in counts:
                raise InvalidArgument("its rows are not as many as they should be")
    return counts.pop()


def _sizes(count: int, small: int) -> list[tuple[int, int]]:
    """Batch sizes with the number of rows to run at each, all rows at once (0) first."""
    sizes = [(0, count), *((size, min(count, small) if size < 1000 else count) for size in BATCH_SIZES)]
    return [(size, rows) for size, rows in sizes if rows > 0]


def _cases(
    source: Any, transform: Transform, head: Any, store: Any
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    columns = list(transform.inputs)
    values = sum(prod(raw.shape) for raw in transform.inputs.values())
    at_once = min(CHUNK_ROWS, max(CHUNK_VALUES // values, 1000))
    if store is None:
        for chunk in source.chunks(at_once, columns=columns, encoded=True):
            yield _raw(chunk, transform.inputs), transform(chunk)
        return
    stored = _Stored(store)
    for chunk in source.chunks(at_once, columns=list(dict.fromkeys([*columns, *head.targets])), encoded=True):
        usable = head.encode(targets.gather(chunk, head.target))[1]
        chunk = chunk.filter(pa.array(usable))
        if len(chunk):
            yield _raw(chunk, transform.inputs), stored.take(len(chunk))
    stored.end()


def _raw(chunk: pa.RecordBatch, inputs: Mapping[str, RawColumn]) -> dict[str, np.ndarray]:
    return {name: to_raw(chunk.column(name), raw, name) for name, raw in inputs.items()}


class _Stored:
    """A store split's features in order, in pieces of any size."""

    def __init__(self, split: Any) -> None:
        names = [entry.name for entry in split.entries if entry.name.startswith("features/")]
        self._chunks = (rows.features for rows in split.chunks(names))
        self._held: dict[str, Any] = {}

    def take(self, rows: int) -> dict[str, Any]:
        parts = [self._held] if self._held else []
        have = len(next(iter(self._held.values()))) if self._held else 0
        while have < rows:
            features = next(self._chunks, None)
            if features is None:
                raise StoreMismatch(f"The source has more rows than the store: {rows - have:,} more, or beyond.")
            parts.append(dict(features))
            have += len(next(iter(features.values())))
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self._held = {name: values[rows:] for name, values in joined.items()} if have > rows else {}
        return {name: values[:rows] for name, values in joined.items()}

    def end(self) -> None:
        if self._held or next(self._chunks, None) is not None:
            raise StoreMismatch("The store has more rows than the source that it is compared with.")


def _collect(report: Verification, spec: FeatureSpec, result: Mapping[str, Any], apart: Sequence[str] = ()) -> None:
    for of_size in result["features"].values():
        for entry, counts in of_size.items():
            # of a sparse entry there is a count for each place in a row, whatever column stands there
            names = (entry,) if spec[entry].sparse else spec[entry].names
            if spec[entry].window:  # a count for each feature of each value
                names *= len(counts) // len(names)
            for name, count in zip(
                names if len(names) == len(counts) else [names[0]] * len(counts), counts, strict=True
            ):
                report.features[name] = report.features.get(name, 0) + (0 if name in apart else count)
    for of_size in result["answers"].values():
        for name, gap in of_size.items():
            report.answers[name] = max(report.answers.get(name, 0.0), gap)


class _Child:
    """The process that replays: TensorFlow, NumPy and Arrow, and no blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
        environment.pop("PYTHONPATH", None)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            [sys.executable, "-P", replay.__file__, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )

    def run(
        self, rows: Path, features: Path | None, answers: Path | None, sizes: list[tuple[int, int]]
    ) -> dict[str, Any]:
        job = {
            "rows": str(rows),
            "features": str(features) if features else None,
            "answers": str(answers) if answers else None,
            "sizes": sizes,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self._log.seek(0)
            told = self._log.read().decode(errors="replace").strip()
            error = damaged(self._path, f"its replay ended early ({told.rpartition(chr(10))[2][:500]})")
            error.add_note(told)
            raise error
        with sound(self._path, "what its replay said"):
            return dict(json.loads(line))

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *error: Any) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()
