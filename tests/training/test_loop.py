"""Training from a store: every batch once and in the stream's order, weights applied, other stores refused."""

import gc
import json
import re
import weakref
import zipfile

import keras
import numpy as np
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pyarrow import csv

import blocks
from blocks import Resume, classifiers, feature_extractors, preprocessors, regressors
from blocks.errors import BlocksWarning, CorruptShard, EmptySource, InvalidArgument, SchemaMismatch, StoreMismatch
from blocks.offline.encoded_rows import EncodedRows
from blocks.offline.store_parts import store_parts
from blocks.store import Rows, SplitPlan, write
from blocks.store.reading.shuffle_windows import WindowLoader

SMALL = {"rows_per_shard": 512, "rows_per_chunk": 64, "verbose": False}
WEIGHTS = {"yes": 3.0, "no\n": 0.25}


@pytest.fixture(scope="module")
def splits(make_table):
    table = make_table(3000, seed=5)
    weight = np.random.default_rng(2).integers(1, 6, len(table)) / 4
    return blocks.read(table.append_column("weight", pa.array(weight))).split(train=0.8, valid=0.2, key="id")


def fresh(train, dropout=0.0, **head):
    model = blocks.Model(
        preprocessors.Columns(
            {
                "age": [preprocessors.Impute("median"), preprocessors.Standardize()],
                "größe": preprocessors.Standardize(),
                "city": preprocessors.Vocabulary(),
            }
        ),
        feature_extractors.MLP([8], dropout=dropout),
        classifiers.Softmax("label", **head),
        seed=0,
    )
    model.adapt(train)
    return model


@pytest.fixture(scope="module")
def store(splits, tmp_path_factory):
    return fresh(splits["train"]).precompute(splits, tmp_path_factory.mktemp("training") / "s", **SMALL)


@pytest.fixture(scope="module")
def weighted_store(splits, tmp_path_factory):
    model = fresh(splits["train"], sample_weight="weight")
    return model.precompute(splits, tmp_path_factory.mktemp("training") / "w", **SMALL)


def weights_of(model):
    return [np.asarray(variable).tobytes() for variable in model.core.variables]


def by_hand(model, split, epochs, batch_size=32, seed=0, weigh=None, shuffle=True):
    """What `fit` must come to: Keras' own step on every batch of the stream, one by one."""
    model.compile()
    for epoch in range(epochs):
        model.core.reset_metrics()
        for features, target, *weight in split.stream(batch_size, shuffle, seed, epoch=epoch):
            weight = weight[0] if weight else None
            if weigh is not None:
                own = np.array([weigh[model.head.classes[code]] for code in target], np.float32)
                weight = own if weight is None else own * weight
            model.core.train_on_batch(dict(features), target, sample_weight=weight)
    return weights_of(model)


# -- what it is trained on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_batch_of_every_epoch_once_and_in_order(store, splits, shuffle):
    model = fresh(splits["train"])
    history = model.fit(store["train"], epochs=3, batch_size=32, seed=7, shuffle=shuffle, verbose=0)
    assert model.core.steps_per_execution == 16, "several steps a call, or the last, shorter call is not tried"
    assert len(store["train"].stream(32)) % 16, "the last call is a shorter one"
    steps = 3 * len(store["train"].stream(32))
    assert int(model.core.optimizer.iterations) == steps
    assert history.epoch == [0, 1, 2]
    assert weights_of(model) == by_hand(fresh(splits["train"]), store["train"], 3, seed=7, shuffle=shuffle)


def test_steps_per_execution_changes_no_bit(store, splits):
    found = {}
    for steps in (None, 1, 7, 1000):
        model = fresh(splits["train"], 0.4)
        if steps is not None:
            model.compile(steps_per_execution=steps)
        model.fit(store["train"], validation_data=store["valid"], epochs=2, batch_size=32, verbose=0)
        found[model.core.steps_per_execution] = weights_of(model)
    assert len(found) == 4
    assert all(weights == found[1] for weights in found.values())


