"""DESIGN.md's program, "data in" and "inspect, clean, split, windows": every line that is built, word for word."""

import datetime
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import blocks

HOURS = 300


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the program names, small."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    dates = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n) for n in range(HOURS)]
    table = pa.table(
        {
            "date": dates * 2,
            "pair": ["eur"] * HOURS + ["usd"] * HOURS,
            "patient": random.integers(0, 60, 2 * HOURS),
            "open": random.normal(size=2 * HOURS),
            "close": random.normal(size=2 * HOURS),
            "label": random.choice(["no", "yes"], 2 * HOURS),
        }
    )
    pq.write_table(table, "rows.parquet")
    blocks.read(table).write("new.csv")
    blocks.read(table).write("sqlite:///shop.db", table="orders")
    import h5py

    with h5py.File("series.h5", "w") as file:
        file["features/open"] = table["open"].to_numpy()
    with tf.io.TFRecordWriter("part-0.tfrecord") as writer:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
        writer.write(tf.train.Example(features=tf.train.Features(feature={"id": feature})).SerializeToString())
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(tf.io.encode_png(np.zeros((2, 2, 3), np.uint8)).numpy())
    return table


def test_data_in(folder):
    orders = blocks.read("sqlite:///shop.db", table="orders")
    assert orders.count() == 2 * HOURS
    assert blocks.read("series.h5", group="features").schema.names == ["open"]
    assert blocks.read("part-*.tfrecord").to_table().to_pylist() == [{"id": 1}]
    photos = blocks.read("photos", format="images")
    assert photos.schema.names == ["path", "image", "label"]
    source = blocks.read("rows.parquet")
    source.write("clean.parquet")
    assert pq.read_table("clean.parquet").equals(folder)


def test_inspect_clean_split_windows(folder):
    source = blocks.read("rows.parquet")
    splits = source.split(train=0.7, valid=0.1, test=0.2, time="date", horizon="4h", embargo="1h")
    assert splits["train"].purged == 2 * 4  # of each pair the last hours, whose targets reach into the next part
    profile = blocks.describe(splits, target="label")
    print(profile)
    profile.save("data.html")
    assert "label" in Path("data.html").read_text()
    assert json.loads(profile.to_json())["rows"] == sum(part.count() for part in splits.values())
    schema = blocks.Schema.infer(splits["train"])
    schema.save("schema.json")
    schema = blocks.Schema.load("schema.json")
    problems = schema.validate(blocks.read("new.csv"))
    assert problems.schema.names == ["column", "kind", "expected", "found", "rows", "examples"]
    drift = blocks.evaluate.drift(splits["train"], blocks.read("new.csv"))
    assert drift.schema.names == ["column", "statistic", "value", "p_value", "effect", "alarm"]
    prices = source.select(["date", "pair", "open", "close"])
    targets = blocks.read(
        pa.table(
            {
                "date": folder["date"],
                "pair": folder["pair"],
                "target": pa.array([None if n % 50 == 0 else 1 for n in range(2 * HOURS)]),
            }
        )
    )
    clean = blocks.clean(
        {"prices": prices, "targets": targets},
        keys=["date", "pair"],
        rules={"targets": {"no target": pc.field("target").is_null()}},
        rejects="rejects.parquet",
    )
    rows = blocks.join(clean, keys=["date", "pair"])
    assert rows.count() == 2 * HOURS * 49 // 50
    assert rows.schema.names == ["date", "pair", "open", "close", "target"]
    splits = source.split(train=0.7, valid=0.1, test=0.2, group="patient", stratify="label")
    assert sum(part.count() for part in splits.values()) == 2 * HOURS
    folds = source.folds(5, group="patient", stratify="label", seed=0)
    assert [sorted(fold) for fold in folds] == [["train", "valid"]] * 5
    rows = blocks.windows(
        source,
        length=24,
        horizon=4,
        gap=0,
        by="pair",
        order="date",
        every="1h",
        columns=["open", "close"],
        target="close",
    )
    assert rows.schema.names == ["pair", "date", "open", "close", "close_ahead"]
    assert rows.count() == 2 * (HOURS - 24 - 4 + 1)
