"""The rules of preprocessors: learning, odd values, the offline path."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data import read
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.data.raw_columns import MISSING_INT
from blocks.errors import BlocksError, NotAdapted
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.statistics import Statistic
from blocks.testing.rules import refused, require, rule, same, same_state
from blocks.testing.sample_rows import (
    CHUNKS,
    EAGER_SIZES,
    ROWS,
    Case,
    Options,
    batched,
    call,
    length,
    repeat,
    signature,
    unlearned,
)

ODD_ROWS = 48


def preprocessor_case(block: Preprocessor, data: Any, options: Options) -> Case:
    """The block adapted on its column or columns, after the rules of learning."""
    if isinstance(block, Columns):
        return _columns_case(block, data, options)
    several = isinstance(data, tuple)
    parts = data if several else (data,)
    arrow = {f"x{i}" if several else "x": repeat(to_arrow(values)) for i, values in enumerate(parts)}
    with rule(block, "raw_column takes the columns' types, and refuses what the block has no use for"):
        for name, values in arrow.items():
            block.raw_column(values.type, name)
    # what a block learns from the target too is no matter of columns alone: it comes adapted
    if block.learns and not block.uses_target:
        _check_learning(block, arrow, options)
    adapted = block.copy() if block.adapted else _adapted(block, arrow)
    return Case(adapted, _raw(block, arrow), arrow)


def _columns_case(block: Columns, data: Any, options: Options) -> Case:
    table = read(data).to_table()
    table = table.take(np.arange(max(len(table), ROWS)) % len(table)).combine_chunks()

    def learn(rows: int) -> Columns:
        fresh = Columns.from_config({**block.get_config(), "raw": None})
        adapt(fresh, None, read(pa.Table.from_batches(table.to_batches(max_chunksize=rows))), verbose=0)
        return fresh

    adapted = block.copy() if block.adapted else learn(len(table))
    with rule(block, "adapting twice changes nothing"):
        same_state((learn(len(table)) if block.adapted else adapted).state, learn(len(table)).state)
    arrow = {name: table.column(name).combine_chunks() for name in adapted.inputs}
    raw = {name: to_raw(arrow[name], column, name) for name, column in adapted.inputs.items()}
    return Case(adapted, raw, arrow)


def _check_learning(block: Preprocessor, columns: Mapping[str, pa.Array], options: Options) -> None:
    fresh = unlearned(block)
    rows = len(next(iter(columns.values())))
    with rule(block, "use before adapt is refused with NotAdapted"):
        require(not fresh.adapted, "a fresh block that calls itself adapted")
        with refused(NotAdapted, otherwise="an answer"):
            call(fresh, _raw(block, columns))
    with rule(block, "statistics() gives new statistics each time"):
        one, other = fresh.statistics(), fresh.statistics()
        require(not any(one[name] is other[name] for name in one), "one twice")
    with rule(block, "learn changes nothing: restore does"):
        whole = fresh.learn(_observed(block, [columns]))
        require(not fresh.adapted and not fresh.state, "a block that learn has adapted")
    with rule(block, "adapting twice changes nothing"):
        again = _adapted(block, columns)
        same_state(whole, again.state)
        again.restore(again.learn(_observed(again, [columns])))
        same_state(whole, again.state)
    for size in CHUNKS:
        with rule(block, f"adapting in chunks (here of {size}) gives what adapting at once gives"):
            chunks = [_slice(columns, start, size) for start in range(0, rows, size)]
            same_state(whole, fresh.learn(_observed(block, chunks)), options.chunk_tolerance)
    with rule(block, "merged statistics of parts teach what the whole teaches, in either order"):
        parts = [_slice(columns, 0, rows // 2), _slice(columns, rows // 2, rows)]
        for order in (1, -1):
            first, second = (_observed(block, [part]) for part in parts[::order])
            for name, statistic in first.items():
                statistic.merge(second[name])
            same_state(whole, fresh.learn(first), options.chunk_tolerance)
    with rule(block, "missing and infinite values spoil no statistic: what is learned stays finite"):
        odd = {name: pa.array(_odd(values.type), values.type) for name, values in columns.items()}
        odd = {name: values.take(pa.array(np.arange(4) % len(values))) for name, values in odd.items()}
        for name, value in fresh.learn(_observed(block, [columns, odd])).items():
            require(value.dtype.kind != "f" or bool(np.isfinite(value).all()), f"{name} = {value}")
    with rule(block, "a column with no value at all is refused with an error of blocks, or gives usable features"):
        try:
            empty = _adapted(block, {name: pa.nulls(8, values.type) for name, values in columns.items()})
        except BlocksError:
            pass
        else:
            _require_features(empty, call(empty, _raw(block, columns)), options.finite)
    with rule(block, "a constant column gives usable features"):
        firsts = {name: values.drop_null().slice(0, 1) for name, values in columns.items()}
        constant = {name: values.take(pa.array([0] * 8)) for name, values in firsts.items()}
        learned = _adapted(block, constant)
        _require_features(learned, call(learned, _raw(block, constant)), options.finite)


def _raw(block: Preprocessor, columns: Mapping[str, pa.Array]) -> Any:
    """Columns as they enter the block: one array, or a tuple."""
    raw = tuple(to_raw(values, block.raw_column(values.type, name), name) for name, values in columns.items())
    return raw[0] if len(raw) == 1 else raw


def _observed(block: Preprocessor, chunks: Sequence[Mapping[str, pa.Array]]) -> dict[str, Statistic]:
    """The block's statistics of chunks of columns."""
    return block.observe_all(block.column_chunk(tuple(chunk.values())) for chunk in chunks)