def test_rows_on_the_fly_take_no_step_more_than_there_are_batches(splits):
    model, one = fresh(splits["train"], 0.4), fresh(splits["train"], 0.4)
    one.compile(steps_per_execution=3)
    for each in (model, one):
        each.fit(splits["train"], epochs=2, batch_size=100, verbose=0)
        assert int(each.core.optimizer.iterations) == 2 * -(-splits["train"].count() // 100)
    assert weights_of(model) == weights_of(one)


@pytest.mark.parametrize("of_store", [True, False])
def test_an_initial_epoch_goes_on_in_its_order(store, splits, of_store):
    train = (store if of_store else splits)["train"]
    whole, parts = fresh(splits["train"]), fresh(splits["train"])
    whole.fit(train, epochs=3, batch_size=32, verbose=0)
    parts.fit(train, epochs=1, batch_size=32, verbose=0)
    parts.fit(train, initial_epoch=1, epochs=3, batch_size=32, verbose=0)
    assert weights_of(parts) == weights_of(whole)


def test_more_steps_than_an_epoch_has_are_told(store, splits):
    model = fresh(splits["train"])
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(store["train"], epochs=2, steps_per_epoch=60, batch_size=32, verbose=0)


def steps_of(model):
    return int(model.core.optimizer.iterations)


@pytest.mark.parametrize("asked", [1, 5, 12, 48])
def test_as_many_steps_as_are_asked_for(store, splits, asked):
    for data in (store, splits):
        model = fresh(splits["train"])
        model.fit(data["train"], epochs=1, steps_per_epoch=asked, batch_size=32, verbose=0)
        assert steps_of(model) == asked


def test_as_many_held_out_batches_as_are_asked_for(store, splits):
    model, one = fresh(splits["train"]), fresh(splits["train"])
    one.compile(steps_per_execution=1)
    found = [
        each.fit(
            store["train"], validation_data=store["valid"], validation_steps=3, epochs=1, batch_size=32, verbose=0
        ).history["val_loss"]
        for each in (model, one)
    ]
    assert model.core.steps_per_execution > 3
    assert found[0] == found[1]
    assert model.evaluate(store["valid"], batch_size=32, steps=3)["loss"] == found[0][0]
    assert model.evaluate(store["valid"], batch_size=32)["loss"] != found[0][0]


def test_callbacks_come_as_keras_takes_them(store, splits):
    for given in (
        lambda one: one,
        lambda one: [one],
        lambda one: keras.callbacks.CallbackList([one], add_history=True),
    ):
        stop = StopAt("epoch", 0)
        with pytest.raises(Stop):
            fresh(splits["train"]).fit(store["train"], epochs=2, batch_size=256, verbose=0, callbacks=given(stop))


def test_a_part_without_rows_is_refused(store, splits):
    model = fresh(splits["train"])
    none = store["valid"].shard(500, 501)
    for use in (model.fit, model.evaluate):
        with pytest.raises(EmptySource, match=r"StoreSplit\(valid: 0 rows\).*among fewer workers"):
            use(none, verbose=0)
    with pytest.raises(EmptySource, match="0 rows"):
        model.fit(store["train"], validation_data=none, verbose=0)


def test_few_steps_run_one_by_one(store, splits):
    model = fresh(splits["train"])
    model.fit(store["train"], epochs=1, batch_size=512, verbose=0)
    assert model.core.steps_per_execution == 1


def test_epochs_reshuffle_and_validation_does_not(store, splits):
    seen = []

    def note(target):
        seen.append(target.astype(int).tolist())
        return np.float32(0)

    def watched(target, predictions):
        return keras.ops.sum(predictions, axis=-1) + tf.numpy_function(note, [target], tf.float32)

    model = fresh(splits["train"])
    model.compile(loss=watched, metrics=[], run_eagerly=True)
    model.fit(store["train"], validation_data=store["valid"], epochs=2, batch_size=300, verbose=0)

    def epoch(number):
        trained = store["train"].stream(300, epoch=number)
        return [
            batch[1].tolist() for stream in (trained, store["valid"].stream(300, shuffle=False)) for batch in stream
        ]

    assert seen == epoch(0) + epoch(1)
    assert epoch(0) != epoch(1)


# -- weights -----------------------------------------------------------------------------------------------------------


def test_class_weights_multiply_the_loss_of_their_rows(store, splits):
    model = fresh(splits["train"], class_weight=WEIGHTS)
    model.fit(store["train"], epochs=2, batch_size=32, verbose=0)
    trained = weights_of(model)
    assert trained == by_hand(fresh(splits["train"]), store["train"], 2, weigh=WEIGHTS)
    assert trained != by_hand(fresh(splits["train"]), store["train"], 2)


def test_balanced_weights_are_of_the_classes_counts(store, splits):
    model = fresh(splits["train"], class_weight="balanced")
    model.fit(store["train"], epochs=1, batch_size=32, verbose=0)
    labels = splits["train"].to_table()["label"].to_pylist()
    balanced = {name: len(labels) / (2 * labels.count(name)) for name in set(labels)}
    assert weights_of(model) == by_hand(fresh(splits["train"]), store["train"], 1, weigh=balanced)


def test_balanced_weights_of_a_store_are_of_the_counts_in_its_manifest(tmp_path):
    def model(labels):
        made = blocks.Model(
            preprocessors.Columns({"x": preprocessors.Hashing(8)}),
            feature_extractors.MLP([4]),
            classifiers.Softmax("label", class_weight="balanced"),
            seed=0,
        )
        made.adapt(pa.table({"x": np.arange(40).astype(str), "label": labels}))
        return made

    few, many = ["a"] * 30 + ["b"] * 10, ["a"] * 8 + ["b"] * 32
    table = pa.table({"x": np.arange(40).astype(str), "label": few})
    of_few, of_many = model(few), model(many)
    assert of_few.head.class_weights.tolist() != of_many.head.class_weights.tolist()
    store = of_few.precompute({"train": table}, tmp_path / "s", verbose=False)
    of_many.fit(store["train"], epochs=1, batch_size=8, verbose=0)
    assert weights_of(of_many) == by_hand(model(many), store["train"], 1, batch_size=8, weigh={"a": 2 / 3, "b": 2.0})


@pytest.mark.parametrize("weigh", [None, WEIGHTS])
def test_sample_weights_of_the_store_count(weighted_store, store, splits, weigh):
    model = fresh(splits["train"], sample_weight="weight", class_weight=weigh)
    model.fit(weighted_store["train"], epochs=2, batch_size=32, verbose=0)
    manual = fresh(splits["train"], sample_weight="weight")
    assert weights_of(model) == by_hand(manual, weighted_store["train"], 2, weigh=weigh)
    assert weights_of(model) != by_hand(fresh(splits["train"]), store["train"], 2, weigh=weigh)


def test_class_weights_do_not_count_in_evaluate(store, splits):
    model, other = fresh(splits["train"]), fresh(splits["train"], class_weight=WEIGHTS)
    assert model.evaluate(store["valid"]) == other.evaluate(store["valid"])


# -- evaluate, calibrate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_a_store_is_worth_its_source(store, weighted_store, splits, weighted):
    of = weighted_store if weighted else store
    model = fresh(splits["train"], sample_weight="weight" if weighted else None)
    model.fit(of["train"], epochs=2, batch_size=64, verbose=0)
    found = model.evaluate(of["valid"])
    assert found == model.evaluate(splits["valid"])
    rows = of["valid"].read()
    predictions = np.asarray(model.core(dict(rows.features)), np.float64)
    losses = -np.log(predictions[np.arange(len(rows)), rows.target])
    expected = np.average(losses, weights=rows.weight if weighted else None)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_calibrating_on_a_store_or_its_source_is_the_same(make_model, make_table, tmp_path):
    splits = blocks.read(make_table(1200)).split(train=0.7, valid=0.3, key="id")
    model = make_model()
    model.adapt(splits["train"])
    store = model.precompute(splits, tmp_path / "s", **SMALL)
    model.fit(store["train"], epochs=2, batch_size=64, verbose=0)
    model.calibrate(store["valid"])
    found = model.postprocessors[0].temperature
    model.calibrate(splits["valid"])
    assert found == model.postprocessors[0].temperature != 1.0


def test_a_regressor_learns_from_a_store(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=2000)
    table = pa.table({"x": x, "price": 1e9 + 100 * x + random.normal(size=2000)})
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([8]),
        regressors.Mean("price"),
        seed=0,
    )
    model.adapt(table)
    store = model.precompute({"train": table}, tmp_path / "s", **SMALL)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(store["train"], epochs=20, batch_size=64, verbose=0)
    assert store["train"].read().target.dtype == np.float64, "1e9 + noise has no room in float32"
    answers = model.predict(table)["prediction"]
    assert np.abs(answers - table["price"].to_numpy()).mean() < 20


