"""Estimators: scikit-learn's, as baselines of a model on the same features.

They hold the features that they learn from in memory: of more rows than `max_rows` they take a seeded sample. Numbers,
windows and ids are what they see; other entries (tokens, images) they do not.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from blocks.arguments import checked
from blocks.baselines.judging import judged
from blocks.block import Head
from blocks.classifiers import Softmax
from blocks.errors import InvalidArgument, warn
from blocks.features.spec import CATEGORICAL, NUMERIC, FeatureSpec
from blocks.offline.transform import Transform
from blocks.regressors import Mean
from blocks.store import Rows
from blocks.targets.description import describe_heads
from blocks.training import defaults
from blocks.training.training_rows import training_rows

MAX_ROWS = 1_000_000
MAX_CATEGORIES = 255
"""Ids of more kinds than this are numbers to the boosted trees, whose bins are this many."""


class Baseline:
    """A fitted scikit-learn estimator in the role of a model: `predict` and `evaluate`, by `blocks.Model`'s names.

    `constant`, `linear` and `boosted` make it. It answers rows wherever a model does: in `blocks.evaluate`, and in
    `blocks.compare` as it is.

    Args:
        estimator: Fitted on packed features as one matrix, and encoded targets.
        head: Adapted; encodes targets, names answers, and knows loss and metrics.
        spec: What the features are.
        transform: Raw columns to features; None where only a store's splits can be judged.
        learned: A digest of what it was fitted on, and how.
    """

    def __init__(
        self, estimator: Any, head: Head, spec: FeatureSpec, transform: Transform | None, learned: str = ""
    ) -> None:
        self.estimator = estimator
        self.head = head
        self.spec = spec
        self._transform = transform
        self._learned = learned

    @property
    def inputs(self) -> list[str]:
        """The raw columns that it reads.

        Raises:
            InvalidArgument: As of `predict`.
        """
        return list(self._transform_of_rows().inputs)

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk of rows."""
        return self.predict(pa.Table.from_batches([chunk]))

    def describe(self) -> dict[str, Any]:
        """What it was fitted on, as a digest, and its head."""
        return {"model": self._learned, "heads": describe_heads(self.head)}

    def predict(self, data: Any) -> dict[str, np.ndarray]:
        """Answers by name, (rows, ...) each.

        Args:
            data: A store's split, or rows (anything that `blocks.read` takes).

        Raises:
            InvalidArgument: Rows, and the baseline was fitted on a store without a preprocessor.
        """
        parts = [self._predictions(rows) for rows in training_rows(data).encoded(None, self._transform_of_rows)]
        return {name: np.asarray(values) for name, values in self.head.answer(np.concatenate(parts)).items()}

    def evaluate(self, data: Any) -> dict[str, float]:
        """Loss and metrics by name, as `Model.evaluate` gives them.

        Args:
            data: A store's split, or rows (anything that `blocks.read` takes).

        Raises:
            InvalidArgument: Rows, and the baseline was fitted on a store without a preprocessor.
        """
        rows = _joined(training_rows(data).encoded(self.head, self._transform_of_rows))
        predictions = self._predictions(rows)
        return judged(self.head, predictions, rows.target, rows.weight)

    def _transform_of_rows(self) -> Transform:
        if self._transform is None:
            raise InvalidArgument(
                "The baseline was fitted on a store's features. Received: rows. Give it a store's split, or fit it "
                "with preprocessor=model.preprocessor."
            )
        return self._transform

    def _predictions(self, rows: Rows) -> np.ndarray:
        """What a core would give: probabilities of every class, or numbers in the target's unit."""
        matrix = _matrix(rows.features, self.spec)
        if not isinstance(self.head, Softmax):
            return np.asarray(self.estimator.predict(matrix), np.float64)
        found = self.estimator.predict_proba(matrix)
        probabilities = np.zeros((len(matrix), len(self.head.classes)), np.float32)
        probabilities[:, self.estimator.classes_] = found
        return probabilities

    def __repr__(self) -> str:
        return f"<Baseline {self.estimator!r:.80} of {', '.join(self.head.targets)}>"


