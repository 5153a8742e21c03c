"""Whole or not at all: what lies aside, who may write, what a failure leaves, and what its error says."""

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from blocks.errors import StoreError, WriteError
from blocks.files.durable import TEMPORARY, whole_file, whole_folder, write_bytes, write_text
from blocks.files.write_errors import as_os_error, explained


def test_a_failure_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "a"
    write_text(path, "old")

    def interrupted():
        with whole_file(path) as file:
            file.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_killed_writers_remains_are_taken_up(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from blocks.files.durable import whole_file, whole_folder
with whole_file({str(tmp_path / "a")!r}) as file, whole_folder({str(tmp_path / "b")!r}) as folder:
    file.write_text("half")
    (folder / "below").mkdir()
    (folder / "below" / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code])
    assert sorted(os.listdir(tmp_path)) == [".tmp-a", ".tmp-b"]
    with whole_file(tmp_path / "a") as file:
        assert file.read_bytes() == b""
    with whole_folder(tmp_path / "b") as folder:
        assert os.listdir(folder) == []
        (folder / "c").write_text("c")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert os.listdir(tmp_path / "b") == ["c"]


def test_many_writers_at_once_leave_one_whole_file(tmp_path):
    texts = [str(number) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in texts
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_has_one_writer_and_is_never_replaced(tmp_path):
    with whole_folder(tmp_path / "a"), pytest.raises(BlockingIOError), whole_folder(tmp_path / "a"):
        pass
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == ["a"]


def test_links_and_permissions_stay(tmp_path):
    write_text(tmp_path / "target", "old")
    (tmp_path / "target").chmod(0o640)
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("trap", ["symlink", "hard link", "fifo", "folder"])
def test_what_lies_aside_and_is_not_ours_stays_untouched(tmp_path, trap):
    victim, aside = tmp_path / "victim", tmp_path / f"{TEMPORARY}a"
    victim.write_text("precious")
    make = {"symlink": aside.symlink_to, "hard link": aside.hardlink_to}.get(trap)
    if make:
        make(victim)
    elif trap == "fifo":
        os.mkfifo(aside)
    else:
        aside.mkdir()
    write_text(tmp_path / "a", "new")
    assert victim.read_text() == "precious"
    assert (tmp_path / "a").read_text() == "new"


def test_a_name_as_long_as_names_can_be(tmp_path):
    for name in ("x" * 249 + ".keras", "é" * 127):
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).read_text() == "new"


@pytest.mark.parametrize(
    ("make", "number", "fix"),
    [
        (lambda folder: folder / "none" / "a", errno.ENOENT, "make it, or choose another path"),
        (lambda folder: folder, errno.EISDIR, "choose another path"),
        (lambda folder: Path("/dev/null"), errno.EINVAL, "no place for a file"),
        (lambda folder: folder / ("x" * 300), errno.ENAMETOOLONG, "the name is too long"),
    ],
)
def test_refusals_name_the_fix(tmp_path, make, number, fix):
    with pytest.raises(WriteError, match=fix) as caught, explained(make(tmp_path)):
        write_bytes(make(tmp_path), b"")
    assert caught.value.errno == number
    assert os.listdir(tmp_path) == []


def test_every_error_of_a_full_disk_is_known():
    full = OSError(errno.ENOSPC, "No space left on device")
    h5py = RuntimeError("Unable to decrement id (file write failed: errno = 28, error message = 'No space')")
    followed = RuntimeError("flush failed")
    followed.__context__ = full
    for error in (full, h5py, followed):
        assert as_os_error(error).errno == errno.ENOSPC
        again = "free space and repeat the same call, it resumes"
        with pytest.raises(StoreError, match=again) as caught, explained("store", StoreError):
            raise error
        assert caught.value.__cause__ is error
    assert as_os_error(RuntimeError("a bug")) is None
    with pytest.raises(RuntimeError, match="a bug"), explained("x"):
        raise RuntimeError("a bug")


def test_nothing_else_gives_a_file_its_name():
    """One way to write whole files: no other module renames what it wrote, or makes temporary files of its own."""
    root = Path(__file__).parents[2] / "blocks"
    renames = re.compile(r"os\.(replace|rename)\(|mkstemp|NamedTemporaryFile")
    allowed = {"files/durable.py", "store/formats/hdf5.py"}
    found = {str(file.relative_to(root)) for file in root.rglob("*.py") if renames.search(file.read_text())}
    assert found <= allowed
