"""A road that answers raw rows."""

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
from blocks.heads import describe_heads
from blocks.inference.graph import Road
from blocks.inference.predictor import to_numpy
from blocks.offline.transform import Transform


class RoadPredictor:
    """A road, ready to answer chunks by the preprocessor's fast path.

    Args:
        road: The parts to predict with.
        transform: The preprocessor's fast path; made from the road's preprocessor.
        batch_size: Rows that go through the core at once.
    """

    def __init__(self, road: Road, transform: Transform, batch_size: int = 8192) -> None:
        self._road, self._transform, self._batch_size = road, transform, batch_size

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns that the preprocessor reads."""
        return list(self._transform.inputs)

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk."""
        features, size = self._transform(chunk), self._batch_size
        parts = [
            to_numpy(
                self._road.answers(
                    {name: as_batch_form(values[start : start + size]) for name, values in features.items()}
                )
            )
            for start in range(0, len(chunk), size)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def describe(self) -> dict[str, Any]:
        """The road's digest and its heads."""
        return {"model": self._digest, "heads": describe_heads(self._road.head)}

    @functools.cached_property
    def _digest(self) -> str:
        road = self._road
        digest = hashlib.blake2b(digest_size=16)
        chained = [block for chain in road.chains.values() for block in chain]
        digest.update(fingerprint(road.preprocessor, road.head, *chained).encode())
        for layer in road.core.layers:
            config = without_names(keras.saving.serialize_keras_object(layer))
            digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        for variable in road.core.variables:
            digest.update(np.ascontiguousarray(variable).tobytes())
        return digest.hexdigest()

    def stages(self, head: str = "") -> list[tuple[str, "RoadPredictor"]]:
        """The road with no postprocessor of a head, then with one more each time; named by the last block."""
        road, found = self._road, []
        chain = road.chains[head]
        for count in range(len(chain) + 1):
            name = type(chain[count - 1] if count else road.head.heads[head]).__name__
            parts = {**road.chains, head: chain[:count]}
            part = Road(road.preprocessor, road.core, road.head, parts.get("", parts))
            found.append((name, RoadPredictor(part, self._transform, self._batch_size)))
        return found