@checked()
def constant(data: Any, head: Head, **options: Any) -> Baseline:
    """The classes' shares, or the target's mean, whatever the features.

    Args:
        data: As of `boosted`, and so are the head and the options.
        head: A `Softmax` or a `Mean`.
        options: `preprocessor`, `seed` and `max_rows`.

    Example:
        >>> from blocks import regressors
        >>> rows = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 9.0]}
        >>> constant(rows, regressors.Mean("y")).predict({"x": [7.0]})["prediction"]
        array([5.])
    """
    made = {True: DummyClassifier(strategy="prior"), False: DummyRegressor()}
    return _fitted(lambda classes, spec, seed: made[classes], data, head, **options)


@checked()
def linear(data: Any, head: Head, **options: Any) -> Baseline:
    """Logistic regression or ridge regression, on standardised numbers and ids as indicators.

    Args:
        data: A store's split, or rows (anything that `blocks.read` takes), to learn from.
        head: A `Softmax` or a `Mean`; adapted or not.
        options: As of `boosted`.

    Example:
        >>> from blocks import regressors
        >>> rows = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]}
        >>> linear(rows, regressors.Mean("y")).evaluate(rows)["mean_absolute_error"] < 1
        True
    """

    def make(classes: bool, spec: FeatureSpec, seed: int) -> Any:
        numbers, ids = _places(spec)
        indicators = OneHotEncoder(handle_unknown="ignore", dtype=np.float32)
        columns = make_column_transformer((StandardScaler(), numbers), (indicators, ids))
        return make_pipeline(columns, LogisticRegression(max_iter=1000) if classes else Ridge())

    return _fitted(make, data, head, **options)


@checked()
def boosted(
    data: Any, head: Head, *, preprocessor: Any = defaults.AUTO, seed: int = 0, max_rows: int = MAX_ROWS
) -> Baseline:
    """Scikit-learn's histogram-based gradient boosted trees with its own defaults; ids are categories to them.

    Args:
        data: A store's split, or rows (anything that `blocks.read` takes), to learn from.
        head: A `Softmax` or a `Mean`; adapted or not.
        preprocessor: For rows: a `Columns`, or "auto" for `Columns.infer`. For a store's split: the model's, where rows
            are to be predicted too.
        seed: Decides the sample, and what the estimator draws.
        max_rows: Rows that are held in memory, at most.

    Raises:
        InvalidArgument: The head is another, or the features are neither numbers nor ids.

    Example:
        >>> from blocks import classifiers
        >>> rows = {"x": [float(i) for i in range(80)], "label": ["no"] * 40 + ["yes"] * 40}
        >>> boosted(rows, classifiers.Softmax("label")).evaluate(rows)["accuracy"]
        1.0
    """

    def make(classes: bool, spec: FeatureSpec, seed: int) -> Any:
        ids = spec[CATEGORICAL].features if CATEGORICAL in spec else ()
        numbers, _ = _places(spec)
        few = [False] * len(numbers) + [(feature.cardinality or 0) <= MAX_CATEGORIES for feature in ids]
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        return kind(categorical_features=few if any(few) else None, random_state=seed)

    return _fitted(make, data, head, preprocessor=preprocessor, seed=seed, max_rows=max_rows)


