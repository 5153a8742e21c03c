"""Every public block, by the table of the contract: it goes into an ONNX file and answers there as here, or is refused.

The blocks that go are converted together, each with columns of its own, since a conversion costs seconds.
"""

import importlib
import os

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import preprocessors
from blocks.block import FeatureExtractor, Head, Preprocessor
from blocks.errors import NotExportable
from blocks.inference.graph import raw_tensors
from blocks.offline.adapt import adapt
from blocks.testing.postprocessor import AnswerChunk
from blocks.testing.preprocessor import _raw, to_arrow
from blocks.testing.trained import struct
from tests.test_contract import TABLE

REASON = "ml-blocks[onnx] is not installed"
onnxruntime = pytest.importorskip("onnxruntime", reason=REASON)
pytest.importorskip("tf2onnx", reason=REASON)
conversion = importlib.import_module("blocks.export.onnx_conversion")
onnx_file = importlib.import_module("blocks.export.onnx_file")
as_onnx = importlib.import_module("blocks.export.onnx_comparison").as_onnx

COUNT = 60
LOOSE = {
    "FTTransformer": 1e-5,
    "PatchTransformer": 1e-5,
    "TextTransformer": 1e-5,
    "Mean, log": 1e-5,
    "Mean, power": 1e-5,
    "Mean, several powers": 1e-5,
}
"""Beside 1e-6: of one whose sums are rounded otherwise at other batch sizes, in the contract too; and of powers of e,
which are as much as ten times as inexact as what they are of."""

REFUSED = {
    "Boolean, text": "StringStrip",
    "ConvNet": "Conv2D",
    "Columns": "StringToHashBucketFast",
    "Columns of text": "StaticRegexFullMatch",
    "Cross": "StringJoin",
    "Cross, hashed": "StringToHashBucketFast",
    "Distance": "Asin",
    "GeoGrid": "StringToHashBucketFast",
    "HashedNGrams": "StringNGrams",
    "HashedNGrams, counted": "StringNGrams",
    "Hashing": "StringToHashBucketFast",
    "Hashing, salted integers": "StringToHashBucketFast",
    "Image": "DatasetToSingleElement",
    "ImageMissing": "DatasetToSingleElement",
    "Length": "StringLength",
    "Length, bytes": "StringLength",
    "MultiHot": "StringSplitV2",
    "MultiHot, count": "StringSplitV2",
    "MultiHot, given": "StringSplitV2",
    "MultiHot, lists": "StringSplitV2",
    "Number": "StaticRegexReplace",
    "Number, comma": "StaticRegexReplace",
    "QuantileTransform, normal": "Ndtri",
    "Subword": "LookupTableFindV2",
    "TfIdf": "StringSplitV2",
    "TfIdf, n-grams": "StringNGrams",
    "TfIdf, sparse": "StringSplitV2",
    "Timestamp": "StaticRegexFullMatch",
    "Tokens": "StringSplitV2",
    "Tokens, given": "StringSplitV2",
    "Tokens, lists": "StringSplitV2",
    "Tokens, n-grams": "StringNGrams",
    "Vectors": "StringSplitV2",
    "Vectors, in order": "StringSplitV2",
    "Vocabulary, integers": "StringToHashBucketFast",
    "Vocabulary, limits": "StringToHashBucketFast",
}
"""What has no ONNX, and the operation by which it is refused."""

DOCUMENTED = {"Boolean, text": "Boolean` of words", "Vocabulary, limits": "Vocabulary` of several"}


class Graph:
    """Tensors by name to tensors by name."""

    def __init__(self, function, rows):
        self.function, self.rows = function, rows
        self.raw_signature = {
            name: tf.TensorSpec((None, *values.shape[1:]), values.dtype) for name, values in rows.items()
        }

    def __call__(self, columns):
        return self.function(columns)


def tiled(values):
    values = np.asarray(values)
    return tf.constant(values[np.arange(COUNT) % len(values)])


def as_columns(block, data):
    """A preprocessor, adapted, as `Columns` over sample rows; and these."""
    if isinstance(block, preprocessors.Columns):
        columns, rows = block, data
    else:
        given = data if isinstance(data, tuple) else (data,)
        rows = {f"c{place}": values for place, values in enumerate(given)}
        columns = preprocessors.Columns({tuple(rows) if len(given) > 1 else "c0": block})
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in rows.items()}
    source = blocks.read(
        pa.table({n: array.take(pa.array(np.arange(COUNT) % len(array))) for n, array in arrays.items()})
    )
    adapt(columns, None, source, verbose=0)
    return columns, raw_tensors(source.to_table(), columns)


