"""Model: one road on every path, training that resumes, parts that are replaced, errors that say the rule."""

import io
import random
import re
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import BadTarget, BlocksWarning, EmptySource, InvalidArgument, NotAdapted, SchemaMismatch


def assert_same_answers(one, other):
    assert set(one) == set(other)
    for name, values in one.items():
        values, found = np.asarray(values), np.asarray(other[name])
        if values.dtype.kind == "f":
            assert np.allclose(values, found, rtol=1e-6, atol=1e-7), name
        else:
            decoded = [x.decode() if isinstance(x, bytes) else x for x in found.tolist()]
            assert [x.decode() if isinstance(x, bytes) else x for x in values.tolist()] == decoded, name


def weights_of(model):
    return [np.asarray(weight) for weight in model.core.weights]


def equal_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights_of(one), weights_of(other), strict=True))


# -- one road ----------------------------------------------------------------------------------------------------------


def test_every_path_gives_the_same_answers(fitted, keras_file, exported, odd_rows):
    answers = fitted.predict(odd_rows)
    assert np.isfinite(answers["probabilities"]).all()
    assert_same_answers(answers, fitted(odd_rows))
    assert_same_answers(answers, blocks.load(keras_file).predict(odd_rows))
    assert_same_answers(answers, blocks.load(keras_file)(odd_rows))
    serve = tf.saved_model.load(str(exported)).signatures["serving_default"]
    assert_same_answers(answers, serve(**{name: tf.constant(values) for name, values in odd_rows.items()}))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 13])
def test_the_batch_size_of_predict_does_not_matter(fitted, odd_rows, size):
    assert_same_answers(fitted.predict(odd_rows), fitted.predict(odd_rows, batch_size=size))


def test_rows_come_in_any_form(fitted, table):
    rows = table.slice(0, 20)
    expected = fitted.predict(rows)
    frame, lazy = rows.to_pandas(types_mapper=pandas.ArrowDtype), polars.from_arrow(rows).lazy()
    for form in (frame, lazy, polars.from_arrow(rows), blocks.read(rows), rows.drop(["id", "label"])):
        assert_same_answers(expected, fitted.predict(form))
    for form in (rows, frame, polars.from_arrow(rows), rows.to_batches()[0]):
        assert_same_answers(expected, fitted(form))
    assert_same_answers(expected, fitted({name: rows[name] for name in fitted.preprocessor.columns}))


def test_answers_have_the_targets_type(fitted, table):
    answers = fitted.predict(table.slice(0, 5))
    assert answers["probabilities"].shape == (5, 2)
    assert set(answers["label"]) <= {"yes", "no\n"}
    assert all(isinstance(label, str) for label in answers["label"])


def test_evaluate_equals_what_numpy_makes_of_the_predictions(fitted, table):
    found = fitted.evaluate(table)
    predictions = np.asarray(fitted.core(fitted.transform(table.combine_chunks().to_batches()[0])), np.float64)
    truth = np.array([fitted.head.classes.index(label) for label in table["label"].to_pylist()])
    assert found["loss"] == pytest.approx(-np.log(predictions[np.arange(len(truth)), truth]).mean(), rel=1e-4)
    assert found["accuracy"] == pytest.approx(np.mean(predictions.argmax(axis=1) == truth), rel=1e-6)


def test_it_learns(make_table, make_model):
    model = make_model()
    model.adapt(make_table(2000))
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(make_table(2000), epochs=8, batch_size=64, verbose=0)
    labels = make_table(2000, seed=1)["label"].to_pylist()
    base = max(labels.count("yes"), labels.count("no\n")) / len(labels)
    assert model.evaluate(make_table(2000, seed=1))["accuracy"] > base + 0.15


def test_summary_shows_the_road(fitted):
    lines = []
    fitted.summary(print_fn=lambda text, *args, **kwargs: lines.append(str(text)))
    text = "\n".join(lines)
    for part in (
        "Columns of 6 columns",
        "numeric: float32 (batch, 6)",
        "MLP",
        "Softmax of 'label'",
        "Temperature",
        "Labels",
    ):
        assert part in text


