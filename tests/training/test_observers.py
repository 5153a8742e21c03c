"""Observers: told of every step in order, of epochs, and of errors; nobody is told outside the block."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest

import blocks
from blocks import feature_extractors, preprocessors, regressors
from blocks.errors import InvalidArgument
from blocks.training.observers import Observer, observed_by

METRICS = ["loss", "mean_absolute_error", "root_mean_squared_error"]


class Written(Observer):
    def __init__(self):
        self.lines = []

    def begins(self, step, model, arguments):
        self.lines.append(("begins", step, sorted(arguments)))

    def reads(self, rows):
        self.lines.append(("reads", type(rows).__name__))

    def progresses(self, epoch, batch, metrics):
        if metrics is not None:
            self.lines.append(("epoch", epoch, sorted(metrics)))

    def ends(self, step, model, result, error):
        self.lines.append(("ends", step, type(result).__name__, type(error).__name__))


def small_model():
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    return blocks.Model(columns, feature_extractors.MLP([2]), regressors.Mean("y"), seed=0)


@pytest.fixture(scope="module")
def rows():
    x = np.linspace(-1, 1, 64)
    return {"x": x, "y": 2 * x}


def test_every_step_is_told_in_order(rows, tmp_path):
    model, written = small_model(), Written()
    with observed_by(written):
        model.adapt(rows)
        model.fit(rows, epochs=2, batch_size=16, verbose=0)
        model.evaluate(rows)
        model.save(tmp_path / "model.keras")
    model.evaluate(rows)
    assert written.lines == [
        ("begins", "adapt", ["data"]),
        ("reads", "Source"),
        ("ends", "adapt", "Summary", "NoneType"),
        ("begins", "fit", ["batch_size", "data", "epochs", "verbose"]),
        ("reads", "Source"),
        ("epoch", 0, METRICS),
        ("epoch", 1, METRICS),
        ("ends", "fit", "History", "NoneType"),
        ("begins", "evaluate", ["data"]),
        ("reads", "Source"),
        ("ends", "evaluate", "dict", "NoneType"),
        ("begins", "save", ["filepath"]),
        ("ends", "save", "NoneType", "NoneType"),
    ]


def test_an_error_is_told_and_raised(rows):
    model, outer, inner = small_model(), Written(), Written()
    model.adapt(rows)
    with observed_by(outer), observed_by(inner), pytest.raises(InvalidArgument, match="seed"):
        model.fit(rows, seed=0.5)
    assert outer.lines == inner.lines
    assert outer.lines[-1] == ("ends", "fit", "NoneType", "InvalidArgument")


def test_training_is_the_same_observed_or_not(rows):
    weights = []
    for observers in ([], [Written()]):
        keras.utils.set_random_seed(0)
        model = small_model()
        model.adapt(rows)
        with observed_by(observers[0]) if observers else nullcontext():
            model.fit(rows, epochs=2, batch_size=16, verbose=0)
        weights.append(b"".join(np.asarray(v).tobytes() for v in model.core.variables))
    assert weights[0] == weights[1]