def _adapted(block: Preprocessor, columns: Mapping[str, pa.Array]) -> Any:
    """A fresh block after `adapt` over a source."""
    fresh, names = unlearned(block), tuple(columns)
    adapt(Columns({names[0] if len(names) == 1 else names: fresh}), None, read(dict(columns)), verbose=0)
    return fresh


def _slice(columns: Mapping[str, pa.Array], start: int, size: int) -> dict[str, pa.Array]:
    return {name: values.slice(start, size) for name, values in columns.items()}


def _odd(type: pa.DataType) -> list[Any]:
    return [None, float("nan"), float("inf"), -float("inf")] if pa.types.is_floating(type) else [None]


def check_odd_values(case: Case, options: Options) -> None:
    """Missing, infinite, extreme and unseen values among usual ones."""
    block = case.block
    with rule(block, "missing, infinite and unseen values become finite features (or finite=False)"):
        odd = odd_rows(block, case.rows)
        _require_features(block, call(block, odd), options.finite)
    with rule(block, "a row's features do not depend on the other rows of its batch"):
        usual = keras.tree.map_structure(lambda value: value[:24], case.rows)
        mixed = keras.tree.map_structure(lambda one, other: np.concatenate([one, other]), usual, odd)
        whole = call(block, mixed)
        same(call(block, usual), keras.tree.map_structure(lambda value: value[: length(usual)], whole))
        function = tf.function(lambda values: block(values), input_signature=[signature(mixed)])
        for size in (1, 7, 8, 17):
            same(whole, batched(function, mixed, size), 0.0, f"odd values at batch size {size}")
    if any(value.dtype == np.float64 for value in keras.tree.flatten(case.rows)) and not isinstance(block, Columns):
        with rule(block, "columns of float32 are computed in float64 too, so the batch size does not matter"):
            narrow = keras.tree.map_structure(lambda value: value[:18].astype("f4"), case.rows)
            for size in EAGER_SIZES:
                same(call(block, narrow), batched(block, narrow, size), 0.0, f"at batch size {size}")


