"""One hard table and one model fitted on it, for the tests of the whole road."""

import os

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import settings

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

# CI machines are noisy, so an example that takes long is no failure; and the same commit gives the same verdict twice:
# BLOCKS_HYPOTHESIS=search looks for new examples, as `make proof` does
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("BLOCKS_HYPOTHESIS", "repeatable"))


@pytest.fixture(autouse=True)
def seeded():
    """The same weights are drawn in every run, so that the same commit gives the same verdict twice."""
    keras.utils.set_random_seed(0)


TORTURE = [
    "new\nline",
    "\r",
    "\x85",
    "\u2028",
    "\x0b",
    "a\x00b",
    "\x00",
    "\N{GRINNING FACE}",
    "x" * 10_000,
    " ",
    "[UNK]",
]


def hard_table(rows=400, seed=0):
    """Odd column names, odd tokens, gaps, infinities, booleans, big integers; a target that can be learned."""
    random = np.random.default_rng(seed)
    age = random.normal(40.0, 12.0, rows)
    city = random.choice([*TORTURE, "rome", "oslo"], rows)
    label = np.where(age + 8 * np.isin(city, ["rome", "oslo"]) + random.normal(0, 5, rows) > 42, "yes", "no\n")
    gap = random.random(rows)
    return pa.table(
        {
            "id": np.arange(rows),
            "age": pa.array([None if g < 0.1 else x for g, x in zip(gap, age, strict=True)]),
            "Cost: Total $": pa.array(random.lognormal(3, 2, rows), pa.float32()),
            "class": pa.array([None if g > 0.95 else i for g, i in zip(gap, random.integers(0, 9, rows), strict=True)]),
            "größe": pa.array(np.where(gap < 0.02, np.inf, random.normal(1.7, 0.1, rows))),
            "city": pa.array([None if 0.4 < g < 0.45 else x for g, x in zip(gap, city, strict=True)]),
            "is it?": pa.array(random.random(rows) < 0.5),
            "label": label,
        }
    )


def hard_model(**options):
    return blocks.Model(
        preprocessor=preprocessors.Columns(
            {
                "age": (
                    preprocessors.Standardize(add_indicator=True),
                    [preprocessors.Impute("median"), preprocessors.Standardize()],
                ),
                "Cost: Total $": [preprocessors.Log1p(), preprocessors.Standardize()],
                "class": preprocessors.Vocabulary(num_oov_indices=2),
                "größe": preprocessors.Standardize(),
                "city": preprocessors.Vocabulary(min_count=2),
                "is it?": preprocessors.Standardize(),
            }
        ),
        feature_extractor=feature_extractors.MLP([16, 8]),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
        **options,
    )


@pytest.fixture(scope="session")
def make_model():
    """Makes the model anew; options go to `blocks.Model`."""
    return hard_model


@pytest.fixture(scope="session")
def make_table():
    """Makes such a table of any length and seed."""
    return hard_table


@pytest.fixture(scope="session")
def table():
    return hard_table()


@pytest.fixture(scope="session")
def odd_rows():
    """Rows that training never saw: missing, infinite, extreme, unseen, and tortured ones."""
    tokens = [*TORTURE, "", "unseen", "rome", "Rome"]
    rows = len(tokens)
    numbers = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, -1e30, 1e-30, 41.5]
    return {
        "age": np.resize(numbers, rows),
        "Cost: Total $": np.resize(np.array([*numbers[:5], 7.5], np.float32), rows),
        "class": np.resize([np.iinfo(np.int64).min, 3, -1, 1 << 60], rows),
        "größe": np.resize(numbers[::-1], rows),
        "city": np.array(tokens, object),
        "is it?": np.resize([0.0, np.nan, 1.0], rows),
    }


@pytest.fixture(scope="session")
def fitted(table):
    model = hard_model()
    model.adapt(table)
    model.fit(table, epochs=3, batch_size=64, verbose=0)
    model.calibrate(table, allow_training_rows=True)
    return model


@pytest.fixture(scope="session")
def keras_file(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    fitted.save(path)
    return path


@pytest.fixture(scope="session")
def exported(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "1"
    fitted.export(path)
    return path


def learn_target(head, target):
    head.restore(head.learn(head.observe_all([target])))
    return head


@pytest.fixture(scope="session")
def learned():
    """Adapts a head on an Arrow target, and returns it."""
    return learn_target


@pytest.fixture(scope="session")
def trained():
    """Trains a head alone, on all rows at every step: the model, and its history."""

    def train(head, features, target, *, steps=300, rate=0.05):
        keras.utils.set_random_seed(0)
        inputs = keras.Input(features.shape[1:])
        model = keras.Model(inputs, head(inputs))
        model.compile(
            keras.optimizers.Adam(rate),
            loss=head.default_loss(),
            metrics=head.default_metrics(),
            steps_per_execution=steps // 3,
            jit_compile=False,
        )
        # a dataset, as blocks.Model feeds it: Keras rounds arrays to float32
        data = tf.data.Dataset.from_tensors((features, head.encode(target)[0])).repeat(steps)
        return model, model.fit(data, verbose=0, shuffle=False, steps_per_epoch=steps // 3, epochs=3).history

    return train
