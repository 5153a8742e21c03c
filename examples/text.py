"""Texts beside numbers and categories: from raw mails to one SavedModel that takes the words, and says which mattered.

    python examples/text.py                  # made-up mails to a support desk, with two columns more
    python examples/text.py --data FOLDER    # sms.tsv in it: messages alone, spam or not
    python examples/text.py --rows 300       # the same program on a sample, before it runs on everything

Each text is read twice: as a bag of hashed n-grams, which is hard to beat, and as subwords by a small convolution,
which knows the order of neighbours. Equal texts are in one part, or the test would ask for what was learned by heart.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

SAID = {
    "refund": ["i want my money back", "please refund the order", "charged twice for one parcel"],
    "delivery": ["the parcel has not arrived", "where is my order", "tracking shows no parcel for days"],
    "account": ["i cannot log in", "please change my address", "the password link does not work"],
}
FILLED = ["Hello,", "please help!", "thanks", "since Monday", "order {}", "regards, {}", "this is urgent", "again..."]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of sms.tsv")
    parser.add_argument("--rows", type=int, help="so many rows alone")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", default="demo/text", help="folder for what is written (default: demo/text)")
    options = parser.parse_args(arguments)
    out = Path(options.out)

    table = messages(Path(options.data)) if options.data else mails(600)
    if options.rows:
        table = table.take(np.random.default_rng(0).permutation(len(table))[: options.rows])
    splits = blocks.read(table).split(train=0.7, valid=0.1, test=0.2, key="text")
    print(f"1. read        {len(table):,} rows of {', '.join(table.schema.names)}")

    # one column, two chains: an entry of the features each; the other columns as they ask for
    words = [preprocessors.Normalize(), preprocessors.HashedNGrams(1 << 14, words=(1, 2), characters=(3, 4))]
    columns = {
        "text": (words, preprocessors.Subword(1000, output_length=48)),
        "plan": preprocessors.Vocabulary(),
        "orders": [preprocessors.Log1p(), preprocessors.Standardize()],
    }
    model = blocks.Model(
        preprocessor=preprocessors.Columns({name: columns[name] for name in columns if name in table.schema.names}),
        feature_extractor=feature_extractors.Joined(
            {
                "text": feature_extractors.EmbeddingBag(16, dropout=0.2),
                "text_subword": feature_extractors.TextCNN(16, sizes=[1, 2, 3], dim=16),
            }
        ),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(splits["train"], verbose=0)
    print(f"2. adapt       {model.preprocessor.spec}")
    store = model.precompute(splits, out / "store", verbose=0)
    model.fit(store["train"], validation_data=store["valid"], epochs=options.epochs, verbose=0)
    model.calibrate(store["valid"])
    found = model.evaluate(store["test"], verbose=0)
    share = max(np.unique(splits["train"].to_table()["label"], return_counts=True)[1]) / len(splits["train"].to_table())
    print(f"3. fit         accuracy {found['accuracy']:.3f} on the test, where the commonest label is {share:.3f}")

    export = out / "export"
    model.export(export)
    report = blocks.verify(export, splits["test"], store["test"], verbose=False)
    print(f"4. export      {'bit for bit as offline' if report.ok else report}")
    row = splits["test"].to_table().slice(0, 1).to_pylist()[0]
    explained = blocks.explain(model, row, background=splits["train"], method=blocks.evaluate.Lime(n_samples=1024))
    print("5. explain     " + "\n               ".join(str(explained).splitlines()[:6]))
    return 0


def messages(folder: Path) -> pa.Table:
    """The messages of the UCI collection; quotes are text in this file."""
    return blocks.read(
        folder / "sms.tsv", delimiter="\t", quote_char=False, column_names=["label", "text"]
    ).to_table()  # fmt: skip


def mails(rows: int) -> pa.Table:
    """Mails made up of phrases, and what is known of who wrote them; one in ten asks for two things."""
    random = np.random.default_rng(0)
    labels = random.choice(list(SAID), rows)
    texts = []
    for label in labels:
        asked = [random.choice(SAID[label]), *random.choice(FILLED, 3)]
        asked += [random.choice(SAID[random.choice(list(SAID))])] * (random.random() < 0.1)
        random.shuffle(asked)
        texts.append(" ".join(asked).format(*random.integers(1, 9999, 3)))
    return pa.table(
        {
            "text": texts,
            "plan": np.where(random.random(rows) < 0.2, "business", "private"),
            "orders": random.poisson(3, rows),
            "label": labels,
        }
    )


if __name__ == "__main__":
    raise SystemExit(main())
