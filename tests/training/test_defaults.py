"""Auto: what happens where the user says nothing, that it survives files and copies, and that what is said wins."""

import inspect
import os
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import Resume, classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import NotAdapted
from blocks.preprocessors.columns.auto import AutoColumns
from blocks.training import defaults


def rows(count=300, seed=0):
    random = np.random.default_rng(seed)
    size, color = random.normal(3, 1, count), random.choice(["red", "blue"], count)
    return pa.table(
        {
            "size": size,
            "color": color,
            "weight": np.ones(count),
            "label": np.where(size + (color == "red") + random.normal(0, 0.3, count) > 3.5, "big", "small"),
        }
    )


def small(**options):
    """A light extractor for tests of all but the extractor."""
    return blocks.Model(
        feature_extractor=feature_extractors.MLP([4]), head=classifiers.Softmax("label"), seed=0, **options
    )


class _Once(keras.callbacks.Callback):
    """Ends training after an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def same_answers(one, other, data):
    given, wanted = other.predict(data)["probabilities"], one.predict(data)["probabilities"]
    return np.allclose(given, wanted, atol=1e-6)


def test_all_on_auto_runs_and_beats_the_prior(tmp_path):
    splits = blocks.read(rows()).split(train=0.6, valid=0.2, test=0.2)
    model = blocks.Model(
        preprocessor="auto",
        feature_extractor="auto",
        head=classifiers.Softmax("label", sample_weight="weight"),
        postprocessors=[postprocessors.Labels()],
        seed=0,
    )
    model.adapt(splits["train"])
    assert model.preprocessor.columns == ["size", "color"]  # neither the target nor the weights
    history = model.fit(splits["train"], validation_data=splits["valid"], epochs=6)
    assert len(history.epoch) == 6
    metrics = model.evaluate(splits["test"])
    constant = blocks.baselines.constant(splits["train"], classifiers.Softmax("label")).evaluate(splits["test"])
    assert metrics["loss"] < 0.8 * constant["loss"]
    model.save(tmp_path / "model.keras")
    again = blocks.load(tmp_path / "model.keras")
    assert again.automatic == model.automatic == ("preprocessor", "feature_extractor")
    assert again.core.optimizer.name == defaults.AUTO
    assert same_answers(model, again, splits["test"])


def test_a_model_on_auto_is_saved_before_it_is_adapted(tmp_path):
    config = blocks.Model(head=classifiers.Softmax("label")).get_config()
    model = blocks.Model.from_config(config)
    assert isinstance(model.preprocessor, AutoColumns)
    assert isinstance(
        blocks.Model.from_config({**config, "preprocessor": "auto"}).preprocessor, AutoColumns
    )  # of before
    assert model.automatic == ("preprocessor", "feature_extractor")
    with pytest.raises(NotAdapted, match="chosen when the model is adapted"):
        _ = model.passes
    with pytest.raises(NotAdapted, match=r"Cannot fit.*Call model.adapt"):
        model.fit(rows())
    model.adapt(rows())
    assert model.passes == 1


def test_adapt_chooses_anew_for_other_rows_unless_columns_were_given():
    model = small()
    model.adapt(rows())
    assert set(model.preprocessor.columns) == {"size", "color", "weight"} - {"weight"}  # a constant is of no use
    model.adapt(rows().append_column("height", pa.array(np.arange(300.0))))
    assert "height" in model.preprocessor.columns
    given = small(preprocessor=preprocessors.Columns({"size": preprocessors.Standardize()}))
    given.adapt(rows().append_column("height", pa.array(np.arange(300.0))))
    assert given.preprocessor.columns == ["size"]


def test_replace_keeps_what_was_chosen_and_the_store_serves(tmp_path):
    splits = blocks.read(rows()).split(train=0.7, valid=0.3)
    model = small()
    model.adapt(splits["train"])
    model.precompute(splits, tmp_path / "store")
    swapped = model.replace(feature_extractor="auto")
    assert isinstance(swapped.feature_extractor, feature_extractors.TabM)
    assert swapped.automatic == ("preprocessor", "feature_extractor")
    assert model.replace(seed=3).automatic == ("preprocessor",)
    assert model.replace(preprocessor=model.preprocessor).automatic == ()
    assert model.precompute(splits, tmp_path / "store").reused


def test_describe_says_what_was_chosen_and_why():
    model = blocks.Model(head=classifiers.Softmax("label"))
    assert "chosen by adapt" in model.describe()
    model.adapt(rows())
    text = model.describe()
    for part in (
        "preprocessor (auto)",
        "about 2 distinct",
        "feature extractor (auto)",
        "TabM",
        "k = 8",
        "AdamW (auto)",
    ):
        assert part in text, part
    chosen = small()
    chosen.adapt(rows())
    chosen.compile("sgd")
    assert "SGD, as compile was told" in chosen.describe()
    assert "feature extractor\n  MLP" in chosen.describe()


def test_training_stops_when_held_out_rows_say_so_and_the_best_weights_are_back():
    splits = blocks.read(rows()).split(train=0.5, valid=0.5)
    model = small()
    model.adapt(splits["train"])
    label = ["small" if label == "big" else "big" for label in rows()["label"].to_pylist()]
    wrong = rows().set_column(3, "label", pa.array(label))  # what is learned of it is false of held-out rows
    history = model.fit(wrong, validation_data=splits["valid"]).history
    losses = history["val_loss"]
    assert len(losses) < defaults.MOST_EPOCHS
    assert model.evaluate(splits["valid"])["loss"] == pytest.approx(min(losses), rel=1e-4)
    rates = history["learning_rate"]
    assert rates[0] == pytest.approx(defaults.LEARNING_RATE)
    assert rates[-1] < rates[0]
    defaults.length(model.core, 300, True, [])
    assert float(model.core.optimizer.learning_rate) == pytest.approx(defaults.LEARNING_RATE)  # anew for the next fit


def test_without_held_out_rows_the_number_of_epochs_is_fixed_and_the_rate_falls():
    model = small()
    model.adapt(rows())
    history = model.fit(rows())
    assert len(history.epoch) == defaults.MOST_FIXED
    assert history.history["learning_rate"][-1] < 0.05 * defaults.LEARNING_RATE < history.history["learning_rate"][9]


def test_what_is_said_wins():
    model = small()
    model.adapt(rows())
    model.compile("sgd")
    history = model.fit(rows(), validation_data=rows(seed=1), epochs=3, batch_size=300).history
    assert len(history["loss"]) == 3
    assert "learning_rate" not in history
    assert int(model.core.optimizer.iterations) == 3
    model.fit(rows(), validation_data=rows(seed=1), callbacks=[_Once()])
    assert float(model.core.optimizer.learning_rate) == pytest.approx(0.01)  # the user's optimizer keeps its rate


def test_own_callbacks_stand_in_for_those_of_auto():
    model = small()
    model.adapt(rows())
    model.compile()
    stop, fall = keras.callbacks.EarlyStopping(), keras.callbacks.LearningRateScheduler(defaults.falling(3))
    kinds = [type(one).__name__ for one in defaults.length(model.core, 300, True, [])[1]]
    assert kinds == ["ReduceLROnPlateau", "EarlyStopping"]
    assert [type(one).__name__ for one in defaults.length(model.core, 300, True, [stop])[1]] == ["ReduceLROnPlateau"]
    assert [type(one).__name__ for one in defaults.length(model.core, 300, True, [fall])[1]] == ["EarlyStopping"]
    epochs, more = defaults.length(model.core, 250_000, True, [])
    assert epochs == 8
    assert [type(one).__name__ for one in more] == ["LearningRateScheduler", "EarlyStopping"]
    assert defaults.length(model.core, 300, False, [fall]) == (defaults.MOST_FIXED, [])


def test_wide_models_train_on_fewer_rows_in_all():
    wide, narrow = (
        blocks.Model(feature_extractor=feature_extractors.MLP([width]), head=classifiers.Softmax("label"), seed=0)
        for width in (400_000, 4)
    )
    for model in (wide, narrow):
        model.adapt(rows())
        model.compile()
    assert defaults.row_passes(narrow.core) == defaults.ROW_PASSES > 5 * defaults.row_passes(wide.core)
    assert defaults.length(wide.core, 40_000, True, [])[0] < defaults.length(narrow.core, 40_000, True, [])[0] == 50
    assert defaults.length(wide.core, 10**6, True, [])[0] == defaults.LEAST_FIXED
    assert defaults.length(narrow.core, None, True, [])[0] == defaults.MOST_EPOCHS


def test_a_run_that_can_be_resumed_has_a_fixed_number_of_epochs(tmp_path):
    model = small()
    model.adapt(rows())
    model.compile()
    epochs, more = defaults.length(model.core, 300, True, [Resume(tmp_path / "resume")])
    assert epochs == defaults.MOST_FIXED
    assert [type(one).__name__ for one in more] == ["LearningRateScheduler"]  # which depends on the epoch alone


@pytest.mark.parametrize("count", [1, 90, 5_000, 20_000, 49_999, 10**6, 10**9])
def test_batches_and_epochs_follow_the_rows(count):
    size = defaults.batch_size(count)
    assert size & (size - 1) == 0
    assert defaults.SMALLEST_BATCH <= size <= defaults.LARGEST_BATCH
    if size not in (defaults.SMALLEST_BATCH, defaults.LARGEST_BATCH):
        assert 0.6 * defaults.STEPS_AN_EPOCH < count / size < 1.5 * defaults.STEPS_AN_EPOCH
    epochs = defaults.fixed_epochs(count)
    assert defaults.LEAST_FIXED <= epochs <= defaults.MOST_FIXED
    assert epochs * count <= max(defaults.ROW_PASSES, defaults.LEAST_FIXED * count)


def test_defaults_are_auto():
    defaults = {name: one.default for name, one in inspect.signature(blocks.Model).parameters.items()}
    assert defaults["preprocessor"] == defaults["feature_extractor"] == "auto"
    fit = inspect.signature(blocks.Model.fit).parameters
    assert fit["epochs"].default is fit["batch_size"].default is None


def test_a_regressor_on_auto():
    table = rows().drop_columns(["label", "weight"])
    model = blocks.Model(feature_extractor=feature_extractors.MLP([4]), head=regressors.Mean("size"), seed=0)
    model.adapt(table)
    assert model.preprocessor.columns == ["color"]
    assert model.predict(table.select(["color"]))["prediction"].shape == (300,)


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_auto_is_good_on_a_small_real_table():
    path = Path(os.environ["BLOCKS_DATA"], "titanic", "titanic.csv")
    table = blocks.read(path).to_table().drop_columns(["alive"])  # which is the target by another name
    splits = blocks.read(table).split(train=0.7, valid=0.1, test=0.2, seed=0)
    model = blocks.Model(head=classifiers.Softmax("survived"), seed=0)
    model.adapt(splits["train"])
    model.fit(splits["train"], validation_data=splits["valid"])
    metrics = model.evaluate(splits["test"])
    constant = blocks.baselines.constant(splits["train"], classifiers.Softmax("survived")).evaluate(splits["test"])
    assert metrics["accuracy"] > 0.76 > constant["accuracy"]
    assert metrics["loss"] < 0.75 * constant["loss"]