# -- what does not fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_store", [True, False])
def test_fit_lets_go_of_the_rows_it_read(store, splits, monkeypatch, of_store):
    """TensorFlow keeps every generator's function for good; what holds rows, windows and files must not go with it."""
    kept = []
    for kind in (WindowLoader, EncodedRows):
        real = kind.__init__

        def remember(self, *arguments, real=real, **named):
            kept.append(weakref.ref(self))
            real(self, *arguments, **named)

        monkeypatch.setattr(kind, "__init__", remember)
    model = fresh(splits["train"])
    data = store if of_store else splits
    model.fit(data["train"], validation_data=data["valid"], epochs=2, verbose=0)
    model.evaluate(data["valid"], verbose=0)
    assert len(kept) >= 3
    del model
    gc.collect()
    assert [one() for one in kept if one() is not None] == []


def test_a_whole_store_is_refused(store, splits):
    model = fresh(splits["train"])
    with pytest.raises(InvalidArgument, match=r"one split of a store: store\['train'\]"):
        model.fit(store, verbose=0)
    with pytest.raises(InvalidArgument, match="one split"):
        model.fit({name: store[name] for name in store.splits}, verbose=0)


def test_the_store_of_another_model_is_refused(store, splits):
    other = fresh(splits["valid"])
    for use in (other.fit, other.evaluate):
        with pytest.raises(StoreMismatch, match="made from another preprocessor"):
            use(store["train"], verbose=0)
    model = fresh(splits["train"])
    with pytest.raises(StoreMismatch, match="made from another preprocessor"):
        model.fit(store["train"], validation_data=_store_of(other, splits, store)["valid"], verbose=0)


