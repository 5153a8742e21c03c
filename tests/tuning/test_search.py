"""The search: who is trained on what against a plain reckoning, kills and resumes, refusals; and one that is real."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors
from blocks.errors import InvalidArgument, StoreError, StoreLocked, StoreMismatch
from blocks.files.lock import locked
from blocks.training.history import History
from blocks.tuning import search
from blocks.tuning import trial_training as training
from blocks.tuning.halving import Rung, rungs
from blocks.tuning.trial_records import Record
from blocks.tuning.trials_table import as_text, summary_of

pytest.importorskip("optuna", reason="ml-blocks[tune] is not installed")

SPACE = {"units": ("choice", [[2], [3], [5]]), "learning_rate": ("float", 1e-3, 1e-1, True)}
TRIALS = 9


class Killed(BaseException):
    """What no program catches."""


def rows(count=4000):
    random = np.random.default_rng(0)
    x = random.normal(0, 1, count)
    return {"x": x, "id": np.arange(count), "label": x + random.normal(0, 0.5, count) > 0.3}


@pytest.fixture(scope="module")
def model():
    made = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([4]),
        classifiers.Softmax("label"),
        [postprocessors.Labels()],
        seed=3,
    )
    made.adapt(rows())
    return made


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    splits = blocks.read(rows()).split(train=0.8, valid=0.1, test=0.1)
    return model.precompute(splits, tmp_path_factory.mktemp("tuned") / "store", rows_per_chunk=512)


class Trial:
    """What stands in for a model that would take long to make."""

    def __init__(self, settings):
        self.feature_extractor, self.settings = feature_extractors.MLP(settings["units"]), settings


@pytest.fixture
def fits(monkeypatch):
    """Training that takes no time, with a loss that follows from settings and rows; a list of what was trained."""
    seen = []

    def train(trial, rows, valid, *, epochs, seed, deadline, start, weights, rate_falls):
        size, rate = trial.settings["units"][0], trial.settings.get("learning_rate", 0.1)
        seen.append((size, round(rate, 6), rows.rows, epochs, None if start is None else start.name))
        weights.touch()
        loss = abs(np.log(rate / 0.02)) + 0.01 * size + 1 / rows.rows + (0.1 if epochs is None else 1 / epochs)
        return Record(rows.rows, epochs or 5, 0.01, loss=float(loss), weights=weights.name)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(training, "made", lambda model, settings, seed: Trial(settings))
    monkeypatch.setattr(training, "read_weights", lambda trial, path: path.stat())
    monkeypatch.setattr(search, "losses_of_groups", lambda trial, rows: (np.ones(3), np.ones(3)))
    return seen


def tune(model, store, **options):
    return blocks.tune(model, store, **{"space": SPACE, "trials": TRIALS, "verbose": 0, **options})


def apart_from_time(table):
    return table.drop_columns(["seconds"]).to_pylist()


def test_each_rung_trains_the_best_of_the_one_before_and_the_default(model, store, fits, tmp_path):
    table, best = tune(model, store, folder=tmp_path / "search")
    plan = rungs(store["train"].rows, TRIALS)
    assert [rung.trials for rung in plan] == [9, 3, 1]
    settings = {row["trial"]: json.loads(row["parameters"]) for row in table.to_pylist()}
    assert settings[0] == {"units": [4], "learning_rate": 0.002}
    names = {(one["units"][0], round(one["learning_rate"], 6)): number for number, one in settings.items()}
    trained = [(names[size, rate], rows, epochs, start) for size, rate, rows, epochs, start in fits]

    def reckoned(number):  # the loss without what rows and epochs add, alike for all of a rung
        return abs(np.log(settings[number]["learning_rate"] / 0.02)) + 0.01 * settings[number]["units"][0]

    going = sorted(settings)
    for index, rung in enumerate(plan):
        if index:
            best_of = sorted(going, key=reckoned)[: rung.trials]
            going = [0, *(number for number in best_of if number != 0)]
        mine, trained = trained[: len(going)], trained[len(going) :]
        assert sorted(number for number, *_ in mine) == sorted(going)
        assert {epochs for _, _, epochs, _ in mine} == {rung.epochs}
        (count,) = {rows for _, rows, _, _ in mine}
        assert count == rung.rows if rung.share == 1 else abs(count - rung.rows) < 5 * np.sqrt(rung.rows)
        assert [start for *_, start in mine] == [f"{n}-{index - 1}.npz" if index else None for n, *_ in mine]
    assert [epochs for _, _, epochs, _ in trained] == [None] * len(trained)
    assert {number for number, *_ in trained} >= {0, sorted(settings, key=reckoned)[0]}
    assert all(rows == store["train"].rows and start is None for _, rows, _, start in trained)
    # the order of the table, and where the default stands in it
    refitted = [number for number, *_ in trained]
    found = table["trial"].to_pylist()
    assert found[: len(refitted)] == sorted(refitted, key=reckoned)
    assert table["rank"].to_pylist() == list(range(1, TRIALS + 1))
    assert summary_of(table)["default_rank"] == found.index(0) + 1
    assert f"the default: rank {found.index(0) + 1} of {TRIALS}" in as_text(table)
    assert table["state"].to_pylist() == ["best"] + ["refitted"] * (len(refitted) - 1) + ["stopped"] * (
        9 - len(refitted)
    )
    assert best.feature_extractor.units == settings[found[0]]["units"]
    assert not list((tmp_path / "search").glob("rows-*")), "copies of rows are gone"


def test_killed_at_any_fit_it_goes_on_and_repeats_none(model, store, fits, tmp_path, monkeypatch):
    whole, _ = tune(model, store, folder=tmp_path / "whole")
    count, once = len(fits), list(fits)
    fits.clear()
    train, left = training.train, [0]

    def killed(*arguments, **options):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return train(*arguments, **options)

    monkeypatch.setattr(training, "train", killed)
    steps = (1, 2, 5, 1, 3)
    for step in steps:
        left[0] = step
        with pytest.raises(Killed):
            tune(model, store, folder=tmp_path / "killed")
    left[0] = count
    table, _ = tune(model, store, folder=tmp_path / "killed")
    assert fits == once
    assert apart_from_time(table) == apart_from_time(whole)
    again, _ = tune(model, store, folder=tmp_path / "killed")
    assert fits == once, "nothing is left to train"
    assert again.equals(table)


PROGRAM = """
import os, signal, sys
import blocks
from blocks.training.history import History
from blocks.tuning import search
from blocks.tuning import trial_training as training
from blocks.tuning.trial_records import Record
model, store, folder, fits = sys.argv[1:]
left = [int(fits)]
def train(trial, rows, valid, *, epochs, weights, **options):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    weights.touch()
    return Record(rows.rows, epochs or 5, 0.01, loss=trial["units"][0] + (epochs is None) / 2, weights=weights.name)
