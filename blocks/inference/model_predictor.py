"""An inference graph that answers raw rows."""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa

from blocks.block import fingerprint, without_names
from blocks.features.sparse import as_batch_form
from blocks.inference.graph import InferenceGraph
from blocks.inference.predictor import to_numpy
from blocks.offline.transform import Transform
from blocks.targets.description import describe_heads

_IMAGE_BYTES = 2 << 20
"""Pixels that go through the core at once, at most: it makes some fifty times as much of them."""


class ModelPredictor:
    """An inference graph, ready to answer chunks by the preprocessor's fast path.

    Args:
        graph: The parts to predict with.
        transform: The preprocessor's fast path; made from the graph's preprocessor.
        batch_size: Rows that go through the core at once.
    """

    def __init__(self, graph: InferenceGraph, transform: Transform, batch_size: int = 8192) -> None:
        self._graph, self._transform, self._batch_size = graph, transform, batch_size

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns that the preprocessor reads."""
        return list(self._transform.inputs)

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk."""
        images = self._transform.spec.rows_of_images(_IMAGE_BYTES)
        size, at_once = min(self._batch_size, images or self._batch_size), self._transform.most_rows or len(chunk)
        parts = []
        for first in range(0, len(chunk), at_once):
            features = self._transform(chunk.slice(first, at_once))
            for start in range(0, min(at_once, len(chunk) - first), size):
                batch = {name: as_batch_form(values[start : start + size]) for name, values in features.items()}
                parts.append(to_numpy(self._graph.answers(batch)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def describe(self) -> dict[str, Any]:
        """The graph's digest and its heads."""
        return {"model": self._digest, "heads": describe_heads(self._graph.head)}

    @functools.cached_property
    def _digest(self) -> str:
        graph = self._graph
        digest = hashlib.blake2b(digest_size=16)
        chained = [block for chain in graph.chains.values() for block in chain]
        digest.update(fingerprint(graph.preprocessor, graph.head, *chained).encode())
        for layer in graph.core.layers:
            config = without_names(keras.saving.serialize_keras_object(layer))
            digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        for variable in graph.core.variables:
            digest.update(np.ascontiguousarray(variable).tobytes())
        return digest.hexdigest()

    def stages(self, head: str = "") -> list[tuple[str, "ModelPredictor"]]:
        """The graph with no postprocessor of a head, then with one more each time; named by the last block."""
        graph, found = self._graph, []
        chain = graph.chains[head]
        for count in range(len(chain) + 1):
            name = type(chain[count - 1] if count else graph.head.heads[head]).__name__
            parts = {**graph.chains, head: chain[:count]}
            part = InferenceGraph(graph.preprocessor, graph.core, graph.head, parts.get("", parts))
            found.append((name, ModelPredictor(part, self._transform, self._batch_size)))
        return found