def _store_of(model, splits, store):
    return model.precompute(splits, store.path.with_name("other"), **SMALL)


def test_a_store_without_targets_cannot_train(splits, tmp_path):
    model = fresh(splits["train"])
    of = store_parts(model.preprocessor, model.head)
    plan = SplitPlan(lambda skip: iter([Rows({"numeric": np.zeros((3, 2), "f4")})]))
    store = write(tmp_path / "s", {"train": plan}, fingerprint=of, verbose=0)
    with pytest.raises(SchemaMismatch, match="Training needs targets"):
        model.fit(store["train"], verbose=0)


@pytest.mark.parametrize("size", [0, -1, 2.5, "64"])
def test_a_batch_size_is_a_positive_integer(store, splits, size):
    with pytest.raises(InvalidArgument, match="batch_size must be a whole number, at least 1"):
        fresh(splits["train"]).fit(store["train"], batch_size=size, verbose=0)


# -- going on ----------------------------------------------------------------------------------------------------------


class Stop(Exception):
    pass


class StopAt(keras.callbacks.Callback):
    """Ends a `fit` the hard way, at any of Keras' calls."""

    def __init__(self, when, epoch, batch=None):
        super().__init__()
        self.when, self.epoch, self.batch = when, epoch, batch
        self.at = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.at = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.when == "batch" and self.at == self.epoch and batch >= self.batch:
            raise Stop

    def on_test_begin(self, logs=None):
        if self.when == "validation" and self.at == self.epoch:
            raise Stop

    def on_epoch_end(self, epoch, logs=None):
        if self.when == "epoch" and epoch == self.epoch:
            raise Stop


