"""Export: an inference graph as one SavedModel of TensorFlow's own ops, and beside it what `verify` replays."""

import io
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks import classifiers, preprocessors, regressors  # noqa: F401  (read_parts finds every block by name)
from blocks.block import Head, fingerprint
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, NotExportable, warn
from blocks.export.adapted_rows_files import write_adapted_rows
from blocks.export.export_manifest import VERSION, read_manifest, sound
from blocks.export.packed_columns import PackedColumns
from blocks.export.replay import ASSETS, KEYWORDS, write_arrays
from blocks.export.signature_names import Inputs, inputs, restore_names
from blocks.features.spec import FeatureSpec
from blocks.files.durable import whole_folder
from blocks.files.regular_files import read_regular
from blocks.files.write_errors import explained
from blocks.inference.graph import InferenceGraph, raw_tensors
from blocks.inspection.adapted_rows import AdaptedRows
from blocks.targets.description import describe_heads

GOLDEN_ROWS = 24
MAX_STATE_BYTES = 4 << 30


def export(
    graph: InferenceGraph,
    path: str | os.PathLike[str],
    *,
    golden: Any = None,
    fitted: bool = True,
    rows: AdaptedRows | None = None,
) -> None:
    """Write a SavedModel that loads and answers where blocks is not installed.

    Signatures, each with inputs and outputs by name:

    - `serving_default` and `serve`: raw columns (batch,), of windows (batch, n), to answers, by their own names. Loaded
      in Python,
      `loaded.serve({"age": ..., ...})` of `loaded = tf.saved_model.load(path)` takes all names, where keywords cannot
      be all;
    - `transform_features`: raw columns to packed features;
    - `predict_features`: packed features to the head's answers, before postprocessors;
    - `serve_packed`: as `serve`, of columns packed into `numbers`, `integers` and `strings` (see
      `blocks.export.packed_columns`; the manifest says their order as "packed"), for callers who count microseconds;
    - `serving_examples`: `examples`, serialized `tf.train.Example`s (batch,), to answers. That format holds floats as
      float32 only, so float64 columns are rounded on their way in, and answers can differ from `serve`'s. A window is
      a list of as many floats.

    In `assets.extra/blocks` lie the schema, the features' specification, configurations, learned state, versions, and
    golden rows with the features and answers that they must give; and what was kept of the rows that the model was
    adapted on: `schema.json`, in TensorFlow Metadata's words, that requests are checked against
    (`blocks.inspection.schema.request_check`), how rows were split (in the manifest), and what drift is told from.

    Args:
        graph: The parts, adapted.
        path: The folder to write, which must not exist.
        golden: Rows (a dict of columns or a table) to keep as golden; by default made up from learned statistics, so
            that no row of anybody's data leaves with the model.
        fitted: Whether the core was trained; `verify` says so where it was not.
        rows: What was kept of the rows that the model was adapted on.

    Raises:
        InvalidArgument: The folder exists.
        NotExportable: TensorFlow cannot save a part.
        WriteError: The operating system, or another process that exports there, keeps it from being written.
    """
    final = Path(path)
    if final.exists():
        raise InvalidArgument(f"An export never overwrites. Received: {final}, which exists. Name a new version.")
    columns, entries = inputs(list(graph.raw_signature), "column"), inputs(list(graph.feature_signature), "entry")
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(final) as folder:
            module = _module(graph, columns, entries)
            try:
                tf.saved_model.save(module, str(folder), signatures=_signatures(module))
            except (ValueError, TypeError, AssertionError) as error:
                raise NotExportable(
                    f"Every part of a model is made of TensorFlow's own ops and tracked state. TensorFlow says: {error}"
                ) from error
            restore_names(folder, (columns, entries))
            examples = raw_tensors(golden, graph.preprocessor) if golden is not None else golden_rows(graph)
            kept = AdaptedRows() if rows is None else rows
            _write_assets(graph, examples, folder / ASSETS, manifest_of(graph, columns.renamed, fitted, kept))
            write_adapted_rows(kept, folder / ASSETS)
    if columns.renamed:
        told = ", ".join(f"{keyword} for {name!r}" for name, keyword in list(columns.renamed.items())[:5])
        more = f" and {len(columns.renamed) - 5} more" if len(columns.renamed) > 5 else ""
        warn(
            "export: as keywords of Python, TensorFlow's signatures cannot take some columns' names, and take "
            f"{told}{more}. Served, and by "
            "loaded.serve({...}) of loaded = tf.saved_model.load(path), all have their own."
        )


