"""Claim: a bag of n-grams beats linear models on the bodies of 20 newsgroups within a minute of CPU time, and on SMS.

    BLOCKS_DATA=FOLDER python benchmarks/texts.py [--seeds 3] [--only bag,cnn,transformer,sms]

Needs the folder of real data. The newsgroups are bodies without headers, quotes and signatures (scikit-learn's rules);
the last fifth of each class by date is the test. How the bag is made was chosen on the last fifth of each class among
the training rows, as is its number of epochs. Its vectors begin as the classes' log-odds (complement naive Bayes on the
training rows, a sum for each column), and a few epochs of training follow. Seconds are CPU seconds of the process, from
raw rows to answers. The messages are split by the hash of their text, so that equal ones are in one part.
"""

import argparse
import email.utils
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from measure import publish
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.svm import LinearSVC

import blocks
from blocks import classifiers, feature_extractors, preprocessors

QUOTE = re.compile(r"(writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>)")
BUCKETS = 1 << 18
SPARSE = "text"


def body(post: str) -> str:
    """A post without its header, quoted lines and signature, by the rules of scikit-learn's `fetch_20newsgroups`."""
    lines = post.partition("\n\n")[2].split("\n")
    lines = "\n".join(line for line in lines if not QUOTE.search(line)).strip().split("\n")
    last = next((n for n in range(len(lines) - 1, -1, -1) if not lines[n].strip().strip("-")), 0)
    return "\n".join(lines[:last] if last > 0 else lines)


def date(post: str) -> float:
    """When a post was sent, in seconds since 1970."""
    header = post.partition("\n\n")[0]
    found = re.search(r"^Date: *(.*(?:\n[ \t].*)*)$", header, re.MULTILINE)
    parsed = email.utils.parsedate_tz(found.group(1)) if found else None
    return 0.0 if parsed is None else email.utils.mktime_tz(parsed)


def newsgroups(folder: Path) -> dict[str, pa.Table]:
    """Training and test rows, and the first and last of the training rows to choose on: text, label."""
    posts = blocks.read(folder / "newsgroups20/20_newsgroups.tar.gz", format="texts", encoding="latin-1").to_table()
    texts = posts["text"].to_pylist()
    order = np.lexsort([posts["path"].to_numpy(zero_copy_only=False), [*map(date, texts)]])
    labels = posts["label"].to_numpy(zero_copy_only=False)
    table = pa.table({"text": [*map(body, texts)], "label": labels})
    parts: dict[str, list[np.ndarray]] = {"train": [], "test": [], "first": [], "last": []}
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        train, test = np.split(rows, [int(len(rows) * 0.8)])
        first, last = np.split(train, [int(len(train) * 0.8)])
        for name, part in zip(parts, (train, test, first, last), strict=True):
            parts[name].append(part)
    return {name: table.take(np.concatenate(rows)) for name, rows in parts.items()}


def log_odds(rows: Any, labels: np.ndarray, classes: int, smoothing: float = 1.0) -> np.ndarray:
    """Complement naive Bayes' weights of sparse rows: (columns, classes), their mean over classes 0."""
    owner = np.repeat(labels, rows.lengths)
    cells = rows.indices.astype(np.int64) * classes + owner
    sums = np.bincount(cells, rows.values, rows.columns * classes).reshape(rows.columns, classes)
    others = sums.sum(axis=1, keepdims=True) - sums + smoothing
    weights = -np.log(others / others.sum(axis=0))
    return (weights - weights.mean(axis=1, keepdims=True)).astype(np.float32)


def cpu() -> float:
    """CPU seconds of this process."""
    times = os.times()
    return times.user + times.system


def fitted(
    train: pa.Table,
    chain: Any,
    extractor: Any,
    seed: int,
    epochs: int,
    start: Callable[[Any, Any], None] | None = None,
    smoothing: float = 0.1,
    **compiled: Any,
) -> Any:
    """A model adapted and trained on a store of the rows."""
    keras.utils.set_random_seed(seed)
    model = blocks.Model(
        preprocessor=preprocessors.Columns({SPARSE: chain}),
        feature_extractor=extractor,
        head=classifiers.Softmax("label", label_smoothing=smoothing),
        seed=seed,
    )
    source = blocks.read(train)
    model.adapt(source, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        store = model.precompute({"train": source}, folder, verbose=0)
        if start is not None:
            start(model, store["train"].read())
        model.compile(**compiled)
        model.fit(store["train"], epochs=epochs, batch_size=256, verbose=0)
    return model


def from_log_odds(model: Any, rows: Any) -> None:
    """Begin where naive Bayes is: the vectors are log-odds, and the head's matrix a multiple of 1."""
    classes = len(model.head.classes)
    model.feature_extractor.set_weights([log_odds(rows.features[SPARSE], np.asarray(rows.target), classes)])
    model.head.set_weights([5.0 * np.eye(classes, dtype=np.float32), np.zeros(classes, np.float32)])


def bag(train: pa.Table, seed: int) -> Any:
    """The bag of hashed words and pairs of words."""
    chain = [preprocessors.Normalize(strip_accents=False, collapse_spaces=False)]
    chain += [preprocessors.HashedNGrams(BUCKETS, words=(1, 2), sublinear_tf=True, min_rows=2)]
    extractor = feature_extractors.EmbeddingBag(20, dropout=0.5)
    optimizer = keras.optimizers.SGD(0.12, momentum=0.9)
    return fitted(train, chain, extractor, seed, 2, from_log_odds, optimizer=optimizer)


def neural(make: Callable[[], Any], epochs: int) -> Callable[[pa.Table, int], Any]:
    """An extractor of subwords, trained from nothing."""

    def of(train: pa.Table, seed: int) -> Any:
        chain = preprocessors.Subword(8000, output_length=192)
        return fitted(train, chain, make(), seed, epochs, optimizer=keras.optimizers.Adam(1e-3))

    return of


OURS: dict[str, Callable[[pa.Table, int], Any]] = {
    "bag": bag,
    "cnn": neural(lambda: feature_extractors.TextCNN(64, sizes=[1, 2, 3], dropout=0.5), 6),
    "transformer": neural(lambda: feature_extractors.TextTransformer(64, depth=1, dropout=0.3), 6),
}

LINEAR: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: LogisticRegression(max_iter=200),
    "linear SVM": lambda: LinearSVC(C=0.3),
    "naive Bayes": lambda: MultinomialNB(alpha=0.01),
    "complement naive Bayes": lambda: ComplementNB(alpha=0.5),
}