@pytest.fixture(scope="module")
def never_stopped(store, splits):
    """A model, what was measured, and how it was trained."""
    arguments = {"validation_data": store["valid"], "epochs": 3, "batch_size": 32, "verbose": 0}
    whole = fresh(splits["train"], 0.3)
    return whole, whole.fit(store["train"], **arguments).history, arguments


@pytest.mark.parametrize(
    ("stops", "every"),
    [
        ([("batch", 0, 20), ("batch", 1, 40), ("batch", 1, 0)], 10),
        ([("validation", 0), ("validation", 2)], 1),
        ([("epoch", 0), ("epoch", 2)], 10),
    ],
    ids=["batch", "validation", "epoch"],
)
def test_a_stopped_fit_goes_on_to_the_same_weights(store, splits, never_stopped, tmp_path, stops, every):
    whole, history, arguments = never_stopped
    for stop in stops:
        with pytest.raises(Stop):
            fresh(splits["train"], 0.3).fit(
                store["train"], callbacks=[Resume(tmp_path, every=every), StopAt(*stop)], **arguments
            )
    model = fresh(splits["train"], 0.3)
    rest = model.fit(store["train"], callbacks=[Resume(tmp_path, every=every)], **arguments)
    assert weights_of(model) == weights_of(whole)
    assert [np.asarray(v).tobytes() for v in model.core.optimizer.variables] == [
        np.asarray(v).tobytes() for v in whole.core.optimizer.variables
    ]
    assert rest.epoch[-1:] == ([] if stops[-1] == ("epoch", 2) else [2])
    for name, values in rest.history.items():
        assert values == history[name][-len(values) :], name
    if stops[-1][0] == "epoch":  # when all is done
        again = fresh(splits["train"], 0.3)
        assert again.fit(store["train"], callbacks=[Resume(tmp_path)], **arguments).epoch == []
        assert weights_of(again) == weights_of(whole)


def test_a_store_that_does_not_fit_says_what_differs_with_both_values(store, splits, tmp_path):
    other = fresh(splits["valid"])
    mine, its = (
        f"{part.state['mean'].item():.6g}"
        for part in (other.preprocessor["größe"][0][0], fresh(splits["train"]).preprocessor["größe"][0][0])
    )
    told = rf"'größe' has other statistics: Standardize\.mean is {re.escape(its)} in the store, {re.escape(mine)} here"
    for use in (
        lambda: other.fit(store["train"], epochs=1, verbose=0),
        lambda: other.evaluate(store["valid"]),
        lambda: other.precompute(splits, store.path, **SMALL),
    ):
        with pytest.raises(StoreMismatch, match=told):
            use()
    columns = {"age": preprocessors.Standardize(missing="keep"), "größe": preprocessors.Standardize(add_indicator=True)}
    set_otherwise = fresh(splits["train"]).replace(preprocessor=preprocessors.Columns(columns))
    set_otherwise.adapt(splits["train"])
    with pytest.raises(
        StoreMismatch, match=r"'größe' has other settings: Standardize\.add_indicator is False in the store, True here"
    ):
        set_otherwise.fit(store["train"], epochs=1, verbose=0)
    # nothing that rows hold is told, and a store that tells nothing is refused as before
    described = json.dumps(store.metadata["described"])
    assert "rome" not in described
    fits = fresh(splits["train"])
    assert fits.precompute(splits, store.path, **SMALL).reused


