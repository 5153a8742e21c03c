"""The main job, end to end: from a table to one SavedModel that answers exactly as it was trained.

    python examples/quickstart.py                                  # breast cancer, the data that scikit-learn ships
    python examples/quickstart.py --data FILE --target COLUMN      # your CSV, Parquet or Feather file

What is printed is a line a step: what was inferred of each column, the passes over the data, held-out metrics, where
the SavedModel is, the proof that it computes the same bits as the training did, and how to call it.
"""

import argparse
from pathlib import Path

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors

FEW = 50  # a target of more distinct numbers than this is predicted as a number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="CSV, Parquet or Feather file, folder or glob")
    parser.add_argument("--target", help="column to predict")
    parser.add_argument("--exclude", nargs="*", default=[], help="columns to leave out (identifiers, leaks)")
    parser.add_argument("--key", help="column that identifies a row: its hash decides the split")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", default="demo", help="folder for store, model and export (default: demo)")
    options = parser.parse_args()
    if (options.data is None) != (options.target is None):
        parser.error("--data and --target go together")
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    path, target = (options.data, options.target) if options.data else breast_cancer(out)

    source = blocks.read(path)
    print(f"1. read        {path}: {source.count():,} rows, {len(source.schema)} columns")
    splits = source.split(train=0.8, valid=0.1, test=0.1, key=options.key)
    counts = ", ".join(f"{name} {split.count():,}" for name, split in splits.items())
    print(f"2. split       {counts} rows, by {'the hash of ' + options.key if options.key else 'seeded position'}")
    excluded = [target, *options.exclude, *([options.key] if options.key else [])]
    columns = preprocessors.Columns.infer(splits["train"], exclude=excluded)
    print("3. infer")
    print("      " + str(columns).replace("\n", "\n      "))

    head = choose_head(source, target)
    model = blocks.Model(
        preprocessor=columns,
        feature_extractor=feature_extractors.MLP([128, 64]),
        head=head,
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()]
        if isinstance(head, classifiers.Softmax)
        else [],
        seed=0,
    )
    model.adapt(splits["train"])
    print(f"4. adapt       {model.passes} pass over the training rows; {type(head).__name__} of {target!r}")
    store = model.precompute(splits, out / "store", overwrite=True)
    print(f"5. precompute  {out / 'store'}: {sum(store.rows.values()):,} rows, {len(store.check())} problems")
    batch_size = 1024 if store["train"].rows > 20_000 else 32
    history = model.fit(
        store["train"], validation_data=store["valid"], epochs=options.epochs, batch_size=batch_size
    ).history
    print(f"6. fit         {options.epochs} epochs: loss {history['loss'][0]:.4f} > {history['loss'][-1]:.4f}")
    model.calibrate(store["valid"])
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in model.evaluate(store["test"]).items())
    print(f"7. evaluate    on the test rows: {metrics}")
    model.save(out / "model.keras")
    version = 1 + max([int(p.name) for p in (out / "export").glob("*") if p.name.isdigit()], default=0)
    export = out / "export" / str(version)
    model.export(export)
    print(f"8. export      {export} (SavedModel), {out / 'model.keras'}")
    report = blocks.verify(export, splits["test"], store["test"])
    print("9. verify      " + str(report).replace("\n", "\n               "))
    row = ", ".join(
        f"{name!r}: tf.constant({[value.as_py()]!r}, tf.{dtype})"
        for (name, dtype), value in zip(
            list(model.preprocessor.inputs.items())[:2],
            (splits["test"].head(1).column(name)[0] for name in list(model.preprocessor.inputs)[:2]),
            strict=True,
        )
    )
    more = len(model.preprocessor.inputs) - 2
    others = f"  # and so on, the other {more}" if more > 0 else ""
    print(f"""10. call it    anywhere TensorFlow runs, without blocks:

      import tensorflow as tf
      serve = tf.saved_model.load({str(export)!r}).signatures["serve"]
      columns = {{{row}}}{others}
      answers = serve(**columns)
""")
    return 0 if report.ok else 1


def breast_cancer(out: Path) -> tuple[Path, str]:
    """Write the data that ships with scikit-learn (Wisconsin, 569 rows) as the CSV that a user would have."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    table = data.frame.rename(columns=lambda name: name.replace(" ", "_"))
    table["diagnosis"] = data.target_names[table.pop("target")]
    path = out / "breast_cancer.csv"
    table.to_csv(path, index=False)
    return path, "diagnosis"


def choose_head(source: blocks.Source, target: str) -> classifiers.Softmax | regressors.Mean:
    """A classifier for text, booleans and few distinct numbers, a regressor for the rest."""
    import pyarrow.types as pt

    kind = source.schema.field(target).type
    if pt.is_floating(kind) or pt.is_decimal(kind):
        return regressors.Mean(target, on_bad_target="skip")
    if pt.is_integer(kind):
        distinct = blocks.statistics.Distinct()
        for chunk in source.chunks(columns=[target]):
            distinct.update(chunk.column(0))
        if distinct.result().estimate > FEW:
            return regressors.Mean(target, on_bad_target="skip")
    return classifiers.Softmax(target, on_bad_target="skip")


if __name__ == "__main__":
    raise SystemExit(main())