# -- learned state and files -------------------------------------------------------------------------------------------


def test_a_file_holds_learned_state_where_files_before_did(keras_file):
    # Keras walks all public attributes and properties: one that gives blocks moves them, and older files lose theirs
    names: list[str] = []
    with zipfile.ZipFile(keras_file) as file, h5py.File(io.BytesIO(file.read("model.weights.h5"))) as weights:
        weights.visit(names.append)
    found = {"/".join(name.split("/")[:3]) for name in names if "state:" in name}
    assert found == {"layers/columns/_blocks", "core/layers/softmax", "layers/temperature/vars"}


def test_a_reload_brings_all_learned_state_back(fitted, keras_file):
    loaded = blocks.load(keras_file)
    for name, value in fitted.preprocessor.state.items():
        assert value.tobytes() == loaded.preprocessor.state[name].tobytes(), name
    assert loaded.head.classes == fitted.head.classes == ["no\n", "yes"]
    assert loaded.head.priors.tolist() == fitted.head.priors.tolist()
    assert loaded.postprocessors[0].temperature == fitted.postprocessors[0].temperature != 1.0
    assert equal_weights(loaded, fitted)
    assert loaded.spec == fitted.spec
    assert loaded.preprocessor["city"][0][0].tokens == fitted.preprocessor["city"][0][0].tokens