def test_a_run_is_resumed_over_the_same_batches(store, weighted_store, splits, tmp_path):
    model = fresh(splits["train"])
    with pytest.raises(Stop):
        model.fit(
            store["train"], epochs=2, batch_size=32, verbose=0, callbacks=[Resume(tmp_path, 1), StopAt("batch", 0, 20)]
        )
    resume = {"verbose": 0, "callbacks": [Resume(tmp_path)]}
    with pytest.raises(StoreMismatch, match=r"Received: other batch_size \(64, saved with 32\), seed \(3"):
        model.fit(store["train"], batch_size=64, seed=3, **resume)
    with pytest.raises(StoreMismatch, match="other split"):
        model.fit(store["valid"], batch_size=32, **resume)
    with pytest.raises(StoreMismatch, match="other shard"):
        model.fit(store["train"].shard(0, 2), batch_size=32, **resume)
    wider = model.replace(feature_extractor=feature_extractors.MLP([9]))
    with pytest.raises(StoreMismatch, match="weights of other shapes"):
        wider.fit(store["train"], batch_size=32, **resume)


def test_rows_transformed_on_the_fly_go_on_from_an_epochs_border(splits, tmp_path):
    def fit(folder, epochs, *callbacks):
        model = fresh(splits["train"])
        model.fit(
            splits["train"],
            epochs=epochs,
            batch_size=32,
            verbose=0,
            callbacks=[Resume(tmp_path / folder, 1), *callbacks],
        )
        return weights_of(model)

    with pytest.raises(Stop):
        fit("stopped", 3, StopAt("batch", 1, 20))
    assert fit("stopped", 3) == fit("whole", 3)