def _fitted(
    make: Any, data: Any, head: Head, *, preprocessor: Any = defaults.AUTO, seed: int = 0, max_rows: int = MAX_ROWS
) -> Baseline:
    if not isinstance(head, Softmax | Mean):
        raise InvalidArgument(f"A baseline is of one Softmax or Mean. Received: {type(head).__name__}.")
    rows, head = training_rows(data), head.copy()
    columns, spec = rows.adapted(preprocessor, head)
    others = [entry for name, entry in spec.items() if name not in (NUMERIC, CATEGORICAL) and not entry.window]
    # a sparse entry has many names, and one column
    left_out = [" x ".join(entry.features[0].columns) if entry.sparse else entry.names[0] for entry in others]
    if len(left_out) == len(spec):
        raise InvalidArgument(f"Baselines learn from numbers and ids. Received: {', '.join(left_out)} alone.")
    if left_out:
        warn(f"Baselines leave out {', '.join(left_out)}.")
    estimator = make(isinstance(head, Softmax), spec, seed)
    transform = None if columns is None else Transform(columns)
    encoded = rows.encoded(head, Baseline(estimator, head, spec, transform)._transform_of_rows)
    chosen = _sampled(encoded, max_rows, seed)
    matrix = _matrix(chosen.features, spec)
    weight = {} if chosen.weight is None else {_weight_name(estimator): chosen.weight}
    learned = hashlib.blake2b(f"{sklearn.__version__} {estimator!r} {seed}".encode(), digest_size=16)
    for values in (matrix, chosen.target, *weight.values()):
        learned.update(np.ascontiguousarray(values).tobytes())
    estimator.fit(matrix, chosen.target, **weight)
    return Baseline(estimator, head, spec, transform, learned.hexdigest())


def _weight_name(estimator: Any) -> str:
    """A pipeline hands the weights to its last step."""
    return f"{estimator.steps[-1][0]}__sample_weight" if hasattr(estimator, "steps") else "sample_weight"


def _sampled(chunks: Iterator[Rows], most: int, seed: int) -> Rows:
    """The rows of chunks; of more than `most`, those that draw the smallest random numbers, in one pass."""
    random = np.random.default_rng(seed)
    gathered: list[Rows] = []
    drawn: list[np.ndarray] = []
    for rows in chunks:
        gathered.append(rows)
        drawn.append(random.random(len(rows)))
        if sum(map(len, drawn)) >= 2 * most:
            gathered, drawn = _smallest(gathered, drawn, most)
    if sum(map(len, drawn)) > most:
        gathered, _ = _smallest(gathered, drawn, most)
    return _joined(gathered)


def _smallest(chunks: list[Rows], drawn: list[np.ndarray], most: int) -> tuple[list[Rows], list[np.ndarray]]:
    """The rows that drew the `most` smallest numbers, in their order, and what they drew: as one chunk."""
    numbers = np.concatenate(drawn)
    chosen = np.sort(np.argpartition(numbers, most - 1)[:most])
    kept = {name: values[chosen] for name, values in _joined(chunks).flat().items()}
    return [Rows.from_flat(kept)], [numbers[chosen]]


def _joined(chunks: Iterable[Rows]) -> Rows:
    parts = [rows.flat() for rows in chunks]
    return Rows.from_flat({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _places(spec: FeatureSpec) -> tuple[list[int], list[int]]:
    """Which columns of the matrix are numbers, windows' values among them, and which ids."""
    numbers = len(spec[NUMERIC].features) if NUMERIC in spec else 0
    numbers += sum(math.prod(size or 1 for size in entry.shape) for entry in spec.values() if entry.window)
    ids = len(spec[CATEGORICAL].features) if CATEGORICAL in spec else 0
    return list(range(numbers)), list(range(numbers, numbers + ids))


def _matrix(features: Mapping[str, np.ndarray], spec: FeatureSpec) -> np.ndarray:
    """Numbers, then windows' values, then ids, as one matrix; missing numbers as 0."""
    windows = [name for name, entry in spec.items() if entry.window]
    parts = [np.nan_to_num(features[name]) for name in (NUMERIC, *windows, CATEGORICAL) if name in spec]
    return np.concatenate(
        [np.asarray(part, np.float32).reshape(len(part), math.prod(part.shape[1:])) for part in parts], axis=1
    )
