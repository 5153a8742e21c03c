"""examples/text.py: texts beside numbers and categories, the whole road."""

import os
import runpy
from pathlib import Path

import pytest

MAIN = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "text.py"))["main"]


def test_mails_go_the_whole_road(tmp_path, capsys):
    assert MAIN(["--rows", "250", "--epochs", "4", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("250 rows of text, plan, orders, label")
    accuracy, commonest = (float(word) for word in lines[2].replace(",", " ").split() if word[0] == "0")
    assert accuracy > commonest + 0.1
    assert lines[3].endswith("bit for bit as offline")
    assert any("text = '" in line for line in lines[5:])


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_messages_go_the_same_road(tmp_path, capsys):
    data = str(Path(os.environ["BLOCKS_DATA"]) / "sms_spam")
    assert MAIN(["--data", data, "--rows", "2000", "--epochs", "6", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert float(lines[2].split("accuracy ")[1].split()[0]) > 0.95
