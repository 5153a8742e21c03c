"""Warnings: one place for the whole package, which points at the line of the user's program, and says a fact once."""

import re
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.cli import main as cli
from blocks.errors import BlocksWarning, warn

ROOT = Path(blocks.__file__).parent


def test_nothing_else_in_the_package_warns():
    found = [
        str(file.relative_to(ROOT))
        for file in ROOT.rglob("*.py")
        if re.search(r"warnings\.warn\b|warn_explicit|stacklevel", file.read_text())
    ]
    assert found == ["errors.py"]


@contextmanager
def told():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default", BlocksWarning)
        found_of_blocks = []
        yield found_of_blocks
    found_of_blocks += [one for one in found if one.category is BlocksWarning]


def line_of(text):
    return next(number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line)


def test_it_points_at_the_users_line_and_says_it_once(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a\n3\n")
    source = blocks.read(str(tmp_path / "*.csv"))
    with told() as found:
        for _ in range(3):
            source.schema.names  # the line of schema  # noqa: B018
            source.count()
    assert {(one.filename, one.lineno) for one in found} == {(__file__, line_of("# the line of schema"))}
    assert len(found) == 1


@pytest.mark.parametrize("where", ["here", "pool"])
def test_it_points_at_the_users_line_out_of_threads(where):
    def work():
        if where == "here":
            return warn("a fact")
        thread = threading.Thread(target=eval("lambda: warn('a fact')", {"warn": warn}, {}))
        thread.start()
        thread.join()  # the line of the join
        return None

    with told() as found:
        work()
    assert [str(one.message) for one in found] == ["a fact"]
    if where == "here":
        assert (found[0].filename, found[0].lineno) == (__file__, line_of('return warn("a fact")'))


def test_rows_left_out_are_told_at_the_users_line():
    rows = pa.table({"x": np.arange(50.0), "y": [None, *(["a", "b"] * 24), "a"]})
    columns = blocks.preprocessors.Columns({"x": blocks.preprocessors.Standardize()})
    head = blocks.classifiers.Softmax("y", on_bad_target="skip")
    model = blocks.Model(columns, blocks.feature_extractors.MLP([2]), head, seed=0)
    with told() as found:
        model.adapt(rows)
    with told() as found:
        model.fit(rows, epochs=2, batch_size=10, verbose=0)  # the line of fit
    assert [(one.filename, one.lineno) for one in found] == [(__file__, line_of("# the line of fit"))]
    assert str(found[0].message).startswith("1 rows of ")
    assert len(str(found[0].message)) < 200


def test_the_command_line_tells_it_as_its_own_line(monkeypatch, capsys):
    def check(options):
        warn("a fact")
        warnings.warn("of others", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setitem(cli.COMMANDS, "check", (*cli.COMMANDS["check"][:2], check))
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["check", "store"]) == 0
    assert warnings.showwarning is before
    told = capsys.readouterr().err
    assert "blocks check: a fact\n" in told
    assert "BlocksWarning" not in told
