"""Claims: images are decoded once, at the speed of tf.data, and streamed many times faster than that.

And what a small network learns from 5,000 of them:

    python benchmarks/images.py [FOLDER]                    # class folders of small JPEGs; else made-up ones
    python benchmarks/images.py FOLDER --accuracy SEED      # FOLDER holds train/ and test/: one run of one seed

CPU seconds of all threads, side by side in one run, in turns: `precompute` of a folder of JPEGs, reading and writing
included, against `tf.data` that reads, decodes and resizes in parallel and writes nothing; the stream of the store
against `h5py`'s `read_direct` of the same bytes, and against that decoding.
"""

import glob
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
from measure import publish

import blocks
from blocks import classifiers, feature_extractors, preprocessors

SIDE, MADE_UP, REPEATS = 32, 5_000, 5
EPOCHS, BATCH, RATE = 26, 64, 0.08


def made_up(folder: Path) -> Path:
    """A folder of two classes of JPEGs, about as large as CIFAR-10's."""
    random = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
    for number in range(MADE_UP):
        coarse = random.integers(0, 256, (8, 8, 3)).astype("float32")
        pixels = tf.cast(tf.image.resize(coarse, (SIDE, SIDE)), tf.uint8)
        (folder / "ab"[number % 2] / f"{number}.jpg").write_bytes(tf.io.encode_jpeg(pixels, quality=95).numpy())
    return folder


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of all threads of a call."""
    before = os.times()
    work()
    after = os.times()
    return after.user + after.system - before.user - before.system


def model_of(seed: int = 0, **options: Any) -> blocks.Model:
    """A small residual network over small images."""
    return blocks.Model(
        preprocessor=preprocessors.Columns({"image": preprocessors.Image(SIDE)}),
        feature_extractor=feature_extractors.ConvNet(**options),
        head=classifiers.Softmax("label", label_smoothing=0.1),
        seed=seed,
    )


def decode(folder: str) -> None:
    """What `tf.data` takes to read, decode and resize, without writing."""

    def image(path: Any) -> Any:
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.cast(tf.image.resize(pixels, (SIDE, SIDE)), tf.uint8)

    files = sorted(glob.glob(f"{folder}/*/*.jpg"))
    data = tf.data.Dataset.from_tensor_slices(files).map(image, num_parallel_calls=tf.data.AUTOTUNE)
    for _ in data.batch(256).prefetch(2):
        pass


def stream(split: Any, passes: int, shuffle: bool) -> None:
    """The store's batches, with their targets."""
    for epoch in range(passes):
        for _ in split.stream(batch_size=256, shuffle=shuffle, seed=0, epoch=epoch):
            pass


def read_direct(path: str, passes: int) -> None:
    """The same bytes by h5py, in order, into one array."""
    for _ in range(passes):
        for file in sorted(glob.glob(f"{path}/*.h5")):
            with h5py.File(file) as opened:
                pixels = opened["features/image"]
                out = np.empty((256, *pixels.shape[1:]), pixels.dtype)
                for start in range(0, len(pixels) - 255, 256):
                    pixels.read_direct(out, np.s_[start : start + 256])


def measure(folder: Path) -> None:
    """Both sides of every claim."""
    source = blocks.read(folder, format="images")
    model = model_of()
    model.adapt(source, verbose=0)
    times: dict[str, list[float]] = {name: [] for name in ("precompute", "decode", "stream", "shuffled", "read_direct")}
    with tempfile.TemporaryDirectory() as scratch:
        model.precompute({"train": source.head(64)}, f"{scratch}/first", verbose=0)  # traced
        rows = 0
        for turn in range(REPEATS):
            path = f"{scratch}/{turn}"
            times["precompute"].append(cpu_seconds(partial(model.precompute, {"train": source}, path, verbose=0)))
            times["decode"].append(cpu_seconds(partial(decode, str(folder))))
            split = blocks.open_store(path)["train"]
            rows = len(split)
            passes = max(1, (1 << 31) // (rows * SIDE * SIDE * 3))  # of 2 GiB: clocks are coarse

            for name, shuffle in (("stream", False), ("shuffled", True)):
                times[name].append(cpu_seconds(partial(stream, split, passes, shuffle)) / passes)
            times["read_direct"].append(cpu_seconds(partial(read_direct, path, passes)) / passes)
    middle = {name: statistics.median(values) for name, values in times.items()}
    per_row = {name: f"{1e6 * value / rows:.1f} us" for name, value in middle.items()}
    claims = [
        {"claim": f"{what}, CPU time a row of {rows:,}", "ours": per_row[ours], "theirs": per_row[theirs],
         "ratio": middle[theirs] / middle[ours], "target": target}
        for what, ours, theirs, target in (
            ("precompute of JPEGs against tf.data without writing", "precompute", "decode", ">= 0.9"),
            ("stream of stored images in order against h5py.read_direct", "stream", "read_direct", ">= 0.5"),
            ("stream of stored images shuffled against h5py.read_direct in order", "shuffled", "read_direct", None),
            ("stream of stored images shuffled against decoding", "shuffled", "decode", ">= 20"),
        )
    ]  # fmt: skip
    publish("images", claims, {"rows": rows, "times": times})


def accuracy(folder: Path, seed: int) -> None:
    """One run from scratch: everything from reading on counts."""
    begin = os.times()
    splits = {name: blocks.read(folder / name, format="images") for name in ("train", "test")}
    model = model_of(seed, augment=("flip", "crop", "color", "cutout"))
    model.adapt(splits["train"], verbose=0)
    with tempfile.TemporaryDirectory() as scratch:
        store = model.precompute(splits, scratch, verbose=0)
        steps = -(-len(store["train"]) // BATCH)
        warm_up = 2 * steps
        rate = keras.optimizers.schedules.CosineDecay(
            RATE / 10, EPOCHS * steps - warm_up, warmup_target=RATE, warmup_steps=warm_up
        )
        model.compile(optimizer=keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4))
        history = model.fit(store["train"], epochs=EPOCHS, batch_size=BATCH, seed=seed, verbose=0)
        found = model.evaluate(store["test"], verbose=0)
    end = os.times()
    spent = end.user + end.system - begin.user - begin.system
    print(json.dumps({"seed": seed, **found, "train": history.history["accuracy"][-1], "cpu_seconds": spent}))


def main() -> None:
    given = sys.argv[1:]
    if "--accuracy" in given:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        accuracy(Path(given[0]), int(given[2]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.perf_counter()
        measure(Path(given[0]) if given else made_up(Path(scratch) / "photos"))
        print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
