"""TargetEncode: strings or integers to the mean of the target, with which no training row sees its own."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import keras
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
import tensorflow as tf

from blocks.block import ColumnChunk, Preprocessor, State, emit, usable
from blocks.data.arrow_types import is_number
from blocks.errors import BadTarget, InvalidArgument, NotAdapted
from blocks.features.spec import Feature
from blocks.preprocessors.categorical.joint_tokens import (
    classes_of_target,
    distinct_entries,
    joint_tokens,
    numbers_of_target,
    parts_of_tokens,
    ranked_values,
)
from blocks.preprocessors.categorical.token_table import (
    as_features,
    is_missing,
    label,
    lookup_table,
    pack,
    positions,
    size,
    unpack,
)
from blocks.preprocessors.float64 import check_choice
from blocks.statistics import Counts, Statistic, hash64
from blocks.statistics.statistic import MAX_WEIGHT

MAX_FOLDS: Final = 256
MAX_BYTES: Final = 1 << 28
"""Of (value, fold, class) triples while learning, where memory is not shared; half of it can be counted exactly."""

CLASS_BYTES: Final = 1 << 22
"""Of classes while learning: tens of thousands."""

MAX_CELLS: Final = 1 << 27
"""Of what is learned: distinct values times folds times features."""


@keras.saving.register_keras_serializable(package="blocks")
class TargetEncode(Preprocessor):
    """Each value to the target's mean over the rows with that value, drawn to the mean of all rows where these are few.

    For a value with `n` rows whose targets sum to `s`, and `prior` the mean of all rows: `(s + smoothing * prior) /
    (n + smoothing)`. A missing or unseen value becomes the prior. The target of two classes is 1 for the second (in
    ascending order) and 0; of more classes there is a feature for each, with 1 for it. Rows weigh one each; those whose
    target is missing or infinite are left out.

    The rows that were adapted on are encoded from other rows than themselves when a model is fitted on them or writes
    a store of them: each row has a fold, by a hash of its position in the source, and is encoded from the other folds,
    their prior included. All other rows, `predict` and the export are encoded from all folds. So features of training
    rows differ from served ones by design, which `verify` says.

    It stands at the end of a chain. It learns within the pass of `adapt`, from the target of the model's head; adapted
    alone it takes a pair, `adapt((values, target))`.

    Args:
        smoothing: How many rows the prior weighs, 0 or more.
        folds: Number of folds, 2 to 256.
        kind: "classes", "number", or "auto": classes where the head is a classifier or, alone, where the target is
            text or booleans.
        seed: Decides the folds.
        width: The number of features, which a reload says before the state is restored.

    Returns:
        float32 of shape (batch,), or (batch, classes) for three classes or more.

    Example:
        >>> block = TargetEncode(smoothing=1.0).adapt((["rome", "oslo", "rome", "rome"], [1.0, 0.0, 1.0, 0.0]))
        >>> block(np.array(["rome", "oslo", "paris", ""])).numpy()
        array([0.625, 0.25 , 0.5  , 0.5  ], dtype=float32)

    Source: Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes" (SIGKDD Explorations
    2001), the m-estimate; scikit-learn's `TargetEncoder(smooth=m)` computes the same.
    """

    categories = True
    accepts = ("text", "number")
    uses_target: ClassVar[bool] = True

    def __init__(
        self,
        *,
        smoothing: float = 10.0,
        folds: int = 5,
        kind: str = "auto",
        seed: int = 0,
        width: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("TargetEncode", "kind", kind, ("auto", "classes", "number"))
        if not 0 <= smoothing < np.inf or not 2 <= folds <= MAX_FOLDS or not 0 <= seed < 1 << 64:
            raise InvalidArgument(
                f"TargetEncode takes a finite smoothing >= 0, 2 to {MAX_FOLDS} folds, a seed from 0 to 2^64 - 1. "
                f"Received: smoothing={smoothing}, folds={folds}, seed={seed}."
            )
        self.smoothing = float(smoothing)
        self.folds = int(folds)
        self.kind = kind
        self.seed = int(seed)
        self.width = 1 if kind == "number" else width

    # -- learning ----------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Statistic]:
        """The classes' counts (none for a number), and those of value, fold and class or sign of the number."""
        return {"classes": Counts(CLASS_BYTES), "joint": Counts(MAX_BYTES)}

    def observe(self, statistics: dict[str, Statistic], chunk: ColumnChunk) -> None:
        """Count values by fold with the target of their rows."""
        values, target, rows = chunk.values, chunk.target, chunk.rows
        assert target is not None
        assert rows is not None
        if len(values) != len(target):
            raise InvalidArgument(
                f"TargetEncode takes a target for each value. Received: {len(values)} values, {len(target)} targets."
            )
        weights = None
        if self._takes_numbers(target.type):
            numbers = numbers_of_target(target)
            # beyond that no head uses a row either
            used = np.abs(numbers) <= MAX_WEIGHT
            # weights are never negative, so that negative targets are counted apart
            labels, label_of_row = np.arange(2, dtype=np.uint64), (numbers < 0).astype(np.int64)
            weights = np.abs(numbers)[used]
        else:
            statistics["classes"].update(target)
            labels, label_of_row, used = classes_of_target(target)
        entries, entry_of_row, integer = distinct_entries(values, self.name)
        code = (entry_of_row * self.folds + self._fold(rows)) * len(labels) + label_of_row
        coded = pa.array(code[used]).dictionary_encode()
        rest, which = np.divmod(coded.dictionary.to_numpy(), max(len(labels), 1))
        entry, fold = np.divmod(rest, self.folds)
        tokens = joint_tokens(entries.take(pa.array(entry)), integer, fold, labels[which])
        statistics["joint"].update(pa.DictionaryArray.from_arrays(coded.indices, tokens), weights)

    def _takes_numbers(self, target: pa.DataType) -> bool:
        if self.kind == "auto":
            return is_number(target) and not pt.is_dictionary(target) and not pt.is_boolean(target)
        return self.kind == "number"

    def _fold(self, rows: np.ndarray) -> np.ndarray:
        """Each row's fold, by its position in the source."""
        return (hash64(pa.array(rows), self.seed) % np.uint64(self.folds)).astype(np.int64)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The values by falling count; the number of rows and the sums of the target by fold, missing values last.

        Raises:
            EmptySource: No value, or no target, is there.
            BadTarget: There is one class only.
            InvalidArgument: There are more distinct values than memory is meant for.
        """
        joint, found = results["joint"].result(), results["classes"].result()
        for counted, what in ((found, "classes"), (joint, "distinct values by fold and class")):
            if not counted.exact:
                max_bytes = results["joint" if counted is joint else "classes"].parameters()["max_bytes"]
                self._too_many(counted.distinct, what, f"what fits in {max_bytes / (1 << 20):.3g} MiB")
        if found.total and len(found.values) < 2:
            raise BadTarget(
                f"TargetEncode learns from two classes or more. Received: {found.values.to_pylist()} alone."
            )
        usable(joint.total, "TargetEncode")
        heads, entries = parts_of_tokens(joint.values)
        coded = entries.dictionary_encode()
        entry_of_token = coded.indices.to_numpy()
        tokens, place = ranked_values(coded.dictionary, np.bincount(entry_of_token, joint.counts), heads)
        usable(len(tokens), "TargetEncode")
        classes = sorted(found.values.to_pylist())
        # of two classes the second says all
        features = 1 if len(classes) <= 2 else len(classes)
        if (cells := (len(tokens) + 1) * self.folds * features) > MAX_CELLS:
            self._too_many(cells, "distinct values times folds times classes", f"{MAX_CELLS:,} sums")
        counts = np.zeros((self.folds, len(tokens) + 1), np.int64)
        sums = np.zeros((*counts.shape, features))
        cell = (heads["fold"], place[entry_of_token])
        np.add.at(counts, cell, joint.counts)
        if not classes:
            np.add.at(sums[..., 0], cell, np.where(heads["label"] == 0, 1.0, -1.0) * joint.weights)
        else:
            hashes = hash64(pa.array(classes, found.values.type))
            order = np.argsort(hashes)
            class_of_token = order[np.searchsorted(hashes[order], heads["label"].astype(np.uint64))]
            feature = class_of_token - (len(classes) - features)
            counted = feature >= 0
            np.add.at(sums, (*(part[counted] for part in cell), feature[counted]), joint.counts[counted])
        names = json.dumps([_name(value) for value in classes])
        return {**pack(tokens), "counts": counts, "sums": sums, "classes": np.frombuffer(names.encode(), np.uint8)}

    def _too_many(self, number: int, what: str, limit: str) -> None:
        raise InvalidArgument(
            f"TargetEncode counts exactly, at most {limit}. Received: {number:,} {what}. Encode fewer values, with "
            "[Hashing(num_bins=...), TargetEncode()] for instance, by fewer folds, leave the column out if it "
            'identifies rows, or give more memory: model.adapt(..., memory="4GiB").'
        )

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)
        self.width = state["sums"].shape[2]
        self._held_out: np.ndarray | None = None
        encodings = self._smoothed(state["counts"].sum(axis=0), state["sums"].sum(axis=0))
        with tf.init_scope():
            self._encodings = tf.Variable(encodings, trainable=False)

    def _smoothed(self, counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Encodings (..., values + 1, features), the prior last, of counts (..., values + 1) and sums of some folds."""
        rows = counts.sum(axis=-1)[..., np.newaxis]
        # folds without a row know nothing: no class is likelier than another
        known_nothing = 1 / len(self.classes) if self.classes else 0.0
        prior = np.where(rows > 0, sums.sum(axis=-2) / np.maximum(rows, 1), known_nothing)[..., np.newaxis, :]
        weight = counts[..., np.newaxis] + self.smoothing
        encodings = np.where(weight > 0, (sums + self.smoothing * prior) / np.where(weight > 0, weight, 1.0), prior)
        encodings[..., -1:, :] = prior
        return encodings

    # -- use ---------------------------------------------------------------------------------------------------------

    def compute(self, values: Any) -> Any:
        """The encodings from all folds, float64."""
        return as_features(tf.gather(self._encodings, self.places(values)))

    def places(self, values: Any) -> Any:
        """Each value's place among the learned ones, int64; one past their end for a missing or unseen one."""
        found = positions(self._table, values, self.name)
        return tf.where((found < 0) | is_missing(values), np.int64(size(self.state)), found)

    def out_of_fold(self, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Features of rows that were adapted on, each from the folds that the row is not in.

        Args:
            places: (rows,) What `places` gave.
            rows: (rows,) The rows' positions in the source.

        Returns:
            float32 as the block emits it.
        """
        self.require_adapted()
        if self._held_out is None:
            others = 1.0 - np.eye(self.folds)
            state = self.state
            # sums over the other folds alone: what is taken off a sum again leaves a trace in its last bits
            counts, sums = (np.tensordot(others, state[name], axes=1) for name in ("counts", "sums"))
            self._held_out = np.asarray(emit(tf.constant(self._smoothed(counts, sums))))
        return np.asarray(as_features(self._held_out[self._fold(rows), places]))

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """One feature, or one for each class.

        Raises:
            NotAdapted: Their number is not known.
        """
        if self.width is None:
            raise NotAdapted(
                f"TargetEncode {self.name!r} has a feature for each class, and has not learned them. Adapt it before "
                "its features are asked for."
            )
        if self.width == 1:
            return [Feature(name, columns)]
        ends = self.classes if self.adapted else list(map(str, range(self.width)))
        return [Feature(f"{name}={end}", columns) for end in ends]

    @property
    def classes(self) -> list[str]:
        """The classes by name, in ascending order; none where the target is a number."""
        self.require_adapted()
        return list(json.loads(self.state["classes"].tobytes()))

    def examples(self, dtype: str) -> list[Any]:
        """The first values, and what is missing or unseen."""
        return [*unpack(self.state)[:16], *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "smoothing": self.smoothing,
            "folds": self.folds,
            "kind": self.kind,
            "seed": self.seed,
            "width": self.width,
        }


def _name(value: Any) -> str:
    return label(value.encode() if isinstance(value, str) else value)
