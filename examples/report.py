"""What is to be known of a model on one page: how good it is, for whom, how sure, why, and what it is worth.

    python examples/report.py                                  # breast cancer, the data that scikit-learn ships
    python examples/report.py --data FILE --target COLUMN      # your CSV, Parquet or Feather file

Writes OUT/report.html, which needs no network, and OUT/report.json with its numbers; prints the metrics, and one row
explained.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import blocks
from blocks import classifiers, postprocessors, preprocessors, regressors


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="CSV, Parquet or Feather file, folder or glob")
    parser.add_argument("--target", help="column to predict")
    parser.add_argument("--regression", action="store_true", help="predict a number rather than a class")
    parser.add_argument("--exclude", nargs="*", default=[], help="columns to leave out (identifiers, leaks)")
    parser.add_argument("--by", nargs="*", default=[], help="columns of groups to judge apart")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", default="report", help="folder for page, model and export (default: report)")
    options = parser.parse_args(arguments)
    if (options.data is None) != (options.target is None):
        parser.error("--data and --target go together")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    path, target = (options.data, options.target) if options.data else breast_cancer(out)

    splits = blocks.read(path).split(train=0.6, valid=0.2, test=0.2)
    model = blocks.Model(
        preprocessor=preprocessors.Columns.infer(splits["train"], exclude=[target, *options.exclude]),
        head=regressors.Mean(target) if options.regression else classifiers.Softmax(target),
        postprocessors=[] if options.regression else [postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(splits["train"])
    model.fit(splits["train"], validation_data=splits["valid"], epochs=options.epochs, batch_size=32)
    model.calibrate(splits["valid"])
    export = next(folder for n in range(1, 1000) if not (folder := out / "export" / str(n)).exists())
    model.export(export)

    found = blocks.evaluate.metrics(model, data=splits["test"])
    for row in found.slice(0, 8).to_pylist():
        print(f"{row['metric']:<24} {row['value']:.4f}  {row['low']:.4f} to {row['high']:.4f}")
    print(blocks.explain(model, splits["test"].head(1), background=splits["train"]))
    page = blocks.report(model, splits, out / "report.html", by=options.by or None, export=export)
    print(f"{page}: open it in a browser; its numbers are in {page.with_suffix('.json')}")
    return 0


def breast_cancer(out: Path) -> tuple[Path, str]:
    """Write the data that ships with scikit-learn (Wisconsin, 569 rows) as the CSV that a user would have."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    table = data.frame.rename(columns=lambda name: name.replace(" ", "_"))
    table["diagnosis"] = data.target_names[table.pop("target")]
    path = out / "breast_cancer.csv"
    table.to_csv(path, index=False)
    return path, "diagnosis"


if __name__ == "__main__":
    raise SystemExit(main())