def _module(graph: InferenceGraph, of_columns: Inputs, of_entries: Inputs) -> tf.Module:
    """The graph's functions, with everything they reach held where TensorFlow finds it."""
    module = tf.Module()
    module.weights = [getattr(variable, "value", variable) for variable in graph.core.variables]
    module.resources = [
        resource for block in _parts(graph) for resource in vars(block).values() if _is_resource(resource)
    ]
    raw, features = graph.raw_signature, graph.feature_signature
    columns, entries = _under(raw, of_columns), _under(features, of_entries)
    module.serve = _named(lambda columns: graph(columns), columns)
    module.transform_features = _named(lambda columns: graph.features(columns), columns)
    module.predict_features = _named(lambda features: graph.predictions(features), entries)
    parsing = {name: _example_feature(spec) for name, spec in raw.items()}

    def serve_examples(columns: Mapping[str, Any]) -> dict[str, Any]:
        parsed = tf.io.parse_example(columns["examples"], parsing)
        return graph({name: tf.cast(parsed[name], spec.dtype) for name, spec in raw.items()})

    packed = _packed(graph)
    module.serve_packed = _named(lambda matrices: graph(packed.unpack(matrices)), packed.specs())
    module.serve_examples = _named(serve_examples, {"examples": tf.TensorSpec((None,), tf.string, name="examples")})
    return module


def _packed(graph: InferenceGraph) -> PackedColumns:
    return PackedColumns.of({name: (raw.dtype, raw.shape) for name, raw in graph.preprocessor.inputs.items()})


def _under(signature: Mapping[str, tf.TensorSpec], named: Inputs) -> dict[str, tf.TensorSpec]:
    """A signature by the inputs' own names, whose tensors are called by the stand-ins."""
    stand_ins = named.stand_ins
    return {name: tf.TensorSpec(spec.shape, spec.dtype, name=stand_ins[name]) for name, spec in signature.items()}


def _named(function: Any, signature: Mapping[str, tf.TensorSpec]) -> Any:
    return tf.function(function, input_signature=[dict(signature)], autograph=False)


def _signatures(module: Any) -> dict[str, Any]:
    return {
        "serving_default": module.serve,
        "serve": module.serve,
        "serve_packed": module.serve_packed,
        "transform_features": module.transform_features,
        "predict_features": module.predict_features,
        "serving_examples": module.serve_examples,
    }


def _parts(graph: InferenceGraph) -> Sequence[Any]:
    return [*graph.preprocessor.resources(), *(block for chain in graph.chains.values() for block in chain)]


def _is_resource(value: Any) -> bool:
    return isinstance(value, tf.Variable | tf.Module | tf.saved_model.experimental.TrackableResource)


def _example_feature(spec: tf.TensorSpec) -> tf.io.FixedLenFeature:
    if spec.dtype == tf.string:
        return tf.io.FixedLenFeature((), tf.string, "")
    if spec.dtype == tf.int64:
        return tf.io.FixedLenFeature((), tf.int64, MISSING_INT)
    return tf.io.FixedLenFeature(spec.shape[1:], tf.float32, np.full(spec.shape[1:], np.nan, np.float32).tolist())


def golden_rows(graph: InferenceGraph) -> dict[str, Any]:
    """Rows made up from what was learned: usual values, the ends, missing, infinite and unseen ones, in all columns."""
    rows: dict[str, Any] = {}
    readers: dict[str, list[Any]] = {}
    for lane in graph.preprocessor.lanes:
        for column in dict.fromkeys(lane.columns):
            readers.setdefault(column, []).append(lane.blocks[0])
    for position, (column, raw) in enumerate(graph.preprocessor.inputs.items()):
        form = RawColumn(raw.kind).form
        values = list(dict.fromkeys(value for block in readers[column] for value in block.examples(form))) or [""]
        # every column steps through its values at its own pace, so that odd values meet usual ones
        step = 1 + position % max(len(values) - 1, 1)
        count = GOLDEN_ROWS * math.prod(raw.shape)
        picked = [values[(position + place * step) % len(values)] for place in range(count)]
        rows[column] = tf.reshape(tf.constant(picked, raw.dtype), (GOLDEN_ROWS, *raw.shape))
    return rows


