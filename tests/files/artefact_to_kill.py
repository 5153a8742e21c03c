"""Artefacts that are killed while they are written; also run as a program.

As road_to_kill.py, forks for every line [KIND, FOLDER, seconds] that it reads; the child makes an artefact of this kind
in the folder, out of what the test put there, and is killed on its way. No TensorFlow runs before the fork.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WHERE = {
    "save": "model.keras",
    "export": "export",
    "summary": "summary.bin",
    "rejects": "rejects.parquet",
    "resume": "resume.npz",
    "report": "report.html",
}


def _attempts() -> Any:
    spec = importlib.util.spec_from_file_location("road", Path(__file__).parents[1] / "road_to_kill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.attempts


def rows(count: int = 400) -> dict[str, np.ndarray]:
    return {"x": np.linspace(-1, 1, count), "y": np.repeat(["n", "y"], count // 2)}


def new_model(seed: int) -> Any:
    import blocks
    from blocks import classifiers, feature_extractors, preprocessors

    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    model = blocks.Model(columns, feature_extractors.MLP([64, 64]), classifiers.Softmax("y"), seed=seed)
    model.adapt(rows(), verbose=False)
    model.fit(rows(), epochs=1, verbose=0)
    return model


def summary(count: int) -> Any:
    import pyarrow as pa

    from blocks.statistics import Counts, Summary

    counts = Counts()
    counts.update(pa.array([f"{i:050d}" for i in range(count)]))
    return Summary({"a": counts})


def make(begun: Callable[[], Any], kind: str, folder: str) -> None:
    """Make the artefact anew, out of what lies in the folder."""
    import blocks
    from blocks import Resume

    path = Path(folder) / WHERE[kind]
    if kind == "summary":
        made = summary(30_000)
        begun()
        made.save(path)
    elif kind == "rejects":
        begun()
        list(blocks.read(path.with_name("bad.csv"), on_bad_rows="keep", rejects=str(path)).chunks(1000))
    else:
        model = blocks.load(path.with_name("new.keras"))
        if kind == "save":
            begun()
            model.save(path)
        elif kind == "export":
            begun()
            model.export(path)
        elif kind == "report":
            begun()
            blocks.report(model, rows(), path, rows=50, verbose=False)
        else:
            begun()
            model.fit(rows(), epochs=3, batch_size=100, verbose=0, callbacks=[Resume(folder, every=1)])


if __name__ == "__main__":
    import blocks.data
    import blocks.model
    import blocks.statistics  # noqa: F401

    _attempts()(make)
