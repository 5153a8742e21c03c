"""Configuration: layers, their order and origins; secrets stay names; every mistake is told."""

import json

import pytest

from blocks.errors import InvalidArgument
from blocks.runs.configuration import resolve

TEXT = """
seed = 7
env = ["DB_PASSWORD"]
[data]
uri = "postgresql://me:${DB_PASSWORD}@host/db"
rows = 1000
day = 2025-03-01
[data.rules]
least = 0.5
[fit]
epochs = 20
batch_size = 256
[profiles.local]
data.rows = 50
fit.epochs = 2
[profiles.gpu]
fit.batch_size = 8192
fit.epochs = 4
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "blocks.toml").write_text(TEXT)
    return tmp_path


def test_each_layer_is_stronger_than_the_one_before(folder):
    default = resolve(folder)
    assert default.values["fit"] == {"epochs": 20, "batch_size": 256}
    assert resolve(folder, ["local", "gpu"]).values["fit"] == {"epochs": 4, "batch_size": 8192}
    assert resolve(folder, ["gpu", "local"]).values["fit"]["epochs"] == 2
    (folder / "blocks.local.toml").write_text("[fit]\nepochs = 5\n")
    own = resolve(folder, ["local"])
    assert own.values["fit"]["epochs"] == 5
    said = resolve(folder, ["local"], ["fit.epochs=6", "data.rules.least=1", "seed=1"])
    assert (said.values["fit"]["epochs"], said.values["data"]["rules"]["least"], said.values["seed"]) == (6, 1, 1)
    assert said.origins["fit.epochs"] == "--set"
    assert own.origins == {
        "seed": "blocks.toml",
        "env": "blocks.toml",
        "data.uri": "blocks.toml",
        "data.rows": "profile local",
        "data.day": "blocks.toml",
        "data.rules.least": "blocks.toml",
        "fit.epochs": "blocks.local.toml",
        "fit.batch_size": "blocks.toml",
    }
    json.dumps(said.values)  # a record holds it


def test_a_name_alone_is_looked_for_in_the_step_then_everywhere(folder):
    assert resolve(folder, (), ["epochs=3", "rows=9"]).values["data"]["rows"] == 9
    assert resolve(folder, (), ["batch_size=3"], step="bench").values["bench"] == {"batch_size": 3}
    with pytest.raises(InvalidArgument, match=r"batch_size, which fit.batch_size and bench.batch_size are called"):
        resolve(folder, (), ["batch_size=3"])


def test_what_is_no_toml_is_text(folder):
    assert resolve(folder, (), ["data.uri=people.csv"]).values["data"]["uri"] == "people.csv"
    assert resolve(folder, (), ["evaluate.by=['city']"]).values["evaluate"]["by"] == ["city"]


def test_secrets_are_filled_in_by_name_and_stand_nowhere_else(folder, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    found = resolve(folder)
    assert found.filled()["data"]["uri"] == "postgresql://me:hunter2@host/db"
    assert found.values["data"]["uri"] == "postgresql://me:${DB_PASSWORD}@host/db"
    assert "hunter2" not in repr(found)


def test_a_secret_that_is_not_set_or_not_named_is_told(folder, monkeypatch):
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    with pytest.raises(InvalidArgument, match=r"data\.uri in blocks\.toml needs .* DB_PASSWORD, which is not set"):
        resolve(folder).filled()
    monkeypatch.setenv("OTHER", "hunter2")
    with pytest.raises(InvalidArgument, match=r"\$\{OTHER\} in data\.uri.*env = \[\"OTHER\"\]") as told:
        resolve(folder, (), ["data.uri=${OTHER}"]).filled()
    assert "hunter2" not in str(told.value)


def test_a_password_in_env_is_refused_without_being_repeated(folder):
    with pytest.raises(InvalidArgument, match="names of environment variables") as told:
        resolve(folder, (), ["env=['hunter-2!']"])
    assert "hunter" not in str(told.value)


@pytest.mark.parametrize(
    ("profiles", "setting", "told"),
    [
        (["locl"], None, r"Received: locl \(did you mean local\?\). There are: local, gpu"),
        ([], "fit.epoch=3", r"\[fit\] of --set takes .*Received: epoch \(did you mean epochs\?\)"),
        ([], "data.rwos=3", r"Received: data.rwos in --set \(did you mean data.rows\?\)"),
        ([], "epohcs=3", r"Received: epohcs \(did you mean epochs\?\)"),
        ([], "fti.epochs=3", r"Received: fti \(did you mean fit\?\)"),
        ([], "fit.epochs=many", r"fit.epochs is a whole number. Received: 'many' in --set"),
        ([], "fit.epochs=true", r"fit.epochs is a whole number. Received: True"),
        ([], "data.rows=many", r"data.rows is a whole number, as in blocks.toml. Received: 'many'"),
        ([], "data.rows.x=3", r"data.rows.x in --set needs a table"),
        ([], "fit=3", r"Received: fit. Write --set fit.epochs"),
        ([], "epochs", r"--set takes TABLE.NAME=VALUE. Received: 'epochs'"),
    ],
)
def test_mistakes_are_told_with_what_was_meant(folder, profiles, setting, told):
    with pytest.raises(InvalidArgument, match=told):
        resolve(folder, profiles, [setting] if setting else [])


def test_mistakes_of_files_are_told(folder):
    with pytest.raises(InvalidArgument, match=r"a folder with a blocks.toml. Received: .*blocks new NAME"):
        resolve(folder / "elsewhere")
    (folder / "blocks.local.toml").write_text("[profiles.mine]\nseed = 1\n")
    with pytest.raises(InvalidArgument, match=r"Profiles stand in blocks.toml"):
        resolve(folder)
    (folder / "blocks.local.toml").write_text("seed = = 1\n")
    with pytest.raises(InvalidArgument, match=r"blocks.local.toml is written in TOML. .*line 1"):
        resolve(folder)
    (folder / "blocks.local.toml").unlink()
    (folder / "blocks.toml").write_text(TEXT + "[profiles.slow]\nfit.epoch = 2\n")
    with pytest.raises(InvalidArgument, match=r"\[fit\] of profile slow takes"):  # though it is not chosen
        resolve(folder)
