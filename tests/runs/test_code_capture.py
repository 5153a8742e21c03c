"""The code of a run: `git apply` makes again what lay there; without secrets, and with nobody's index touched."""

import subprocess

import pytest

from blocks.runs.code_capture import capture
from blocks.runs.secret_values import Secrets


def git(folder, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path):
    """A repository, changed in every way since its commit."""
    root = tmp_path / "project"
    (root / "deep").mkdir(parents=True)
    git(root, "init", "--quiet")
    (root / "train.py").write_text("key = 'hunter22'\nepochs = 1\n")
    (root / "plain.py").write_text("a = 1\n")
    (root / "table.bin").write_bytes(bytes(range(256)))
    (root / "gone.py").write_text("old = 'hunter22'\n")
    (root / ".gitignore").write_text("ignored.py\n")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first")
    (root / "train.py").write_text("key = 'hunter22'\nepochs = 2\n")
    (root / "plain.py").write_text("a = 2\n")
    git(root, "add", "plain.py")
    (root / "plain.py").write_text("a = 3\n")
    (root / "table.bin").write_bytes(bytes(range(256)) * 2)
    (root / "gone.py").unlink()
    (root / "deep" / "ünt r.py").write_text("u = 'postgresql://me:tiger1@h/x'\nf(password=asked())\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "ignored.py").write_text("no\n")
    (root / "rows.csv").write_text("1,2\n")
    (root / "large.py").write_text("#" * (1 << 21))
    (root / "runs").mkdir()
    (root / "runs" / "record.py").write_text("no\n")
    return root


def applied(patch, root, into, commit):
    into.mkdir()
    git(into, "init", "--quiet")
    if commit:
        git(into, "pull", "--quiet", str(root), "HEAD")
    (into / ".git" / "patch").write_bytes(patch)
    git(into, "apply", "--index", ".git/patch")
    return {path: (into / path).read_bytes() for path in git(into, "ls-files", "-z").split("\0")[:-1]}


@pytest.mark.parametrize("kind", ["repository", "no commit", "no repository"])
def test_git_apply_makes_the_code_again(project, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("KEY", "hunter22")
    if kind != "repository":
        git(project, "update-ref", "-d", "HEAD")
    if kind == "no repository":
        (project / ".git").rename(tmp_path / "away")
    before = None if kind == "no repository" else git(project, "status", "--porcelain")
    code = capture(project / "deep", Secrets(["KEY"]), [project / "runs"])
    if kind == "no repository":  # then a folder is all that there is
        code = capture(project, Secrets(["KEY"]), [project / "runs"])
    else:
        assert git(project, "status", "--porcelain") == before
        git(project, "fsck", "--no-dangling")
    found = applied(code.patch, project, tmp_path / "again", kind == "repository")
    expected = {
        "train.py": b"key = '***'\nepochs = 2\n",
        "plain.py": b"a = 3\n",
        "deep/ünt r.py": b"u = 'postgresql://me:***@h/x'\nf(password=asked())\n",
        "run.sh": b"#!/bin/sh\n",
        ".gitignore": b"ignored.py\n",
    }
    if kind != "no repository":
        expected["table.bin"] = bytes(range(256)) * 2
    assert found == expected
    assert (tmp_path / "again" / "run.sh").stat().st_mode & 0o100
    assert git(tmp_path / "again", "write-tree").strip() == code.about["tree"]
    for secret in b"hunter22", b"tiger1":
        assert secret not in code.patch
    reasons = dict(code.about["left_out"])
    assert reasons["rows.csv"] == "no source file"
    assert "larger" in reasons["large.py"]
    assert sorted(code.about["scrubbed"]) == ["deep/ünt r.py", "train.py"]


def test_code_of_before_and_after_a_commit_is_the_same(project):
    for name in ("large.py", "rows.csv", "runs/record.py"):
        (project / name).unlink()
    (project / "deep" / "ünt r.py").unlink()
    before = capture(project, Secrets()).about
    git(project, "add", "-A")
    git(project, "commit", "--quiet", "-m", "second")
    after = capture(project, Secrets()).about
    assert before["tree"] == after["tree"]
    assert before["commit"] != after["commit"]
    assert capture(project, Secrets()).patch == b""


def test_without_git_that_is_said(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert capture(project, Secrets()).about["why"] == "there is no git"
