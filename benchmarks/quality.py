"""Claim: what `Columns.infer` and the default blocks reach on UCI Adult, original split, mean of three seeds.

    BLOCKS_DATA=FOLDER python benchmarks/quality.py

Needs the folder of real data. A tenth of the training file is held out to calibrate on; nothing is tuned.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measure import publish
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import blocks
from blocks import classifiers, postprocessors, preprocessors

COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital",
    "occupation",
    "relationship",
    "race",
    "sex",
    "gain",
    "loss",
    "hours",
    "country",
    "income",
]
SEEDS = 3


def load(name: str) -> pa.Table:
    source = blocks.read(
        Path(os.environ["BLOCKS_DATA"], "adult_census", name), column_names=COLUMNS, null_values=[" ?"]
    )
    table = source.table()
    income = pc.utf8_rtrim(pc.utf8_trim_whitespace(table["income"]), ".")
    return table.set_column(len(COLUMNS) - 1, "income", income)


def run(seed: int, train: pa.Table, test: pa.Table) -> dict[str, float]:
    splits = blocks.read(train).split(train=0.9, valid=0.1, seed=seed)
    model = blocks.Model(
        preprocessors.Columns.infer(splits["train"], exclude=["income"]),
        head=classifiers.Softmax("income"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=seed,
    )
    model.adapt(splits["train"], verbose=False)
    model.fit(splits["train"], seed=seed, verbose=0)
    model.calibrate(splits["valid"], verbose=False)
    answers = model.predict(test, verbose=False)
    rich = np.array(test["income"].to_pylist()) == ">50K"
    score = answers["probabilities"][:, 1]
    return {
        "accuracy": float(((answers["label"] == ">50K") == rich).mean()),
        "roc_auc": float(roc_auc_score(rich, score)),
        "log_loss": float(log_loss(rich, score)),
    }


def logistic_regression(train: pa.Table, test: pa.Table) -> dict[str, float]:
    """scikit-learn's, on standardised numbers and one-hot categories."""
    frame, held_out = train.to_pandas(), test.to_pandas()
    rich = held_out.pop("income") == ">50K"
    target = frame.pop("income") == ">50K"
    text = [name for name in frame if frame[name].dtype.kind not in "iuf"]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), text), remainder=StandardScaler(), sparse_threshold=0
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(frame, target)
    score = model.predict_proba(held_out)[:, 1]
    return {
        "accuracy": float(((score > 0.5) == rich).mean()),
        "roc_auc": float(roc_auc_score(rich, score)),
        "log_loss": float(log_loss(rich, score)),
    }


def main() -> int:
    if "BLOCKS_DATA" not in os.environ:
        print("quality: skipped, BLOCKS_DATA does not name the folder of real data")
        return 0
    train, test = load("adult_uci_train.csv.gz"), load("adult_uci_test.csv.gz")
    runs = [run(seed, train, test) for seed in range(SEEDS)]
    means = {name: float(np.mean([r[name] for r in runs])) for name in runs[0]}
    linear = logistic_regression(train, test)
    claims = [
        {
            "claim": f"UCI Adult, {name}, mean of {SEEDS} seeds, beside a linear model's",
            "ours": f"{means[name]:.4f}",
            "theirs": f"{linear[name]:.3f}",
            "ratio": means[name] / linear[name],
            "target": {"accuracy": ">= 0.850 (ours)", "roc_auc": ">= 0.905 (ours)", "log_loss": None}[name],
        }
        for name in means
    ]
    publish("quality", claims, {"runs": runs, "means": means})
    return 0


if __name__ == "__main__":
    sys.exit(main())
