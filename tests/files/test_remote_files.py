"""Both libraries' file systems answer the same calls alike."""

import errno
import uuid

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from blocks.files.place import Remote
from blocks.files.remote_files import ArrowFiles, TensorFlowFiles, os_errors


@pytest.fixture(params=["pyarrow", "TensorFlow"])
def files_and_folder(request, tmp_path):
    if request.param == "pyarrow":
        return ArrowFiles(pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())), "folder"
    return TensorFlowFiles("ram"), f"ram://{uuid.uuid4().hex}/folder"


def test_the_same_calls(files_and_folder, tmp_path):
    files, folder = files_and_folder
    assert (files.kind(folder), files.names(folder)) == ("NotFound", [])
    files.make_folder(f"{folder}/below")
    files.make_folder(folder)
    assert files.kind(folder) == "Directory"
    local = tmp_path / "local"
    local.write_bytes(b"0123456789")
    files.write(f"{folder}/a", local)
    files.write(f"{folder}/b", b"bytes")
    assert sorted(files.names(folder)) == ["a", "b", "below"]
    assert (files.kind(f"{folder}/a"), files.size(f"{folder}/a")) == ("File", 10)
    with files.open(f"{folder}/a") as file:
        assert bytes(file.read_at(4, 3)) == b"3456"
        assert bytes(file.read_at(4, 8)) == b"89"
        file.seek(5)
        buffer = bytearray(3)
        assert (file.readinto(buffer), bytes(buffer)) == (3, b"567")
    files.rename(f"{folder}/b", f"{folder}/a")
    assert files.names(folder).count("b") == 0
    assert files.size(f"{folder}/a") == 5
    files.delete(f"{folder}/a")
    for call in (lambda: files.size(f"{folder}/a"), lambda: files.open(f"{folder}/a").read_at(1, 0)):
        with pytest.raises(FileNotFoundError), os_errors():
            call()
    files.delete_folder(folder)
    assert files.kind(folder) != "Directory" or not files.names(folder)


@pytest.mark.parametrize("error", [OSError("HTTP 503"), pa.ArrowInvalid("no such host"), pa.ArrowException("x")])
def test_what_has_no_number_is_out_of_reach(error):
    with pytest.raises(OSError) as caught, os_errors():  # noqa: PT011
        raise error
    assert (caught.value.errno, caught.value.strerror) == (errno.EIO, str(error))


def test_a_url_shows_no_secret():
    place = Remote("s3://key:secret@bucket//a/?region=eu-west-1&endpoint_override=localhost:1&scheme=http") / "b"
    assert str(place) == "s3://bucket/a/b?region=eu-west-1&endpoint_override=localhost:1&scheme=http"
    assert place.__fspath__() == str(place).replace("bucket", "key:secret@bucket")
    assert (place.name, str(place.parent / "b"), place._path) == ("b", str(place), "bucket/a/b")