def measured(make: Callable[[pa.Table, int], Any], train: pa.Table, test: pa.Table, seed: int) -> dict[str, float]:
    """Accuracy on the test, and CPU seconds."""
    begin = cpu()
    model = make(train, seed)
    # the class by its place, which head and answers share
    place = np.argmax(model.predict(blocks.read(test.select(["text"])), batch_size=256)["probabilities"], axis=1)
    right = np.asarray(model.head.classes, object)[place] == test["label"].to_numpy(zero_copy_only=False)
    return {"accuracy": float(right.mean()), "seconds": cpu() - begin}


def linear(make: Callable[[], Any], train: pa.Table, test: pa.Table) -> dict[str, float]:
    """The same of a linear model of scikit-learn over TF-IDF of words."""
    begin = cpu()
    words = TfidfVectorizer()
    model = make().fit(words.fit_transform(train["text"].to_pylist()), train["label"].to_pylist())
    found = model.predict(words.transform(test["text"].to_pylist()))
    accuracy = float(np.mean(found == test["label"].to_numpy(zero_copy_only=False)))
    return {"accuracy": accuracy, "seconds": cpu() - begin}


def sms(folder: Path) -> dict[str, pa.Table]:
    """The messages, equal texts in one part. Quotes are text in this file."""
    lines = blocks.read(
        folder / "sms_spam/sms.tsv", delimiter="\t", quote_char=False, column_names=["label", "text"]
    )  # fmt: skip
    return {name: part.to_table() for name, part in lines.split(train=0.8, test=0.2, key="text").items()}


def bag_of_messages(train: pa.Table, seed: int) -> Any:
    """The bag of words, pairs, and runs of characters."""
    grams = preprocessors.HashedNGrams(1 << 16, words=(1, 2), characters=(2, 5), sublinear_tf=True)
    # in five folds of the training rows, logistic regression on these columns was best where hardly regularised
    return fitted(
        train, grams, feature_extractors.EmbeddingBag(8), seed, 16, smoothing=0.0, optimizer=keras.optimizers.Adam(5e-3)
    )


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--only", default="linear,bag,cnn,transformer,sms")
    asked.add_argument("--choose", action="store_true", help="the last training rows instead of the test's")
    options = asked.parse_args()
    if "BLOCKS_DATA" not in os.environ:
        print("skipped: BLOCKS_DATA does not name the folder of real data")
        return
    folder, wanted = Path(os.environ["BLOCKS_DATA"]), options.only.split(",")
    warnings.simplefilter("ignore")
    details: dict[str, Any] = {}

    def note(name: str, found: dict[str, float]) -> None:
        details.setdefault(name, []).append(found)
        print(name, found, flush=True)

    if set(wanted) & {"linear", *OURS}:
        parts = newsgroups(folder)
        train, test = (parts["first"], parts["last"]) if options.choose else (parts["train"], parts["test"])
        for name in LINEAR if "linear" in wanted else ():
            note(name, linear(LINEAR[name], train, test))
        for name in [name for name in OURS if name in wanted]:
            for seed in range(options.seeds):
                note(name, measured(OURS[name], train, test, seed))
    if "sms" in wanted:
        messages = sms(folder)
        hardly = LogisticRegression(C=100.0, max_iter=200)
        note("sms, logistic regression", linear(lambda: hardly, messages["train"], messages["test"]))
        for seed in range(options.seeds):
            note("sms, bag", measured(bag_of_messages, messages["train"], messages["test"], seed))
    means = {name: np.mean([found["accuracy"] for found in runs]) for name, runs in details.items()}
    seconds = {name: np.mean([found["seconds"] for found in runs]) for name, runs in details.items()}
    claims = []
    for name, peer, target in [
        ("bag", "logistic regression", ">= 1.027"),
        ("cnn", "bag", None),
        ("transformer", "bag", None),
        ("sms, bag", "sms, logistic regression", None),
    ]:
        if name in means and peer in means:
            claims.append(
                {
                    "claim": f"accuracy of {name} in {seconds[name]:.0f} CPU s, beside {peer} in {seconds[peer]:.0f}",
                    "ours": f"{means[name]:.4f}",
                    "theirs": f"{means[peer]:.4f}",
                    "ratio": means[name] / means[peer],
                    "target": target,
                }
            )
    publish("texts", claims, details)


if __name__ == "__main__":
    sys.exit(main())
