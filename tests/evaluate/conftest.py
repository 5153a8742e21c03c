"""Predictions of quick scikit-learn models on real tables: what is judged here, by scikit-learn too."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def real(name):
    """A table of BLOCKS_DATA as numbers, its target, and which rows are predicted."""
    if "BLOCKS_DATA" not in os.environ:
        pytest.skip("BLOCKS_DATA does not name the folder of real data")
    folder = Path(os.environ["BLOCKS_DATA"])
    if name == "adult_census":
        frame = pd.concat(pd.read_csv(folder / name / f"adult_{part}.csv") for part in ("train", "test"))
        target = frame.pop("income")
    elif name == "titanic":
        frame = pd.read_csv(folder / name / "titanic.csv")
        target = frame.pop("survived")
        frame = frame[["pclass", "age", "sibsp", "parch", "fare", "adult_male"]].astype(float)
    elif name == "mammography_imbalanced":
        frame = pd.read_csv(folder / name / "mammography.csv", header=None, quotechar='"')
        target = frame.pop(6).astype(str).str.strip("'")
    elif name == "penguins":
        frame = pd.read_csv(folder / name / "penguins.csv")
        target = frame.pop("species")
    elif name == "bike_sharing":
        frame = pd.read_csv(folder / name / "bike_sharing_dataset_clean.csv")
        target = frame.pop("users")
    elif name == "wine_quality":
        frame = pd.read_csv(folder / name / "winequality-white.csv", header=None)
        target = frame.pop(11)
    else:
        frame = pd.read_csv(folder / "mpg" / "mpg.csv")
        target = frame.pop("mpg")
    numbers = frame.select_dtypes("number").fillna(0.0).to_numpy(float)
    return numbers, target.to_numpy()


@pytest.fixture(scope="session")
def predicted():
    """Makes the prediction table of a real data set: id, weight, part, target and answers."""
    made = {}

    def make(name):
        if name in made:
            return made[name]
        numbers, target = real(name)
        rows = len(target)
        train = np.arange(rows) % 3 > 0
        columns = {"id": np.arange(rows)[~train], "part": np.where(np.arange(rows) % 2, "odd", "even")[~train]}
        columns["weight"] = np.random.default_rng(0).uniform(0.1, 3.0, rows)[~train]
        columns["target"] = target[~train]
        if target.dtype.kind == "O" or len(set(target)) < 4:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(numbers[train], target[train])
            found = model.predict_proba(numbers[~train])
            columns["probabilities"] = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
            classes = model.classes_.tolist()
        else:
            model = make_pipeline(StandardScaler(), Ridge()).fit(numbers[train], target[train])
            columns["prediction"], classes = np.maximum(model.predict(numbers[~train]), 0.5), None
            spread = np.quantile(target[train] - model.predict(numbers[train]), [0.1, 0.5, 0.9])
            columns["quantiles"] = pa.array(list(columns["prediction"][:, None] + spread), pa.list_(pa.float64(), 3))
            columns["low"], columns["high"] = columns["prediction"] + spread[0], columns["prediction"] + spread[2]
        made[name] = pa.table(columns), classes
        return made[name]

    return make
