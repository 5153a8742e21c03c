"""Images: a folder of photos, a class folder each, to one exported model that takes their encoded bytes.

    python examples/images.py                        # two kinds of made-up drawings
    python examples/images.py --data FOLDER --rows 400 --epochs 2          # CLASS/*.jpg: a sample of it first
    python examples/images.py --data FOLDER --epochs 20                    # then the same program on everything

The photos are decoded once, into a store of pixels; training streams that. What comes out is an export whose answers
are those of the store, bit for bit in the pixels, and what it says of one photo.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors


def drawings(folder: Path, count: int = 160) -> Path:
    """Discs and squares in any colour and place, as JPEG."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    for number in range(count):
        label = ("disc", "square")[number % 2]
        (top, left), radius = random.integers(10, 22, 2), random.integers(5, 9)
        far = np.stack([abs(rows - top), abs(columns - left)])
        inside = (far**2).sum(axis=0) < radius**2 if label == "disc" else far.max(axis=0) < radius
        pixels = np.where(inside[..., None], *random.integers(0, 256, (2, 3)))
        (folder / label).mkdir(parents=True, exist_ok=True)
        jpeg = tf.io.encode_jpeg((pixels + random.normal(0, 8, pixels.shape)).clip(0, 255).astype("uint8"))
        (folder / label / f"{number:04}.jpg").write_bytes(jpeg.numpy())
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of photos, a class folder each")
    parser.add_argument("--rows", type=int, help="of so many photos alone, a sample (default: all)")
    parser.add_argument("--size", type=int, default=32, help="pixels a side (default: 32)")
    parser.add_argument("--epochs", type=int, default=8, help="0 for as long as it helps (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("demo/images"), help="folder for what is made")
    options = parser.parse_args()
    folder = options.data or drawings(Path(tempfile.mkdtemp()))

    source = blocks.read(folder, format="images")  # path, image (bytes), label
    if options.rows:
        source = source.sample(options.rows, seed=0)
    splits = source.split(train=0.7, valid=0.1, test=0.2, key="path")

    model = blocks.Model(
        preprocessor=preprocessors.Columns({"image": preprocessors.Image(options.size)}),
        feature_extractor=feature_extractors.ConvNet([12, 24, 48], augment=("flip", "crop", "color")),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(splits["train"])
    store = model.precompute(splits, options.out / "store", keys=["path"], overwrite=True)
    model.fit(store["train"], validation_data=store["valid"], epochs=options.epochs or None, batch_size=16)
    model.calibrate(store["valid"])
    found = model.evaluate(store["test"])
    print(f"{len(store['train'])} photos trained on, accuracy of {len(store['test'])} others {found['accuracy']:.3f}")

    model.export(options.out / "export")
    print(blocks.verify(options.out / "export", splits["test"], store["test"]))
    photo = splits["test"].head(1)
    answer = model.predict(photo)
    print(f"{photo['path'][0].as_py()}: {answer['label'][0]}, {answer['confidence'][0]:.2f} sure")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
