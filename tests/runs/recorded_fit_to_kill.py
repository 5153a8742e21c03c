"""A recorded fit that is killed on the way, run as a program: see `road_to_kill`, whose lines and answers these are."""

import importlib.util
import sys
from pathlib import Path

import blocks
import blocks.model
import blocks.runs.recording  # what is killed is the work, so it is loaded before the fork


def road_to_kill():
    spec = importlib.util.spec_from_file_location("road_to_kill", Path(__file__).parents[1] / "road_to_kill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def work(begun, model, store, runs, resumes, out):
    """Train, recorded; the moment to kill at is counted from the recording's first line on."""
    import keras
    import numpy as np

    made, rows = blocks.load(model), blocks.open_store(store)["train"]
    begun()
    with blocks.runs.record(runs, {"epochs": 6}, resumes=resumes or None) as run:
        made.fit(rows, epochs=6, batch_size=16, verbose=0, callbacks=[run.resume(every=5), keras.callbacks.Callback()])
        run.log({"done": 1.0})
    Path(out).write_text("".join(np.asarray(v).tobytes().hex() for v in made.core.variables))


if __name__ == "__main__":
    sys.argv[0] = __file__
    road_to_kill().attempts(work)