def _write_assets(graph: InferenceGraph, rows: Mapping[str, Any], folder: Path, manifest: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    features = graph.features(rows)
    answers = graph(rows)
    for name, arrays in (("golden_rows", rows), ("golden_features", features), ("golden_answers", answers)):
        write_arrays(folder / f"{name}.arrow", {key: value.numpy() for key, value in arrays.items()})
    state: dict[str, Any] = {name.replace("/", "|"): value for name, value in graph.preprocessor.state.items()}
    np.savez(folder / "state.npz", **state)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))


def manifest_of(graph: InferenceGraph, keywords: Mapping[str, str], fitted: bool, kept: AdaptedRows) -> dict[str, Any]:
    """What an export says of itself.

    Args:
        graph: The parts, adapted.
        keywords: What Python calls columns whose names no keyword can be.
        fitted: Whether the core was trained.
        kept: What was kept of the rows that the model was adapted on.
    """
    serialize = keras.saving.serialize_keras_object
    chains: Any = {name: [serialize(block) for block in chain] for name, chain in graph.chains.items()}
    return {
        "version": VERSION,
        "fitted": fitted,
        "splits": kept.splits,
        "schema": {name: spec.dtype.name for name, spec in graph.raw_signature.items()},
        "kinds": {name: raw.get_config() for name, raw in graph.preprocessor.inputs.items()},
        KEYWORDS: dict(keywords),
        "packed": _packed(graph).to_json(),
        "spec": graph.preprocessor.spec.to_json(),
        "preprocessor": serialize(graph.preprocessor),
        "head": serialize(graph.head),
        "heads": describe_heads(graph.head),
        "postprocessors": chains.get("", chains),
        "compute_dtype": _compute_dtype(graph.core),
        "fingerprints": {"preprocessor": fingerprint(graph.preprocessor), "head": fingerprint(graph.head)},
        "notes": {"serving_examples": "tf.train.Example holds floats as float32: float64 columns are rounded."},
        "versions": {
            "python": platform.python_version(),
            "pyarrow": pa.__version__,
            **{name: version(name) for name in ("ml-blocks", "tensorflow", "keras", "numpy")},
        },
    }


def was_fitted(path: str | os.PathLike[str]) -> bool:
    """Whether the core of an export was trained; True of exports that do not say."""
    return bool(read_manifest(path).get("fitted", True))


def _compute_dtype(core: keras.Model) -> str:
    """The least exact of the dtypes that layers compute in."""
    found = {layer.compute_dtype for layer in core._flatten_layers()}
    return next((dtype for dtype in ("bfloat16", "float16", "float32") if dtype in found), "float32")


def read_parts(path: str | os.PathLike[str]) -> tuple[Any, Any, FeatureSpec]:
    """The preprocessor and head of an export, adapted as they were, and the features' specification.

    Raises:
        InvalidArgument: The folder is no export of blocks.
        MalformedData: It is damaged.
    """
    manifest = read_manifest(path)
    parts = []
    for name, role in (("preprocessor", preprocessors.Columns), ("head", Head)):
        with sound(path, f"its {name}'s configuration"):
            part = keras.saving.deserialize_keras_object(manifest[name])
            if not isinstance(part, role):
                raise InvalidArgument(f"it is a {type(part).__name__}, no {role.__name__}")
            parts.append(part)
    preprocessor, head = parts
    with sound(path, "state.npz"):
        raw = io.BytesIO(read_regular(Path(path) / ASSETS / "state.npz", MAX_STATE_BYTES))
        with np.load(raw, allow_pickle=False) as state:
            preprocessor.restore({name.replace("|", "/"): state[name] for name in state.files})
    with sound(path, "its features' specification"):
        spec = FeatureSpec.from_json(manifest["spec"])
        if spec != preprocessor.spec:
            raise InvalidArgument("it is not what the preprocessor gives")
    return preprocessor, head, spec
