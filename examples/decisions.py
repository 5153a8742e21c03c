"""Decisions inside the exported model: a threshold by cost, conformal sets, abstention; then called without blocks.

    python examples/decisions.py [--out FOLDER]

Breast cancer, the data that scikit-learn ships. To miss a malignant tumour costs ten times as much as a false alarm; a
set of diagnoses holds the truth for 99 of 100 patients; where that set is not one diagnosis, a doctor decides. All of
it happens in the SavedModel's own graph, which a fresh process then calls with TensorFlow alone.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

COST = np.array([[0.0, 1.0], [10.0, 0.0]])  # [actual][called], in the order benign, malignant
COVERAGE = 0.99

ELSEWHERE = """
import json, sys
sys.modules["blocks"] = None  # importing it fails from here on
import tensorflow as tf
export, rows = sys.argv[1:]
columns = {name: tf.constant(values, tf.float64) for name, values in json.load(open(rows)).items()}
answers = tf.saved_model.load(export).signatures["serve"](**columns)
print(json.dumps({name: answers[name].numpy().tolist() for name in ("set_size", "abstain", "threshold")}
                 | {"label": [label.decode() for label in answers["label"].numpy()]}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="demo", help="folder for the export (default: demo)")
    out = Path(parser.parse_args().out)
    out.mkdir(parents=True, exist_ok=True)

    source = blocks.read(breast_cancer())
    splits = source.split(train=0.4, valid=0.3, test=0.3)
    model = blocks.Model(
        preprocessor=preprocessors.Columns.infer(splits["train"], exclude=["diagnosis"]),
        feature_extractor=feature_extractors.MLP([64, 32], dropout=0.3),
        head=classifiers.Softmax("diagnosis"),
        postprocessors=[
            postprocessors.Temperature(),
            postprocessors.Threshold(cost=COST.tolist()),
            postprocessors.ConformalSet(COVERAGE, allow_empty=False),
            postprocessors.Abstain(max_set_size=1),
        ],
        seed=0,
    )
    model.adapt(splits["train"])
    model.fit(splits["train"], epochs=20, batch_size=32, verbose=0)
    model.calibrate(splits["valid"])
    answers = model.predict(splits["test"])
    truth = splits["test"].to_table()["diagnosis"].to_numpy(zero_copy_only=False)
    actual = np.array([model.head.classes.index(name) for name in truth])

    called = (answers["label"] == "malignant").astype(int)
    likeliest = answers["probabilities"].argmax(axis=1)
    threshold = float(answers["threshold"][0])
    print(f"1. threshold   malignant from a probability of {threshold:.3f} on, by the costs")
    print(f"               mean cost {COST[actual, called].mean():.3f}; at 0.5 {COST[actual, likeliest].mean():.3f}")
    covered = answers["prediction_set"][np.arange(len(actual)), actual].mean()
    print(f"2. sets        {covered:.1%} of {len(actual)} test rows hold the truth; {COVERAGE:.0%} were asked for")
    kept = ~answers["abstain"]
    right = (likeliest == actual)[kept].mean()
    print(f"3. abstention  {1 - kept.mean():.1%} of the rows go to a doctor; of the others {right:.1%} are right")

    version = 1 + max([int(p.name) for p in (out / "decisions").glob("*") if p.name.isdigit()], default=0)
    export = out / "decisions" / str(version)
    model.export(export)
    rows = splits["test"].select(list(model.preprocessor.inputs)).head(20)
    (out / "rows.json").write_text(json.dumps(rows.to_pydict()))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(export), str(out / "rows.json")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    served = json.loads(done.stdout.splitlines()[-1])
    equal = all(served[name] == answers[name][:20].tolist() for name in served)
    print(f"4. elsewhere   {export} called by TensorFlow alone: the same decisions on 20 rows: {equal}")
    return 0 if equal else 1


def breast_cancer() -> pa.Table:
    """The table (Wisconsin, 569 rows), its target as text."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    columns = {name.replace(" ", "_"): data.data[:, i] for i, name in enumerate(data.feature_names)}
    return pa.table({**columns, "diagnosis": data.target_names[data.target]})


if __name__ == "__main__":
    raise SystemExit(main())