training.train, training.made = train, lambda model, settings, seed: settings
space = {"units": ("choice", [[2], [16]]), "dropout": ("float", 0.0, 0.5, False)}
blocks.tune(blocks.load(model), blocks.open_store(store), trials=4, seed=1, folder=folder, verbose=0, space=space)
"""


def test_killed_by_the_system_it_goes_on(model, few, fits, tmp_path, monkeypatch):
    model.save(tmp_path / "model.keras")
    command = [sys.executable, "-c", PROGRAM, tmp_path / "model.keras", few.path, tmp_path / "killed", "3"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    space = {"units": ("choice", [[2], [16]]), "dropout": ("float", 0.0, 0.5, False)}
    options = {"trials": 4, "seed": 1, "space": space}
    train = training.train

    def same(trial, rows, valid, *, epochs, weights, **more):
        train(trial, rows, valid, epochs=epochs, weights=weights, **more)
        loss = trial.settings["units"][0] + (epochs is None) / 2
        return Record(rows.rows, epochs or 5, 0.01, loss=loss, weights=weights.name)

    monkeypatch.setattr(training, "train", same)
    whole, _ = tune(model, few, folder=tmp_path / "whole", **options)
    once = list(fits)
    fits.clear()
    table, _ = tune(model, few, folder=tmp_path / "killed", **options)
    assert apart_from_time(table) == apart_from_time(whole)
    assert fits == once[3:], "what was done before the kill is not repeated"


@pytest.fixture(scope="module")
def few(model, tmp_path_factory):
    splits = blocks.read(rows(300)).split(train=0.6, valid=0.2, test=0.2)
    return model.precompute(splits, tmp_path_factory.mktemp("few") / "store")


@pytest.fixture
def short(monkeypatch):
    """Two rungs of one epoch, and short fits at the end, as real trials take seconds of making graphs."""
    plan = (Rung(0.5, 90, 1, 2), Rung(1.0, 180, 1, 1))
    monkeypatch.setattr(search, "rungs", lambda rows, trials: plan)
    monkeypatch.setattr(search, "FINALISTS", 1)
    monkeypatch.setattr(training.defaults, "MOST_EPOCHS", 4)
    monkeypatch.setattr(training.defaults, "MOST_FIXED", 4)


def test_a_real_search_gives_the_model_that_its_table_says(model, few, short, tmp_path, monkeypatch):
    before = {file: file.read_bytes() for file in few.path.iterdir()}
    options = {"trials": 2, "seed": 1, "space": {"units": ("choice", [[2], [16]])}, "folder": tmp_path}
    train, left = training.train, [3]

    def killed(*arguments, **more):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return train(*arguments, **more)

    monkeypatch.setattr(training, "train", killed)
    with pytest.raises(Killed):
        tune(model, few, **options)
    left[0] = 9
    table, best = tune(model, few, **options)
    assert {file: file.read_bytes() for file in few.path.iterdir()} == before, "the store was only read"
    assert best.fitted
    assert not model.fitted, "the model that was given stays"
    row = table.to_pylist()[0]
    assert best.feature_extractor.units == json.loads(row["parameters"])["units"]
    assert best.evaluate(few["valid"], verbose=0)["loss"] == pytest.approx(row["validation_loss"], rel=1e-6)
    assert best.evaluate(few["test"], verbose=0)["loss"] == pytest.approx(row["test_loss"], rel=1e-5)
    assert row["test_low"] < row["test_loss"] < row["test_high"]
    # the default's fit at the end is what fit does by itself
    auto = model.replace(seed=1)
    auto.fit(few["train"], validation_data=few["valid"], seed=1, verbose=0)
    default = next(row for row in table.to_pylist() if row["default"])
    assert default["state"] in ("best", "refitted")
    (file,) = (tmp_path / "weights").glob("0-refit.npz")
    made = training.made(model, {"units": [4]}, 1)
    training.read_weights(made, file)
    for mine, its in zip(made.core.weights, auto.core.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(its))
    # it is a model like any other, and knows what it was trained on
    with pytest.raises(InvalidArgument, match="not trained on"):
        best.calibrate(few["train"])
    assert best.predict({"x": np.zeros(2)}, verbose=0)["label"].shape == (2,)


def test_a_trial_that_fails_is_written_down_and_does_not_end_the_search(model, store, fits):
    space = {"units": ("choice", [[4], [0], [8]])}
    table, best = tune(model, store, space=space, seed=2)
    bad = [row for row in table.to_pylist() if "[0]" in row["parameters"]]
    assert bad
    assert all(row["state"] == "failed" and row["rank"] is None for row in bad)
    assert all("one positive width a layer" in row["error"] for row in bad)
    assert best.feature_extractor.units != [0]


def test_what_training_raises_is_written_down(model, few, monkeypatch):
    def failing(*arguments, **options):
        raise MemoryError("no more")

    monkeypatch.setattr(blocks.Model, "fit", failing)
    with pytest.raises(InvalidArgument, match=r"one trial at least.*MemoryError: no more"):
        tune(model, few, trials=2)


def test_a_loss_that_is_no_number_is_a_failure(model, few, monkeypatch):
    monkeypatch.setattr(blocks.Model, "fit", lambda *_, **__: History())
    monkeypatch.setattr(blocks.Model, "evaluate", lambda *_, **__: {"loss": float("nan")})
    with pytest.raises(InvalidArgument, match="the loss on the validation rows is nan"):
        tune(model, few, trials=1)


def test_a_store_that_changes_meanwhile_is_refused(model, store, fits, tmp_path, monkeypatch):
    shutil.copytree(store.path, tmp_path / "store")
    copy = blocks.open_store(tmp_path / "store")
    train = training.train

    def other(*arguments, **options):
        if len(fits) == 2:
            model.precompute({"train": rows(64), "valid": rows(64)}, copy.path, overwrite=True, verbose=0)
        return train(*arguments, **options)

    monkeypatch.setattr(training, "train", other)
    with pytest.raises(StoreMismatch, match="written again meanwhile"):
        tune(model, copy)
    assert len(fits) == 3


def test_a_byte_of_a_store_that_changes_is_found(model, store, fits, tmp_path):
    shutil.copytree(store.path, tmp_path / "store")
    copy = blocks.open_store(tmp_path / "store")
    shard = next(copy.path.glob("train-*"))
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(StoreError):
        tune(model, copy)


def test_a_folder_holds_one_search(model, store, fits, tmp_path):
    folder = tmp_path / "search"
    tune(model, store, trials=2, folder=folder)
    for name, options in {
        "seed": {"seed": 1},
        "trials": {"trials": 3},
        "space": {"space": {"units": ("choice", [[2]])}},
        "splits": {"test": None},
    }.items():
        with pytest.raises(InvalidArgument, match=f"Received: another {name}"):
            tune(model, store, **{"trials": 2, "folder": folder, **options})
    wider = model.replace(feature_extractor=feature_extractors.MLP([2], activation="tanh"))
    with pytest.raises(InvalidArgument, match="another model"):
        tune(wider, store, trials=2, folder=folder, space={**SPACE, "units": ("choice", [[4], [2], [3], [5]])})
    with locked(folder), pytest.raises(StoreLocked):
        tune(model, store, trials=2, folder=folder)


def test_no_trial_begins_that_would_not_fit(model, store, fits, monkeypatch, tmp_path):
    now, train = [0.0], training.train
    monkeypatch.setattr(search.time, "monotonic", lambda: now[0])

    def slow(*arguments, **options):
        now[0] += 10
        found = train(*arguments, **options)
        return Record(found.rows, found.epochs, 10.0, loss=found.loss, weights=found.weights)

    monkeypatch.setattr(training, "train", slow)
    table, _ = tune(model, store, budget="100s", folder=tmp_path / "search")
    assert now[0] <= 100
    assert 2 <= len(table) < TRIALS
    assert summary_of(table)["default_rank"] is not None
    done = list(fits)
    now[0] = 0.0
    more, _ = tune(model, store, budget=1000, folder=tmp_path / "search")
    assert len(more) == TRIALS
    assert fits[: len(done)] == done
    assert len(set(fits)) == len(fits), "what was done before is not repeated"


def test_what_runs_when_time_is_over_is_stopped():
    core = keras.Sequential([keras.layers.Dense(1)])
    core.compile("sgd", "mse", run_eagerly=True)
    deadline = training.Deadline(time.monotonic() - 1)
    history = core.fit(np.ones((64, 2)), np.ones(64), epochs=50, batch_size=16, callbacks=[deadline], verbose=0)
    assert deadline.over
    assert len(history.epoch) <= 1


def test_a_search_without_a_folder_that_is_stopped_says_where_it_goes_on(model, store, fits, monkeypatch, capsys):
    train = training.train

    def stopped(*arguments, **options):
        if len(fits) == 4:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(training, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune(model, store)
    folder = capsys.readouterr().err.partition("folder='")[2].partition("'")[0]
    try:
        table, _ = tune(model, store, folder=folder)
        assert len(table) == TRIALS
        assert len(set(fits)) == len(fits)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials must be"),
        ({"budget": "soon"}, "budget is a duration"),
        ({"budget": 0}, "budget is a time"),
        ({"valid": "held out"}, "tune trains on one split and chooses by another"),
        ({"space": {"embedding_dim": ("int", 1, 4, False)}}, "since the default is tried too"),
        ({"rows": 1}, "tune takes"),
    ],
)
def test_what_makes_no_sense_is_refused(model, store, options, message):
    with pytest.raises(InvalidArgument, match=message):
        tune(model, store, **options)
    with pytest.raises(InvalidArgument, match="tune takes a store"):
        blocks.tune(model, {"train": rows()})


def test_the_state_is_sqlite_that_optuna_reads_without_pickle(model, store, fits, tmp_path):
    import optuna

    table, _ = tune(model, store, folder=tmp_path)
    study = optuna.load_study(study_name="blocks", storage=f"sqlite:///{tmp_path / 'trials.db'}")
    assert len(study.trials) == TRIALS
    assert study.trials[0].params["learning_rate"] == 0.002
    assert isinstance(table, pa.Table)
    assert b"\x80\x04" not in (tmp_path / "trials.db").read_bytes(), "no pickle's head"
    assert oct(os.stat(tmp_path / "trials.db").st_mode).endswith(("44", "00", "64"))