def check_offline(case: Case) -> None:
    """What fills a store, `Transform`, against the layer that is exported."""
    block, arrow = case.block, case.columns
    assert arrow is not None
    with rule(
        block, "the offline path (blocks.offline.transform) gives the layer's bits, nulls and dictionaries included"
    ):
        rows = {name: pa.concat_arrays([values, pa.nulls(3, values.type)]) for name, values in arrow.items()}
        columns: Any = block
        if not isinstance(block, Columns):
            names = tuple(rows)
            columns = Columns({names[0] if len(names) == 1 else names: block.copy()})
            columns.bind(pa.schema([(name, values.type) for name, values in rows.items()]))
        raw = {name: to_raw(rows[name], column, name) for name, column in columns.inputs.items()}
        expected = call(columns, raw)
        transform = Transform(columns)
        coded = {n: v.dictionary_encode() if pa.types.is_string(v.type) else v for n, v in rows.items()}
        for form in (rows, coded):
            same(expected, transform(pa.record_batch(form)), 0.0)
        found = [transform(pa.record_batch(rows).slice(start, 7)) for start in range(0, len(raw[next(iter(raw))]), 7)]
        same(expected, {name: np.concatenate([part[name] for part in found]) for name in expected}, 0.0, "in chunks")
        if not isinstance(block, Columns):
            alone = tuple(raw.values())
            features = call(block, alone if len(alone) > 1 else alone[0])
            packed = next(iter(expected.values()))
            same(features, packed if features.ndim == packed.ndim else packed[:, 0], 0.0, "packed by Columns")


def odd_rows(block: Any, rows: Any) -> Any:
    """Rows of missing, extreme and unseen values."""
    if isinstance(block, Columns):
        first = {column: lane.blocks[0] for lane in block.lanes for column in lane.columns}
        return {name: _odd_column(first[name], values, place) for place, (name, values) in enumerate(rows.items())}
    if isinstance(rows, tuple):
        return tuple(_odd_column(block, values, place) for place, values in enumerate(rows))
    return _odd_column(block, rows, 0)


def _odd_column(block: Preprocessor, values: np.ndarray, place: int) -> np.ndarray:
    dtype = "string" if values.dtype == object else values.dtype.name
    extremes: dict[str, list[Any]] = {"string": [""], "int64": [MISSING_INT, -1, np.iinfo(np.int64).max]}
    odd = extremes.get(dtype, [float("nan"), float("inf"), -float("inf"), 1e30, 1e-40, -1e-40])
    odd = [*odd, *Preprocessor.examples(block, dtype), *block.examples(dtype)]
    # each column at its own pace, so that odd values meet others
    picked = [odd[(place + row * (1 + place)) % len(odd)] for row in range(ODD_ROWS)]
    return np.array(picked, values.dtype)


def _require_features(block: Any, features: Any, finite: bool) -> None:
    """Features as `outputs`, `entry` or `spec` declare them."""
    if isinstance(block, Columns):
        spec = block.spec
        require(list(features) == list(spec), f"entries {list(features)}, declared {list(spec)}")
        declared = {name: (entry.shape, entry.dtype, entry.features) for name, entry in spec.items()}
    else:
        entry, outputs = block.entry("x", ("x",)), block.outputs("x", ("x",))
        dtype = "float32" if outputs[0].cardinality is None else "int32"
        shape: tuple[int | None, ...] = (len(outputs),) if len(outputs) > 1 else ()
        declared = {
            "x": (shape, dtype, tuple(outputs)) if entry is None else (entry.shape, entry.dtype, entry.features)
        }
        features = {"x": features}
    for name, (shape, dtype, columns) in declared.items():
        values = features[name]
        found = f"{values.dtype.name} {values.shape[1:]}, declared {dtype} {shape}"
        fits = len(values.shape) == 1 + len(shape) and all(
            size in (None, have) for size, have in zip(shape, values.shape[1:], strict=True)
        )
        require(values.dtype == dtype and fits, found)
        if dtype == "float32" and finite:
            bad = values[~np.isfinite(values)]
            require(not len(bad), f"{bad[:1]} in {name!r}")
        if dtype == "int32":
            flat = values.reshape(len(values), -1)
            for position in range(flat.shape[1]):
                top = columns[position if len(columns) > 1 else 0].cardinality
                ids = flat[:, position]
                bad = ids[(ids < 0) | (ids >= top)]
                require(not len(bad), f"id {bad[:1]} of {top}")
