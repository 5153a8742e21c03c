"""Swap: five feature extractors and two baselines on one store, with nothing adapted or precomputed again.

    python examples/swap.py                                  # breast cancer, the data that scikit-learn ships
    python examples/swap.py --data FILE --target COLUMN      # your CSV, Parquet or Feather file

The preprocessor is chosen for the table, adapted once and precomputed once. What is printed is a line a model: its
metrics on rows that none has seen, parameters, and time.
"""

import argparse
from pathlib import Path

from quickstart import breast_cancer, choose_head

import blocks
from blocks import feature_extractors

EXTRACTORS = {
    "auto": "auto",
    "MLP": feature_extractors.MLP([64, 32], dropout=0.1),
    "ResNet": feature_extractors.ResNet(64, depth=2),
    "DCN": feature_extractors.DCN(),
    "WideDeep": feature_extractors.WideDeep([64, 32]),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="CSV, Parquet or Feather file, folder or glob")
    parser.add_argument("--target", help="column to predict")
    parser.add_argument("--exclude", nargs="*", default=[], help="columns to leave out (identifiers, leaks)")
    parser.add_argument("--epochs", type=int, default=12, help="of each model; 0 for as long as it helps (default: 12)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", default="demo/swap", help="folder for the store (default: demo/swap)")
    options = parser.parse_args()
    if (options.data is None) != (options.target is None):
        parser.error("--data and --target go together")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    path, target = (options.data, options.target) if options.data else breast_cancer(out)

    source = blocks.read(path)
    source = source.select([name for name in source.schema.names if name not in options.exclude])
    splits = source.split(train=0.7, valid=0.15, test=0.15)
    model = blocks.Model(head=choose_head(source, target))
    model.adapt(splits["train"])
    print(f"{len(model.preprocessor.columns)} columns, adapted in {model.passes} pass; each model trains on one store")
    store = model.precompute(splits, out / "store", overwrite=True)

    models = {name: model.replace(feature_extractor=extractor) for name, extractor in EXTRACTORS.items()}
    found = blocks.compare(
        {**models, "linear": blocks.baselines.linear, "boosted": blocks.baselines.boosted},
        store,
        seeds=range(options.seeds),
        epochs=options.epochs or None,
    )
    print(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