def test_training_resumes_after_a_reload(make_model, table, tmp_path):
    model = make_model()
    model.adapt(table)
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(table, epochs=2, batch_size=64, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = blocks.load(tmp_path / "m.keras")
    assert loaded.core.optimizer.iterations == model.core.optimizer.iterations
    assert float(loaded.core.optimizer.learning_rate) == pytest.approx(0.003)
    for each in (model, loaded):
        each.fit(table, epochs=1, batch_size=64, verbose=0)
    for one, other in zip(weights_of(model), weights_of(loaded), strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_model_that_has_learned_nothing_is_saved_too(make_model, table, tmp_path):
    make_model().save(tmp_path / "m.keras")
    loaded = blocks.load(tmp_path / "m.keras")
    loaded.adapt(table)
    assert loaded.predict(table)["label"].shape == (400,)


def test_a_key_of_a_type_is_saved_before_adapt(tmp_path):
    rows = {"AGE": np.linspace(-1, 1, 40), "at": pa.array(range(40), pa.timestamp("us", "Europe/Rome"))}
    rows["label"] = np.where(rows["AGE"] > 0, "a", "b")
    keys = {re.compile("age", re.IGNORECASE): preprocessors.Standardize(), rows["at"].type: preprocessors.Elapsed()}
    model = blocks.Model(preprocessors.Columns(keys), feature_extractors.MLP([2]), classifiers.Softmax("label"), seed=0)
    model.save(tmp_path / "m.keras")
    loaded = blocks.load(tmp_path / "m.keras")
    for each in (model, loaded):
        each.adapt(rows)
    assert_same_answers(model.predict(rows), loaded.predict(rows))


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m", "m.weights.h5", "m.tf", "m.keras.h5", ""])
def test_save_writes_keras_files_alone(fitted, tmp_path, name):
    with pytest.raises(InvalidArgument, match=r"save writes one \.keras file. Received: '.*'. Name it model\.keras"):
        fitted.save(tmp_path / name)
    with pytest.raises(InvalidArgument, match=r"save writes one \.keras file"):
        fitted.save(str(tmp_path / "m.keras"), zipped=False)
    assert not list(tmp_path.iterdir())
    fitted.save(tmp_path / "m.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


class Saver(keras.callbacks.Callback):
    """A user's own callback that saves `self.model`."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_batch_end(self, batch, logs=None):
        self.model.save(self.path)


def test_callbacks_save_the_whole_model(make_model, table, tmp_path):
    model = make_model()
    model.adapt(table)
    checkpoint = keras.callbacks.ModelCheckpoint
    callbacks = [
        checkpoint(str(tmp_path / "{epoch}.keras"), monitor="loss", save_best_only=True),
        checkpoint(str(tmp_path / "weights.{epoch}.weights.h5"), save_weights_only=True),
        keras.callbacks.BackupAndRestore(str(tmp_path / "backup")),
        Saver(tmp_path / "own.keras"),
    ]
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(table, epochs=2, batch_size=64, verbose=0, callbacks=callbacks)
    expected = model.core(model.transform(_batch(table)))
    for name in ("2.keras", "own.keras"):
        loaded = blocks.load(tmp_path / name)
        assert loaded.preprocessor.adapted
        np.testing.assert_array_equal(loaded.core(loaded.transform(_batch(table))), expected)
    assert blocks.load(tmp_path / "2.keras").history.history == model.history.history
    assert blocks.load(tmp_path / "1.keras").history.epoch == [0]
    # weights alone go into a model of the same parts that was adapted, here on other rows
    other = make_model()
    other.adapt(table.slice(0, 399))
    first = other.transform
    other.load_weights(tmp_path / "weights.2.weights.h5")
    assert other.transform is not first
    np.testing.assert_array_equal(other.core(other.transform(_batch(table))), expected)
    with pytest.raises(NotAdapted, match=r"Cannot load weights: the model has not been adapted"):
        make_model().load_weights(tmp_path / "weights.2.weights.h5")
    # outside of fit the core is what it says
    model.core.save(tmp_path / "core.keras")
    assert type(keras.saving.load_model(tmp_path / "core.keras")) is type(model.core)


def _batch(table):
    return table.combine_chunks().to_batches()[0]


def test_the_history_of_training_is_kept(make_model, table, tmp_path):
    model = make_model()
    model.adapt(table)
    assert model.history.history == {}
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1))
    found = model.fit(table, validation_data=table, epochs=3, batch_size=64, verbose=0, callbacks=[schedule])
    assert set(found.history) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert {len(values) for values in found.history.values()} == {3}
    model.save(tmp_path / "m.keras")
    loaded = blocks.load(tmp_path / "m.keras")
    assert loaded.history.epoch == [0, 1, 2]
    assert loaded.history.history == found.history
    loaded.save(tmp_path / "again.keras")
    assert blocks.load(tmp_path / "again.keras").history.history == loaded.history.history
    loaded.fit(table, epochs=1, batch_size=64, verbose=0)
    assert loaded.history.epoch == [0]
    loaded.adapt(table.slice(0, 300))
    assert loaded.history.epoch == []


def test_load_says_what_is_there_instead(tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    for path, what in (("none.keras", "not there"), ("text.keras", "a file of another kind"), ("", "a folder")):
        with pytest.raises(InvalidArgument, match=rf"Model.save wrote. Received: '{tmp_path}.*', which is {what}\."):
            blocks.load(tmp_path / path)


def test_load_refuses_other_models(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(
        InvalidArgument, match=r"load reads what Model.save wrote. Received: .*other.keras, a Sequential"
    ):
        blocks.load(tmp_path / "other.keras")


def test_one_seed_makes_a_run_repeatable(make_model, table):
    def run(seed, order=0):
        model = make_model()
        model.seed = seed
        model.adapt(table)
        model.fit(table, epochs=2, batch_size=64, seed=order, verbose=0)
        return model

    assert equal_weights(run(1), run(1))
    assert not equal_weights(run(1), run(2))
    assert not equal_weights(run(1), run(1, order=5))


def test_dropout_is_repeatable_and_global_generators_are_left_alone(table):
    def run():
        model = blocks.Model(
            preprocessors.Columns({"age": preprocessors.Standardize()}),
            feature_extractors.MLP([8], dropout=0.5),
            classifiers.Softmax("label"),
            seed=3,
        )
        model.adapt(table)
        model.fit(table, epochs=2, batch_size=64, verbose=0)
        return model

    before = random.getstate()
    first = run()
    assert random.getstate() == before
    assert equal_weights(first, run())


def test_adapting_again_keeps_the_weights_only_if_nothing_changed(make_model, table):
    model = make_model()
    model.adapt(table)
    model.fit(table, epochs=1, batch_size=64, verbose=0)
    trained = weights_of(model)
    model.adapt(table)
    assert all(np.array_equal(a, b) for a, b in zip(trained, weights_of(model), strict=True))
    model.adapt(table.slice(0, 300))
    assert not all(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(trained, weights_of(model), strict=True))
    answers = model.predict(table)
    assert_same_answers(answers, model(table))


def test_calibrate_changes_answers_and_nothing_else(make_model, table):
    model = make_model()
    model.adapt(table)
    model.fit(table, epochs=3, batch_size=64, verbose=0)
    before, score, weights = model.predict(table), model.evaluate(table), weights_of(model)
    model.calibrate(table, allow_training_rows=True)
    after = model.predict(table)
    assert not np.allclose(before["probabilities"], after["probabilities"], atol=1e-4)
    assert before["label"].tolist() == after["label"].tolist()
    assert model.evaluate(table) == pytest.approx(score)
    assert all(np.array_equal(a, b) for a, b in zip(weights, weights_of(model), strict=True))
    truth = np.array([model.head.classes.index(label) for label in table["label"].to_pylist()])

    def log_loss(answers):
        return -np.log(answers["probabilities"].astype(np.float64)[np.arange(len(truth)), truth]).mean()

    assert log_loss(after) < log_loss(before)


# -- variations --------------------------------------------------------------------------------------------------------


def test_replace_keeps_what_was_learned(fitted, table, odd_rows):
    before = fitted.predict(odd_rows)
    bigger = fitted.replace(feature_extractor=feature_extractors.MLP([32, 32, 8], normalization="layer"))
    assert bigger.preprocessor.state.keys() == fitted.preprocessor.state.keys()
    for name, value in fitted.preprocessor.state.items():
        assert np.array_equal(bigger.preprocessor.state[name], value)
    assert bigger.head.classes == fitted.head.classes
    bigger.fit(table, epochs=1, batch_size=64, verbose=0)
    assert bigger.predict(odd_rows)["probabilities"].shape == before["probabilities"].shape
    assert_same_answers(before, fitted.predict(odd_rows))


def test_replace_the_postprocessors_and_the_head(fitted, odd_rows):
    bare = fitted.replace(postprocessors=[])
    assert set(bare.predict(odd_rows)) == {"probabilities"}
    weighted = fitted.replace(head=classifiers.Softmax("label", class_weight="balanced"))
    assert weighted.head.classes == fitted.head.classes
    assert weighted.predict(odd_rows)["label"].shape == (len(odd_rows["age"]),)
    with pytest.raises(InvalidArgument, match=r"replace takes preprocessor, .* Received: haed"):
        fitted.replace(haed=None)


def test_replace_keeps_the_weights_of_an_equal_core(make_model, table, tmp_path):
    model = make_model()
    model.adapt(table)
    model.fit(table, epochs=2, batch_size=64, verbose=0)
    model.calibrate(table, allow_training_rows=True)
    score, answers = model.evaluate(table), model.predict(table)
    model.save(tmp_path / "m.keras")
    for each in (model, blocks.load(tmp_path / "m.keras")):
        same = each.replace()
        assert_same_answers(same.predict(table), answers)  # calibrated as it was
        assert same.history.history == each.history.history
        with pytest.raises(InvalidArgument, match="not trained on"):
            same.calibrate(table)
        bare = each.replace(postprocessors=[postprocessors.Labels()])
        assert bare.fitted
        assert bare.evaluate(table) == pytest.approx(score)
        assert each.replace(preprocessor=each.preprocessor.copy()).evaluate(table) == pytest.approx(score)
        assert each.replace(postprocessors=[postprocessors.Temperature()]).postprocessors[0].temperature == 1.0
    # its own variables: the model that it is made of stays as it is
    same.fit(table, epochs=1, batch_size=64, verbose=0)
    assert model.evaluate(table) == score
    for part in (
        {"feature_extractor": feature_extractors.MLP([16, 8])},
        {"head": classifiers.Softmax("label")},
        {"seed": 1},
        {"preprocessor": preprocessors.Columns({"age": preprocessors.Standardize()})},
    ):
        other = model.replace(**part)
        if "preprocessor" in part:
            other.adapt(table)
        assert not other.fitted, part
        assert other.history.epoch == []


def test_a_model_that_was_never_fitted_says_so_once(make_model, table, tmp_path):
    model = make_model().replace(postprocessors=[])
    model.adapt(table)

    def line(act):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            act()
        found = [warning for warning in told if warning.category is BlocksWarning]
        assert [warning.filename for warning in found] == [__file__]
        what, _, why = str(found[0].message).partition(": ")
        assert why.startswith("this model was never fitted, its weights are random. ")
        return what

    assert line(lambda: model.predict(table)) == "predict"
    assert line(lambda: model.export(tmp_path / "export")) == "export"
    assert line(lambda: blocks.report(make_model_like(model, table), table, tmp_path / "r.html")) == "predict"
    assert line(lambda: blocks.verify(tmp_path / "export")) == "verify"
    with warnings.catch_warnings():
        warnings.simplefilter("error", BlocksWarning)
        model.predict(table)
        model.predict_table(table, tmp_path / "table.parquet")
        model.fit(table, epochs=1, batch_size=64, verbose=0)
        model.export(tmp_path / "fitted")
        model.save(tmp_path / "m.keras")
        blocks.load(tmp_path / "m.keras").export(tmp_path / "loaded")
    assert not make_model_like(model, table).fitted
    drawn = make_model_like(model, table)
    drawn.save(tmp_path / "drawn.keras")
    assert not blocks.load(tmp_path / "drawn.keras").fitted
    # trained by other means than fit
    drawn.core.set_weights(model.core.get_weights())
    assert drawn.fitted


def make_model_like(model, table):
    other = model.replace(seed=3)
    other.adapt(table)
    return other


def test_a_keras_model_as_the_extractor(make_model, table):
    model = make_model().replace(
        feature_extractor=feature_extractors.Keras(keras.Sequential([keras.layers.Dense(8, "relu")]))
    )
    model.adapt(table)
    model.fit(table, epochs=1, batch_size=64, verbose=0)
    assert model.predict(table)["probabilities"].shape == (400, 2)


def test_users_loss_metrics_callbacks_and_precision(make_model, table):
    model = make_model(name="mine")
    model.adapt(table)
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")],
        steps_per_execution=4,
    )
    seen = []
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, restore_best_weights=True)
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
    history = model.fit(table, validation_data=table, epochs=2, batch_size=64, callbacks=[stop, watch], verbose=0)
    assert seen[0]["top2"] == 1.0
    assert set(history.history) == {"loss", "top2", "val_loss", "val_top2"}


def test_regression_far_from_zero():
    generator = np.random.default_rng(0)
    x = generator.normal(size=2000)
    rows = {"x": x, "price": 1e9 + 100.0 * x + generator.normal(size=2000)}
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([8]),
        regressors.Mean("price"),
        seed=0,
    )
    model.adapt(rows)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(rows, epochs=15, batch_size=64, verbose=0)
    answers = model.predict({"x": x})
    assert answers["prediction"].dtype == np.float64
    error = np.sqrt(np.mean((answers["prediction"] - rows["price"]) ** 2))
    assert error < 15.0
    assert model.evaluate(rows)["root_mean_squared_error"] == pytest.approx(error, rel=0.01)


def test_sample_weights_count_rows(make_table):
    rows = make_table(200).to_pandas()
    rows["weight"] = np.where(rows["label"] == "yes", 3.0, 0.0)
    model = blocks.Model(
        preprocessors.Columns({"age": preprocessors.Standardize()}),
        feature_extractors.MLP([4]),
        classifiers.Softmax("label", sample_weight="weight"),
        seed=0,
    )
    model.adapt(rows)
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(rows, epochs=10, batch_size=32, verbose=0)
    assert set(model.predict(rows)["probabilities"].argmax(axis=1)) == {1}
    truth = (rows["label"] == "yes").to_numpy().astype(int)
    predictions = model.predict(rows)["probabilities"].astype(np.float64)
    losses = -np.log(predictions[np.arange(200), truth])
    expected = np.average(losses, weights=rows["weight"])
    assert model.evaluate(rows)["loss"] == pytest.approx(expected, rel=1e-4)
    for bad in (-1.0, np.nan, np.inf):
        wrong = rows.assign(weight=bad)
        with pytest.raises(BadTarget, match=rf"Sample weights are finite and not negative.*'weight' with {bad}"):
            model.evaluate(wrong)


# -- errors ------------------------------------------------------------------------------------------------------------


def test_nothing_works_before_adapt(make_model, table, odd_rows, tmp_path):
    model = make_model()
    for name, use in {
        "fit": lambda: model.fit(table),
        "evaluate": lambda: model.evaluate(table),
        "calibrate": lambda: model.calibrate(table),
        "predict": lambda: model.predict(table),
        "call the model": lambda: model(odd_rows),
        "export": lambda: model.export(tmp_path / "x"),
    }.items():
        with pytest.raises(
            NotAdapted, match=rf"Cannot {name}: the model has not been adapted. Call model.adapt\(source\)"
        ):
            use()


def test_keys_at_prediction(fitted, odd_rows):
    less = {name: values for name, values in odd_rows.items() if name != "class"}
    more = {**odd_rows, "classs": odd_rows["class"]}
    for use in (fitted, fitted.predict):
        with pytest.raises(SchemaMismatch, match=r"exactly the model's columns: .*Received: missing 'class'"):
            use(less)
        with pytest.raises(SchemaMismatch, match=r"exactly the model's columns: .*Received: extra 'classs'"):
            use(more)
    with pytest.raises(
        SchemaMismatch, match=r"The source, of what the model reads: there is no column 'class'. It has "
    ):
        fitted.predict(pa.table(less))
    assert set(fitted.predict({**odd_rows, "label": odd_rows["city"]})) == {"probabilities", "label", "confidence"}


def test_types_and_shapes_at_prediction(fitted, odd_rows):
    with pytest.raises(SchemaMismatch, match=r"Column 'age' enters the model as float64: .*Received: string"):
        fitted({**odd_rows, "age": odd_rows["city"]})
    with pytest.raises(SchemaMismatch, match=r"Column 'city' enters the model as string: .*Received: double"):
        fitted({**odd_rows, "city": odd_rows["age"]})
    with pytest.raises(SchemaMismatch, match=r"has shape \(batch,\). Received: column 'age' of shape \(15, 1\)"):
        fitted({**odd_rows, "age": odd_rows["age"][:, None]})
    with pytest.raises(SchemaMismatch, match=r"has shape \(batch,\), or .*Received: column 'age' of shape \(\)"):
        fitted({**odd_rows, "age": 3.0})
    with pytest.raises(SchemaMismatch, match=r"the same number of rows. Received: \{'age': 2, "):
        fitted({**odd_rows, "age": odd_rows["age"][:2]})
    with pytest.raises(SchemaMismatch, match=r"Column 'city' enters the model as string.*Received: int64"):
        fitted({**odd_rows, "city": tf.constant([1] * 15, tf.int64)})
    with pytest.raises(SchemaMismatch, match=r"A batch of raw rows is a dict of columns or a table.*Received: list"):
        fitted([1, 2])


def test_empty_sources(fitted, table):
    nothing = table.slice(0, 0)
    with pytest.raises(EmptySource, match=r"There is nothing to predict"):
        fitted.predict(nothing)
    with pytest.raises(EmptySource, match=r"calibrated on held-out rows|There is no row to work on"):
        fitted.replace().calibrate(nothing)


def test_unusable_targets(make_model, table):
    odd = table.set_column(
        table.schema.get_field_index("label"), "label", pa.array(["yes", None, "never seen"] + ["yes"] * 397)
    )
    model = make_model()
    model.adapt(table)
    with pytest.raises(BadTarget, match=r"Every row needs a target that was seen .*2 of 400 rows"):
        model.evaluate(odd)
    lenient = model.replace(head=classifiers.Softmax("label", on_bad_target="skip"))
    with pytest.warns(BlocksWarning, match=r"2 rows of .* have no usable target and are left out"):
        found = lenient.evaluate(odd)
    assert found["loss"] == pytest.approx(
        lenient.evaluate(odd.filter(pa.array([True, False, False] + [True] * 397)))["loss"]
    )


def test_parts_are_of_their_roles():
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    head = classifiers.Softmax("y")
    with pytest.raises(InvalidArgument, match=r"Model's preprocessor is a Columns. Received: Standardize"):
        blocks.Model(preprocessors.Standardize(), head=head)
    with pytest.raises(InvalidArgument, match=r"feature_extractor is a FeatureExtractor. Received: Dense"):
        blocks.Model(columns, keras.layers.Dense(3), head)
    with pytest.raises(InvalidArgument, match=r"head is a Head. Received: NoneType"):
        blocks.Model(columns)
    with pytest.raises(InvalidArgument, match=r"preprocessor is a Columns. Received: 'automatic'. .*\"auto\""):
        blocks.Model("automatic", head=head)
    with pytest.raises(InvalidArgument, match=r"feature_extractor is .* Received: 'resnet'. Give one of feature_extr"):
        blocks.Model(columns, "resnet", head)
    with pytest.raises(InvalidArgument, match=r"head is a Head. Received: 'label'. Give classifiers.Softmax"):
        blocks.Model(columns, head="label")
    with pytest.raises(InvalidArgument, match=r"postprocessors is a Postprocessor. Received: Dense"):
        blocks.Model(columns, head=head, postprocessors=[keras.layers.Dense(3)])
    stale = [blocks.postprocessors.Labels(), blocks.postprocessors.Temperature()]
    with pytest.raises(
        InvalidArgument, match=r"calibrated probabilities. Received: Temperature after .* Put it before"
    ):
        blocks.Model(columns, head=head, postprocessors=stale).adapt({"x": [1.0, 2.0], "y": [0, 1]})
    with pytest.raises(InvalidArgument, match=r"Labels works on a classifier's probabilities. Received: a Mean head"):
        blocks.Model(columns, head=regressors.Mean("y"), postprocessors=[postprocessors.Labels()])
    with pytest.raises(BadTarget, match=r"The target must not stand among the inputs.*'x'"):
        blocks.Model(columns, head=classifiers.Softmax("x"))


def test_arguments_are_checked(fitted, table):
    with pytest.raises(InvalidArgument, match=r"batch_size must be a whole number, at least 1\. Received: 0"):
        fitted.fit(table, batch_size=0)
    with pytest.raises(InvalidArgument, match=r"Received: path, keys. A file is written by model.predict_table\("):
        fitted.predict(table, path="answers.parquet", keys=["id"])
    with pytest.raises(InvalidArgument, match=r"batch_size must be a whole number, at least 1\. Received: 0"):
        fitted.predict(table, batch_size=0)


# pandas' own, of infinities on NumPy 1.26
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_pandas_extension_types(fitted, table):
    frame = table.to_pandas().convert_dtypes()
    assert isinstance(frame["class"].dtype, pandas.Int64Dtype)
    assert_same_answers(
        fitted.predict(table.slice(0, 50)), fitted.predict(frame.head(50).astype({"Cost: Total $": "float32"}))
    )