def test_a_run_knows_its_rows_by_their_fingerprint(tmp_path):
    """Files, tables in memory, frames, splits and filters: the very rows go on, any others are refused."""
    generator = np.random.default_rng(0)
    table = pa.table({"x": generator.normal(size=200), "y": generator.choice(["u", "v"], 200)})
    other = table.set_column(1, "y", table["y"].take(pa.array(range(200)[::-1])))
    for name, rows in (("a", table), ("b", other)):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        csv.write_csv(rows, tmp_path / f"{name}.csv")
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    model = blocks.Model(columns, feature_extractors.MLP([2]), classifiers.Softmax("y"), seed=0)
    model.adapt(table)
    model.compile("sgd")
    source = blocks.read(tmp_path / "a.parquet")
    parts = source.split(a=0.5, b=0.5, key="x")
    pairs = {
        "parquet": (str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")),
        "csv": (str(tmp_path / "a.csv"), str(tmp_path / "b.csv")),
        "table": (table, other),
        "frame": (table.to_pandas(), other.to_pandas()),
        "polars": (polars.from_arrow(table), polars.from_arrow(other)),
        "arrays": (table.to_pydict(), other.to_pydict()),
        "split": (parts["a"], parts["b"]),
        "seed": (parts["a"], source.split(a=0.5, b=0.5, key="x", seed=1)["a"]),
        "filter": (source.filter(pc.field("x") > -1), source.filter(pc.field("x") > -0.9)),
        "whole": (source, parts["a"]),
    }

    def epochs(name, rows, last):
        resume = Resume(tmp_path / name)
        return model.fit(rows, epochs=last, batch_size=64, verbose=0, callbacks=[resume]).epoch

    for name, (rows, others) in pairs.items():
        assert epochs(name, rows, 1) == [0], name
        with pytest.raises(StoreMismatch, match=r"A run is resumed over the same batches\. Received: other rows than"):
            epochs(name, others, 2)
        assert epochs(name, rows, 2) == [1], name
    assert model.history.epoch == [0, 1]
    # the same rows, whose features or targets are others
    for change in (
        {"head": classifiers.Softmax("y", class_weight="balanced")},
        {"preprocessor": preprocessors.Columns({"x": preprocessors.MinMax()})},
    ):
        changed = model.replace(**change)
        changed.adapt(table)
        with pytest.raises(StoreMismatch, match=r"Received: other features than"):
            changed.fit(table, epochs=3, batch_size=64, verbose=0, callbacks=[Resume(tmp_path / "table")])
    once = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    with pytest.raises(InvalidArgument, match=r"Resume goes on over the rows that it knows.* read only once"):
        epochs("once", once, 1)


def test_metrics_of_another_kind_are_not_taken_for_these(store, splits, tmp_path):
    arguments = {"epochs": 1, "batch_size": 32, "verbose": 0}
    with pytest.raises(Stop):
        fresh(splits["train"]).fit(store["train"], callbacks=[Resume(tmp_path, 1), StopAt("batch", 0, 20)], **arguments)
    model = fresh(splits["train"])
    model.compile(metrics=[])
    with pytest.warns(
        BlocksWarning, match=r"saved with other metrics, so those of epoch 1 are of the rows from"
    ) as told:
        model.fit(store["train"], callbacks=[Resume(tmp_path, 1)], **arguments)
    assert [one.filename for one in told] == [__file__]


def test_the_rate_of_an_epoch_that_had_begun_is_what_it_was(store, splits, tmp_path):
    """Schedules that start from the rate as it is must not be applied twice to one epoch."""

    def fit(*callbacks):
        model = fresh(splits["train"])
        model.compile(keras.optimizers.SGD(0.1))
        halved = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        model.fit(store["train"], epochs=3, batch_size=32, verbose=0, callbacks=[halved, *callbacks])
        return float(model.core.optimizer.learning_rate), weights_of(model)

    whole = fit()
    with pytest.raises(Stop):
        fit(Resume(tmp_path, 1), StopAt("batch", 1, 30))
    assert fit(Resume(tmp_path, 1)) == whole


def test_a_run_that_stops_in_the_epoch_it_goes_on_with_stops(store, splits, tmp_path):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    arguments = {"epochs": 3, "batch_size": 32, "verbose": 0}
    with pytest.raises(Stop):
        fresh(splits["train"]).fit(store["train"], callbacks=[Resume(tmp_path, 1), StopAt("batch", 0, 30)], **arguments)
    model = fresh(splits["train"])
    history = model.fit(store["train"], callbacks=[Resume(tmp_path, 1), Enough()], **arguments)
    assert history.epoch == [0]
    assert steps_of(model) == -(-store["train"].rows // 32)


def test_what_is_not_measured_every_epoch_is_kept_in_the_history(store, splits, tmp_path):
    arguments = {"validation_data": store["valid"], "validation_freq": [1], "epochs": 2, "batch_size": 32, "verbose": 0}
    with pytest.raises(Stop):
        fresh(splits["train"]).fit(store["train"], callbacks=[Resume(tmp_path, 1), StopAt("batch", 0, 30)], **arguments)
    history = fresh(splits["train"]).fit(store["train"], callbacks=[Resume(tmp_path, 1)], **arguments).history
    assert {name: len(values) for name, values in history.items() if name.endswith("loss")} == {
        "loss": 2,
        "val_loss": 1,
    }


def test_resume_begins_with_the_initial_epoch_and_counts_whole_ones(store, splits, tmp_path):
    model, other = fresh(splits["train"]), fresh(splits["train"])
    arguments = {"epochs": 3, "initial_epoch": 2, "batch_size": 32, "verbose": 0}
    history = model.fit(store["train"], callbacks=[Resume(tmp_path / "a")], **arguments)
    other.fit(store["train"], **arguments)
    assert history.epoch == [2]
    assert weights_of(model) == weights_of(other)
    with pytest.raises(InvalidArgument, match="Resume counts the batches of whole epochs"):
        model.fit(store["train"], callbacks=Resume(tmp_path / "b"), steps_per_epoch=3, verbose=0)


def test_resume_in_half_precision(store, splits, tmp_path):
    keras.config.set_dtype_policy("bfloat16")
    try:
        whole = fresh(splits["train"])
        arguments = {"epochs": 2, "batch_size": 32, "verbose": 0}
        whole.fit(store["train"], **arguments)
        with pytest.raises(Stop):
            fresh(splits["train"]).fit(
                store["train"], callbacks=[Resume(tmp_path, 1), StopAt("batch", 1, 20)], **arguments
            )
        model = fresh(splits["train"])
        model.fit(store["train"], callbacks=[Resume(tmp_path, 1)], **arguments)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.core.trainable_variables[0].dtype == "bfloat16"
    assert weights_of(model) == weights_of(whole)


def test_a_keras_model_of_ones_own_goes_on_from_a_stream(store, tmp_path):
    split = store["train"]

    def run(folder, *callbacks):
        keras.utils.set_random_seed(0)
        width = split.entries[0].shape[0] + split.entries[1].shape[0]
        inputs = {name: keras.Input((n,), name=name) for name, n in (("numeric", width - 1), ("categorical", 1))}
        outputs = keras.layers.Dense(2, activation="softmax")(inputs["numeric"])
        model = keras.Model(inputs, outputs)
        model.compile("adam", "sparse_categorical_crossentropy")
        resume = Resume(tmp_path / folder, every=5)
        epoch, batch = resume.restore(model)
        for number in range(epoch, 3):
            rest = split.stream(64, epoch=number, batch=batch)
            order = {"steps_per_epoch": len(rest) - batch, "initial_epoch": number, "epochs": number + 1}
            model.fit(rest.dataset(), shuffle=False, verbose=0, callbacks=[resume, *callbacks], **order)
            batch = 0
        return [np.asarray(v).tobytes() for v in (*model.variables, *model.optimizer.variables)]

    whole = run("whole")
    with pytest.raises(Stop):
        run("stopped", StopAt("batch", 1, 12))
    with np.load(tmp_path / "stopped" / "resume.npz") as saved:
        assert b'"epoch": 1, "batch": 10' in saved["about"].tobytes()
    assert run("stopped") == whole
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(InvalidArgument, match=r"epoch, batch = resume\.restore\(model\)"):
        model.fit(np.zeros((4, 2)), np.zeros(4), verbose=0, callbacks=[Resume(tmp_path / "stopped")])


def test_what_resume_cannot_use_is_told(store, splits, tmp_path):
    arguments = {"epochs": 1, "batch_size": 32, "verbose": 0}
    fresh(splits["train"]).fit(store["train"], callbacks=[Resume(tmp_path / "r")], **arguments)
    file = tmp_path / "r" / "resume.npz"
    raw = file.read_bytes()
    with zipfile.ZipFile(file) as saved:
        largest = max(saved.infolist(), key=lambda info: info.file_size)
    flipped = bytearray(raw)
    flipped[largest.header_offset + largest.compress_size] ^= 4  # among its numbers
    for damaged in (b"", raw[:-30], raw[: len(raw) // 2], bytes(flipped)):
        file.write_bytes(damaged)
        with pytest.raises(CorruptShard, match=r"saved in .*resume\.npz is damaged .* delete it, and the same call"):
            fresh(splits["train"]).fit(store["train"], callbacks=[Resume(tmp_path / "r")], **arguments)
    with pytest.raises(InvalidArgument, match="which is a file"):
        Resume(file)
    with pytest.raises(InvalidArgument, match="every must be a whole number, at least 1"):
        Resume(tmp_path, every="10")
