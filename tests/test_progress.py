"""What is shown of long work, and the one way to say how much."""

import numpy as np
import pytest

import blocks
from blocks.errors import InvalidArgument
from blocks.progress import Progress, announce, check_verbose


def test_verbose_is_what_keras_takes_and_nothing_else(capsys):
    assert [check_verbose(verbose) for verbose in ("auto", 0, 1, 2, False, True)] == [0, 0, 1, 2, 0, 1]
    for verbose in (None, 3, -1, "yes", 1.0, np.array([1])):
        with pytest.raises(InvalidArgument, match=r'verbose is "auto", 0, 1 or 2. Received: .*Leave it out'):
            check_verbose(verbose)
    announce("said", 2)
    announce("not said", 0)
    assert capsys.readouterr().err == "said\n"


def test_every_verb_of_a_model_takes_the_same_verbose(fitted, table, tmp_path):
    calls = {
        "adapt": lambda **how: fitted.adapt(table, **how),
        "fit": lambda **how: fitted.fit(table, epochs=1, **how),
        "evaluate": lambda **how: fitted.evaluate(table, **how),
        "calibrate": lambda **how: fitted.calibrate(table, **how),
        "predict": lambda **how: fitted.predict(table, **how),
        "precompute": lambda **how: fitted.precompute({"train": table}, tmp_path / "store", **how),
        "predict_table": lambda **how: fitted.predict_table(table, tmp_path / "t.parquet", **how),
        "report": lambda **how: blocks.report(fitted, table, tmp_path / "report.html", **how),
        "verify": lambda **how: blocks.verify(tmp_path / "export", table, **how),
    }
    for call in calls.values():
        with pytest.raises(InvalidArgument, match=r"verbose is \"auto\", 0, 1 or 2. Received: 'loud'"):
            call(verbose="loud")
    assert not list(tmp_path.iterdir())


def test_two_is_a_line_at_the_end(capsys):
    with Progress("adapt", 30, 2) as progress:
        progress.advance(1_000)
    assert capsys.readouterr().err.startswith("adapt: 1,000 rows, 0.0 s")


@pytest.mark.parametrize(("total", "rows"), [(10, 25), (30, 25)])
def test_progress_ends_at_what_was_done(capsys, total, rows):
    with Progress("adapt", total, 1) as progress:
        for _ in range(rows):
            progress.advance(1)
    assert f"100%|{'█' * 5}" in (last := capsys.readouterr().err.split("\r")[-1])
    assert "25/25" in last