def sample(name):
    """A block of the contract's table with its sample rows, as a graph."""
    make, data, _ = TABLE[name]
    block = make()
    if isinstance(block, Preprocessor) and block.uses_target:
        rows = {"c0": tiled(_raw(block, {"x": to_arrow(data)}))}
        return Graph(lambda columns: {"f": block(columns["c0"])}, rows)
    if isinstance(block, Preprocessor | preprocessors.Columns):
        columns, rows = as_columns(block, data)
        return Graph(lambda given: {f"f_{key}": value for key, value in columns(given).items()}, rows)
    if isinstance(block, FeatureExtractor):
        rows = {key: tiled(one) for key, one in (data if isinstance(data, dict) else {"x": data}).items()}
        given = (lambda columns: columns) if isinstance(data, dict) else (lambda columns: columns["x"])
        return Graph(lambda columns: {"out": block(given(columns), training=False)}, rows)
    if isinstance(block, Head):
        features, target = data
        if isinstance(target, dict):
            target = struct({key: to_arrow(values, key) for key, values in target.items()})
        else:
            target = to_arrow(target, block.targets[0])
        if not block.adapted:
            block.restore(block.learn(block.observe_all([target])))
        return Graph(lambda columns: block.answer(block(columns["x"], training=False)), {"x": tiled(features)})
    if isinstance(data, tuple):
        data, truth = data
        block.calibrate([AnswerChunk({key: np.asarray(one) for key, one in data.items()}, np.asarray(truth))])
    # what passes through is no answer of the block
    return Graph(
        lambda columns: {f"out_{key}": tf.identity(one) for key, one in block(dict(columns)).items()},
        {key: tiled(one) for key, one in data.items()},
    )


def together(graphs):
    """Graphs side by side, as one."""

    def answer(columns):
        found = {}
        for place, graph in enumerate(graphs):
            own = {key: columns[f"{place}:{key}"] for key in graph.rows}
            found |= {f"{place}:{key}:out": value for key, value in graph(own).items()}
        return found

    return Graph(
        answer, {f"{place}:{key}": one for place, graph in enumerate(graphs) for key, one in graph.rows.items()}
    )


@pytest.mark.proof
@pytest.mark.skipif("BLOCKS_ONNX" not in os.environ, reason="set BLOCKS_ONNX, as make proof does")
def test_what_goes_answers_as_it_does_here():
    names = [name for name in TABLE if name not in REFUSED]
    graph = together([sample(name) for name in names])
    expected = {key: value.numpy() for key, value in graph(graph.rows).items()}
    session = onnxruntime.InferenceSession(conversion.convert(graph).SerializeToString())
    fed, usable = as_onnx({key: value.numpy() for key, value in graph.rows.items()})
    assert usable.sum() > COUNT / 3  # all but those of bytes that are no UTF-8
    for size in (COUNT, 1):
        parts = []
        for start in range(0, int(usable.sum()), size):
            parts.append(session.run(list(expected), {key: one[start : start + size] for key, one in fed.items()}))
        for (key, whole), found in zip(expected.items(), map(np.concatenate, zip(*parts, strict=True)), strict=True):
            name = names[int(key.partition(":")[0])]
            whole = whole[usable]
            assert (found.shape, found.dtype) == (whole.shape, whole.dtype), name
            if whole.dtype.kind == "f":
                limit = LOOSE.get(name, 1e-6)
                np.testing.assert_allclose(found, whole, limit, limit, err_msg=f"{name} {key}")
            elif whole.dtype == object:
                assert [text.decode() for text in whole.reshape(-1)] == found.reshape(-1).tolist(), name
            else:
                np.testing.assert_array_equal(found, whole, err_msg=f"{name} {key}")


@pytest.mark.proof
@pytest.mark.skipif("BLOCKS_ONNX" not in os.environ, reason="set BLOCKS_ONNX, as make proof does")
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_onnx_is_refused_by_its_operation(name):
    with pytest.raises(NotExportable, match=rf"ONNX files hold .*\b{REFUSED[name]}\b"):
        conversion.convert(sample(name))


def test_the_documentation_names_all_that_is_refused():
    assert REFUSED.keys() < TABLE.keys()
    documented = " ".join(onnx_file.write_onnx.__doc__.split())
    for name in REFUSED:
        if not name.startswith("Columns"):
            assert f"`{DOCUMENTED.get(name, name.partition(',')[0])}" in documented, name
