"""The example of images, on a few photos where there are some, else on drawings."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "examples" / "images.py"


def test_the_example_trains_and_exports(tmp_path):
    arguments = ["--out", str(tmp_path / "out"), "--epochs", "1", "--size", "16", "--rows", "120"]
    packed = Path(os.environ.get("BLOCKS_DATA", "")) / "cifar10_jpeg" / "cifar10_jpeg.tar"
    if packed.is_file():
        with tarfile.open(packed) as tar:
            members = [one for one in tar.getmembers() if "/test/" in one.name]
            tar.extractall(tmp_path, members, filter="data")
        arguments += ["--data", str(tmp_path / "cifar10_jpeg" / "test")]
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "photos trained on, accuracy of" in done.stdout
    assert "differing bits in 0" in done.stdout
