"""A password in the environment, in a URI, in an error and in code: nowhere in what is written, byte for byte."""

import re
import sqlite3
import subprocess
import sys

import pytest

from blocks.errors import InvalidArgument
from blocks.runs.secret_values import Secrets

PASSWORDS = (b"hunter/22 x", b"hunter%2F22", b"hunter/22", b"tiger-5", b"lion-77", b"puma-88")

PROGRAM = """
import os
import sys
import warnings

import blocks
from blocks import feature_extractors, preprocessors, regressors

warnings.simplefilter("ignore")
URI = "postgresql://me:tiger-5@host/db"
connect = dict(password="lion-77")
key = os.environ["DB_PASSWORD"]
config = {"secrets": ["DB_PASSWORD"], "uri": URI, "nested": [{"said": f"with {key}"}], "dsn": "host=h password=puma-88"}
try:
    with blocks.runs.record("runs", config, name=f"run with {key}") as run:
        source = blocks.read("sqlite:///rows.db", table="rows")
        columns = preprocessors.Columns({"x": preprocessors.Standardize()})
        model = blocks.Model(columns, feature_extractors.MLP([2]), regressors.Mean("y"), seed=0)
        model.adapt(source)
        model.fit(source, epochs=1, verbose=0)
        model.save("model.keras")
        model.export("export/1")
        blocks.report(model, {"test": source}, path="report.html")
        run.log({f"loss of {key}": 1.0})
        run.stage("upload", "1", to=f"https://x?key={key.replace('/', '%2F')}", uri=URI)
        raise ConnectionError(f"{URI}?password=puma-88 with {key} was refused")
except ConnectionError:
    pass
"""


@pytest.mark.parametrize("trained", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_no_password_is_written_anywhere(tmp_path, trained):
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table rows (x real, y real)")
        database.executemany("insert into rows values (?, ?)", [(i / 9, i) for i in range(64)])
    program = PROGRAM if trained else re.sub(r"(?m)^ +(source|columns|model|blocks\.report)\b.*\n", "", PROGRAM)
    (tmp_path / "train.py").write_text(program)
    (tmp_path / "settings.yaml").write_text("key: hunter/22 x\nuri: mysql://me:tiger-5@h/x\npassword: 'lion-77'\n")
    environment = {"DB_PASSWORD": "hunter/22 x"}
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "train.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [run] = [one for one in (tmp_path / "runs").iterdir() if (one / "run.json").exists()]
    made = [file for place in ("runs", "export") for file in (tmp_path / place).rglob("*") if file.is_file()]
    made += [*tmp_path.glob("report*"), *tmp_path.glob("*.keras")]
    assert len(made) > (10 if trained else 2)
    for file in made:
        content = file.read_bytes()
        for password in PASSWORDS:
            assert password not in content, f"{password!r} in {file}"
    assert b"***" in (run / "code.patch").read_bytes()
    assert b"was refused" in (run / "run.json").read_bytes(), "the error itself is told"
    again = subprocess.run([sys.executable, "-m", "py_compile", "train.py"], cwd=tmp_path)
    assert again.returncode == 0


@pytest.mark.parametrize(
    "code",
    [
        b"f(password=asked(), pwd=os.getcwd(), passwd=None)",
        b'uri = f"postgresql://{user}:{password}@{host}/db"',
        b'dsn = f"password={password} host=x"',
        b'password = ""',
        b"def login(user, password='***'): ...",
    ],
)
def test_code_that_holds_no_secret_stays_as_it_is(code):
    assert Secrets().scrubbed_code(code) == code


def test_a_secret_of_several_lines_and_a_short_one(monkeypatch):
    monkeypatch.setenv("KEY", "-----BEGIN-----\nabcdefgh\n")
    assert "abcdefgh" not in Secrets(["KEY"]).scrubbed("x abcdefgh y")
    assert Secrets(["KEY"]).stand_in(b'"-----BEGIN-----\\nabcdefgh\\n"')
    monkeypatch.setenv("KEY", "abc")
    with pytest.raises(InvalidArgument, match="4 characters or more"):
        Secrets(["KEY"])
    monkeypatch.setenv("KEY", "")
    assert Secrets(["KEY", "UNSET"]).scrubbed("as it is") == "as it is"
    with pytest.raises(InvalidArgument, match="list of names"):
        Secrets("KEY")
