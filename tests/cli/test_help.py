"""`blocks --help` answers at once, and each command says what it is for, with examples."""

import json
import subprocess
import sys

import pytest

from blocks.cli.main import COMMANDS, main


def test_help_takes_a_fifth_of_a_second_and_loads_nothing_heavy():
    code = """
import json, resource, sys
from blocks.cli.main import main
try:
    main(["--help"])
except SystemExit:
    pass
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([used.ru_utime + used.ru_stime, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
    times = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, loaded = json.loads(done.stdout.splitlines()[-1])
        times.append(seconds)
        assert not {"tensorflow", "keras", "numpy", "pyarrow", "jinja2"} & set(loaded)
    assert min(times) < 0.2


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_is_for_in_eighty_columns(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert all(len(line) <= 80 for line in told.splitlines())
    assert f"blocks {name} " in told.partition("examples:")[2] or f"blocks {name}\n" in told.partition("examples:")[2]


def test_the_list_of_commands_fits_eighty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(len(line) <= 80 for line in told.splitlines())
    assert set(COMMANDS) <= set(told.split())
