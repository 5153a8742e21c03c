"""The example that foretells series: its network beats both naive forecasts, and its export gives the same bits."""

import importlib.util
import re
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "examples" / "series.py"


def test_the_example_beats_naive_forecasts_and_its_intervals_hold(monkeypatch, capsys):
    monkeypatch.delenv("BLOCKS_DATA", raising=False)
    found = importlib.util.spec_from_file_location("series_example", SCRIPT)
    example = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    assert example.main(["--hours", "500", "--horizon", "6", "--epochs", "10"]) == 0
    told = capsys.readouterr().out
    # 3 series: 300 hours of training give 300 - 48 - 6 + 1 windows each; 100 hours that reach back 100 - 6 + 1
    assert "train 741, valid 285, test 285" in told
    assert len(re.findall(r"model .* other is better", told)) == 4
    assert len(re.findall(r"naive .* other is worse", told)) == 4
    shares = [float(share) for share in re.findall(r"^ {6}\d+ +[\d.]+ {2}([\d.]+)$", told, re.MULTILINE)]
    assert len(shares) == 3
    assert all(0.6 < share < 0.95 for share in shares)
    assert "5. verify      equal" in told
