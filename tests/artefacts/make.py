"""Make the artefacts beside this file: `python make.py FOLDER`, run in a checkout of the commit 102a809.

Arguments have that commit's names: `indicator=` is `add_indicator=` since, and `unusable=` is `on_bad_target=`.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

ROWS, TRAIN = 60, 40


def rows() -> pa.Table:
    """Some of everything: missing numbers and strings, newlines in tokens, targets that cannot be used."""
    random = np.random.default_rng(0)
    income = random.lognormal(3, 2, ROWS)
    label = np.where(income > 20, "yes", "no")
    return pa.table(
        {
            "id": np.arange(ROWS),
            "income": [None if k % 11 == 0 else x for k, x in enumerate(income.tolist())],
            "city": random.choice(["rome", "oslo", "new\nline", ""], ROWS),
            "time": np.datetime64("2020-06-01T00", "us") + np.arange(ROWS) * np.timedelta64(7, "h"),
            "label": [None if k % 13 == 5 else str(name) for k, name in enumerate(label)],
        }
    )


def main(folder: Path) -> None:
    """Write `rows.parquet`, a store in each format, `model.keras`, `export` and what they answer, `answers.npz`."""
    folder.mkdir(parents=True)
    table = rows()
    pq.write_table(table, folder / "rows.parquet")
    splits = {"train": table.slice(0, TRAIN), "valid": table.slice(TRAIN)}
    model = blocks.Model(
        preprocessors.Columns(
            {
                "income": [preprocessors.Log1p(), preprocessors.Standardize(indicator=True)],
                "city": preprocessors.Vocabulary(min_count=2),
                "time": preprocessors.DateParts(["hour"]),
            }
        ),
        feature_extractors.MLP([4]),
        classifiers.Softmax("label", unusable="skip"),
        [postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(splits["train"])
    for form in ("hdf5", "tfrecord"):
        store = model.precompute(splits, folder / f"store-{form}", format=form, keys=["id"])
    model.fit(store["train"], validation_data=store["valid"], epochs=2, batch_size=16, verbose=0)
    model.calibrate(store["valid"])
    model.save(folder / "model.keras")
    model.export(folder / "export")
    evaluated = {f"evaluate/{name}": value for name, value in model.evaluate(store["valid"]).items()}
    answers = {name: np.asarray(value) for name, value in model.predict(table).items()}
    strings = {name: value.astype("U") for name, value in answers.items() if value.dtype == object}
    np.savez_compressed(folder / "answers.npz", **{**answers, **strings, **evaluated})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
