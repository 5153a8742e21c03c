"""Replay: run an exported SavedModel where blocks cannot be imported, and compare bits. Imports nothing of blocks.

`verify` runs this file as a program of its own. It takes one job a line (JSON) on standard input and writes one result
a line on standard output. A job names a file of raw rows and files of what they must give.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ASSETS = "assets.extra/blocks"
KEYWORDS = "keywords"
"""Where a manifest says which keywords signatures have in Python for columns whose names can be none."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays of equal length as one Arrow IPC file; rows of several values become lists of fixed size."""
    columns = {}
    for name, array in arrays.items():
        flat = pa.array(array.reshape(-1), pa.binary() if array.dtype == object else None)
        for size in reversed(array.shape[1:]):
            flat = pa.FixedSizeListArray.from_arrays(flat, size)
        columns[name] = flat
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote."""
    with pa.OSFile(str(path), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)  # an offset beyond the end would be followed
        table = table.combine_chunks()
    arrays = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        values: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        shape = [len(values)]
        while pa.types.is_fixed_size_list(values.type):
            shape.append(values.type.list_size)
            values = values.flatten()
        # bits must survive, so no masked or converted copy: there are no nulls
        arrays[name] = values.to_numpy(zero_copy_only=False).reshape(shape)
    return arrays


def differing(expected: np.ndarray, found: np.ndarray) -> list[int]:
    """For each column, the number of rows whose bits differ."""
    expected, found = _as_long([expected, found])
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return [max(len(expected), 1)] * int(np.prod(expected.shape[1:], dtype=int) or 1)
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    unequal = np.ascontiguousarray(expected).view(bits) != np.ascontiguousarray(found).view(bits)
    return [int(n) for n in unequal.reshape(len(expected), -1).sum(axis=0)]


def distance(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest difference of an answer, relative to its largest size; for text, the share of rows that differ."""
    if expected.shape != found.shape:
        return float("inf")
    if expected.dtype.kind not in "fiu":
        return float(np.mean(expected != found)) if len(expected) else 0.0
    wide, other = expected.astype(np.float64), found.astype(np.float64)
    same = (wide == other) | (np.isnan(wide) & np.isnan(other))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(wide - other))
    size = np.abs(wide[np.isfinite(wide)]).max(initial=np.finfo(np.float64).tiny)
    return float("inf") if np.isnan(gap).any() else float(gap.max() / size)


class _Signature:
    """A signature, called with the columns of a dtype and shape as one array: an argument in Python costs 40 us."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._kinds: dict[tuple[str, tuple[int, ...]], list[str]] = {}
        self._together: Any = None

    def _trace(self, rows: Mapping[str, np.ndarray]) -> None:
        import tensorflow as tf

        for name, values in rows.items():
            self._kinds.setdefault((values.dtype.name, values.shape[1:]), []).append(name)
        names = [name for of_kind in self._kinds.values() for name in of_kind]

        def together(*arrays: Any) -> Any:
            columns = [column for array in arrays for column in tf.unstack(array)]
            return self._function(**dict(zip(names, columns, strict=True)))

        signature = [
            tf.TensorSpec((len(of_kind), None, *shape), tf.string if dtype == "object" else dtype)
            for (dtype, shape), of_kind in self._kinds.items()
        ]
        self._together = tf.function(together, input_signature=signature, autograph=False)

    def batched(self, rows: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
        """Outputs of all rows, `size` of them a call."""
        import tensorflow as tf

        if self._together is None:
            self._trace(rows)
        arrays = [np.stack([rows[name] for name in names]) for names in self._kinds.values()]
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, arrays[0].shape[1], size):
            found = self._together(*(tf.constant(array[:, start : start + size]) for array in arrays))
            parts.append({name: value.numpy() for name, value in found.items()})
        return {name: np.concatenate(_as_long([part[name] for part in parts])) for name in parts[0]}


def _as_long(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Rows of pairs, (rows, most, 2), filled up with the zeros in which they end, to the same length; others as is."""
    if any(array.ndim != 3 or array.shape[2] != 2 for array in arrays):
        return arrays
    most = max(array.shape[1] for array in arrays)
    return [np.pad(array, ((0, 0), (0, most - array.shape[1]), (0, 0))) for array in arrays]


def keywords(manifest: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as an export's signatures take them in Python."""
    renamed = manifest.get(KEYWORDS, {})
    return {renamed.get(name, name): values for name, values in columns.items()}


def _serve(path: str) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    transform, serve = (_Signature(loaded.signatures[name]) for name in ("transform_features", "serve"))
    manifest = json.loads(Path(path, ASSETS, "manifest.json").read_text())
    for line in sys.stdin:
        job = json.loads(line)
        rows = read_arrays(Path(job["rows"]))
        expected = read_arrays(Path(job["features"])) if job["features"] else None
        answers = read_arrays(Path(job["answers"])) if job["answers"] else None
        result: dict[str, Any] = {"features": {}, "answers": {}}
        for size, most in job["sizes"]:
            part = keywords(manifest, {name: values[:most] for name, values in rows.items()})
            count = len(next(iter(part.values())))
            found = transform.batched(part, size or count)
            expected = found if expected is None else expected
            result["features"][str(size)] = {
                name: differing(values[:most], found[name]) if name in found else [count]
                for name, values in expected.items()
            }
            found = serve.batched(part, size or count)
            answers = found if answers is None else answers
            result["answers"][str(size)] = {
                name: distance(values[:most], found[name]) if name in found else float("inf")
                for name, values in answers.items()
            }
        print(json.dumps(result), flush=True)


class _NoBlocks:
    """An import hook that keeps blocks out, also where it is installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "blocks":
            raise ImportError("replay runs without blocks")


if __name__ == "__main__":
    sys.meta_path.insert(0, _NoBlocks())
    _serve(sys.argv[1])
