"""What a user installs: build the wheel, check what is in it, and run the quickstart with it in an empty environment.

    python .ci/wheel.py [FOLDER]

Needs Python and pip alone. The wheel stays in FOLDER (default: dist); the environment, in a temporary folder, goes.
"""

import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


def main() -> int:
    """Build, check, install, run; 0 where all went well."""
    wheels = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        wheel = build(scratch / "source", wheels)
        differing = differences(wheel)
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.2f} MiB, {len(package_files())} files")
        for line in differing:
            print(line, file=sys.stderr)
        if differing:
            return 1
        begin = time.perf_counter()
        python = install(wheel, scratch / "environment")
        print(f"installed in {time.perf_counter() - begin:.0f} s")
        elsewhere = scratch / "elsewhere"
        elsewhere.mkdir()
        return run_quickstart(python, elsewhere)


def build(source: Path, wheels: Path, *options: str) -> Path:
    """The wheel, built from a copy: setuptools packs what an earlier build has left beside the sources as well.

    Args:
        source: The folder for the copy, which must not exist.
        wheels: The folder for the wheel.
        options: What else `pip wheel` is told, "--no-build-isolation" for instance.
    """
    shutil.copytree(ROOT / "blocks", source / "blocks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    aside = source / "dist"
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *options, "--wheel-dir", aside, source)
    (built,) = aside.glob("*.whl")
    wheels.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(built, wheels))


def package_files() -> set[str]:
    """Every file of the package: its code, and what it reads beside it."""
    found = (path for path in (ROOT / "blocks").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def differences(wheel: Path) -> list[str]:
    """What the wheel lacks of the package, and what it holds besides it and its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = package_files()
    return [
        *(f"The wheel lacks {name}: name it in [tool.setuptools.package-data]." for name in sorted(wanted - packed)),
        *(f"The wheel holds {name}, which is no part of the package." for name in sorted(packed - wanted)),
    ]


def install(wheel: Path, environment: Path) -> Path:
    """A new environment with the wheel and what it depends on; its Python."""
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--constraint", CONSTRAINTS, wheel)
    return python


def run_quickstart(python: Path, folder: Path) -> int:
    """Run it on made-up rows in that folder; its exit status."""
    draw = random.Random(0)
    with open(folder / "people.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "age", "city", "label"])
        for i in range(600):
            age, city = draw.gauss(40, 12), draw.choice(["Rome", "Oslo", ""])
            rows.writerow([i, f"{age:.1f}", city, "yes" if age + 10 * (city == "Rome") > 42 else "no"])
    found = run(python, "-c", "import blocks; print(blocks.__file__)", folder=folder).strip()
    if not Path(found).is_relative_to(python.parent.parent):
        print(f"The environment imports blocks from {found}, not the wheel.", file=sys.stderr)
        return 1
    options = ["--data", "people.csv", "--target", "label", "--key", "id", "--epochs", "2"]
    print(run(python, ROOT / "examples" / "quickstart.py", *options, folder=folder))
    return 0


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Run a command without this process's PYTHONPATH; what it printed. Its errors go to ours."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
