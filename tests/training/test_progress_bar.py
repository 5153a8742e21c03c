"""The bar of training: an epoch a line, never wider than the terminal, never beyond its end; start-up says nothing."""

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import blocks
from blocks.training.progress_bar import TrainingBar

PROGRAM = """
import os, sys
os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
import numpy as np
import blocks
from blocks import classifiers, feature_extractors, preprocessors

x = np.random.default_rng(0).normal(size=4000)
rows = {"x": x, "label": np.where(x > 0, "yes", "no")}
columns = preprocessors.Columns({"x": preprocessors.Standardize()})
model = blocks.Model(columns, feature_extractors.MLP([4]), classifiers.Softmax("label"), seed=0)
model.adapt(rows)
store = model.precompute({"train": rows}, sys.argv[1])
for _ in range(2):
    resume = blocks.Resume(sys.argv[2])
    model.fit(store["train"], validation_data=rows, epochs=2, batch_size=33, callbacks=[resume])
model.fit(rows, batch_size=400)
model.evaluate(rows)
model.predict(rows)
"""


def on_a_terminal(arguments, columns):
    """What a program shows on a terminal of so many columns: text as it was written, carriage returns included."""
    mine, its = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(Path(blocks.__file__).parents[1]), "COLUMNS": ""}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    process = subprocess.Popen(arguments, stdin=its, stdout=its, stderr=its, env=environment, close_fds=True)
    os.close(its)
    said = b""
    while process.poll() is None or select.select([mine], [], [], 0)[0]:
        if select.select([mine], [], [], 0.2)[0]:
            try:
                said += os.read(mine, 65_536)
            except OSError:
                break
    os.close(mine)
    assert process.wait() == 0, said.decode()
    return said.decode()


def test_a_program_on_a_terminal(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    said = on_a_terminal([sys.executable, str(script), str(tmp_path / "store"), str(tmp_path / "run")], 80)
    # no line that is drawn is wider than the terminal
    drawn = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", part) for part in re.split(r"[\r\n]+", said)]
    too_wide = [part for part in drawn if len(part) > 80 and str(tmp_path) not in part]
    assert too_wide == []
    for line in ("adapt: 1 pass over 4,000 rows", "fit: 20 epochs", "nothing is left to train"):
        assert line in said, line
    assert len(re.findall(r"\repoch 1/2  loss [\d.]+ \([\d.]+\)  accuracy .*  [\d.]+ s\r?$", said, re.MULTILINE)) == 1
    assert len(re.findall(r"\repoch \d+/20  loss", said, re.MULTILINE)) == 20
    assert re.search(r"\revaluate  loss [\d.]+  accuracy [\d.]+\r?$", said, re.MULTILINE)
    assert not re.search(r"^[IWE]\d{4} |oneDNN|absl|retracing|Epoch|\u2501|WARNING", said, re.MULTILINE)
    for done, total in re.findall(r"(\d+)/(\d+) steps", said):
        assert int(done) <= int(total)


def shown(capsys, steps, told):
    bar = TrainingBar()
    bar.set_params({"epochs": 3, "steps": steps})
    bar.on_train_begin()
    bar.on_epoch_begin(1)
    for batch in told:
        bar.on_train_batch_end(batch)
    bar.on_test_begin()
    bar.on_test_end({"loss": 2.0})
    bar.on_epoch_end(1, {"accuracy": np.float32(0.5), "loss": 1.0, "val_loss": 2.0, "learning_rate": 0.001})
    bar.on_train_end()
    return capsys.readouterr()


@pytest.mark.parametrize("steps", [10, None])
def test_an_epoch_is_a_line(capsys, steps):
    out, err = shown(capsys, steps, [7, 15])
    assert out == ""
    assert re.fullmatch(r"epoch 2/3  loss 1 \(2\)  accuracy 0\.5  learning_rate 0\.001  0\.0 s\n", err)


def test_fit_shows_it_where_it_is_asked_to(capsys, fitted, table):
    model = fitted.replace()
    model.fit(table, epochs=1, batch_size=64, verbose=1)
    assert re.search(r"^epoch 1/1  loss [\d.]+  accuracy [\d.]+  [\d.]+ s$", capsys.readouterr().err, re.MULTILINE)
    model.fit(table, epochs=1, batch_size=64)
    model.evaluate(table)
    assert capsys.readouterr() == ("", "")
    model.evaluate(table, verbose=1)
    assert capsys.readouterr().err.startswith("evaluate  loss ")
    model.fit(table, epochs=1, batch_size=64, verbose=2)  # Keras' own
    assert "Epoch 1/1" not in capsys.readouterr().err


def test_a_bar_of_ones_own_stays_alone(capsys, fitted, table):
    seen = []

    class Mine(keras.callbacks.ProgbarLogger):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(epoch)

    fitted.replace().fit(table, epochs=1, batch_size=64, verbose=1, callbacks=[Mine()])
    assert seen == [0]
    assert "epoch 1/1" not in capsys.readouterr().err
