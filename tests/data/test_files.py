"""What a path stands for: pipes and devices say what they are, whatever way they are named."""

import os
import pathlib
import socket
import threading

import pyarrow.csv as pacsv
import pytest

import blocks.data
from blocks.data.files import format_of, resolve
from blocks.data.formats import EXTENSIONS, FORMATS, Format
from blocks.errors import InvalidArgument, MalformedData

ADVICE = "A source is read several times.*cat PIPE > rows.csv.*pyarrow.csv.read_csv"


@pytest.mark.parametrize("format", [None, "csv", "parquet", "ipc", "orc", "json"])
def test_a_pipe_is_refused_whatever_format_it_would_have(tmp_path: pathlib.Path, format) -> None:
    path = tmp_path / "rows.csv"
    os.mkfifo(path)
    with pytest.raises(InvalidArgument, match=f"rows.csv' is a pipe.*{ADVICE}"):
        blocks.data.read(path, format=format)


def test_a_pipe_is_refused_in_a_list_a_glob_and_a_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    os.mkfifo(tmp_path / "b.csv")
    for data in ([tmp_path / "a.csv", tmp_path / "b.csv"], f"{tmp_path}/*.csv", tmp_path):
        with pytest.raises(InvalidArgument, match=r"b\.csv' is a pipe"):
            blocks.data.read(data)
    (tmp_path / "b.csv").unlink()
    os.mkfifo(tmp_path / "control")  # nobody would take this for rows
    assert blocks.data.read(tmp_path).count() == 1


def test_devices_and_sockets_say_what_they_are(tmp_path: pathlib.Path) -> None:
    for path in ("/dev/null", "/dev/zero"):
        with pytest.raises(InvalidArgument, match=f"'{path}' is a character device"):
            blocks.data.read(path, format="csv")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s.csv"))
        with pytest.raises(InvalidArgument, match="is a socket"):
            blocks.data.read(tmp_path / "s.csv")


def test_the_standard_input_is_a_pipe_and_the_advice_reads_it(tmp_path: pathlib.Path) -> None:
    def filled() -> int:
        """A pipe that holds rows, as the shell gives it: /dev/stdin is /dev/fd/0."""
        ours, theirs = os.pipe()
        threading.Thread(target=lambda: (os.write(theirs, b"x,y\n1,a\n2,b\n"), os.close(theirs))).start()
        return ours

    pipe = filled()
    with pytest.raises(InvalidArgument, match=f"/dev/fd/{pipe}' is a pipe"):
        blocks.data.read(f"/dev/fd/{pipe}", format="csv")
    with open(pipe, "rb") as stream:
        source = blocks.data.read(pacsv.read_csv(stream))
    assert source.to_table().to_pydict() == source.to_table().to_pydict() == {"x": [1, 2], "y": ["a", "b"]}
    with open(filled(), "rb") as stream:
        (tmp_path / "rows.csv").write_bytes(stream.read())
    assert blocks.data.read(tmp_path / "rows.csv").count() == 2


def test_a_format_of_its_own_may_begin_as_files_that_are_not_read(tmp_path: pathlib.Path, monkeypatch) -> None:
    for name in ("a.zipped", "a.csv"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 and so on")
    monkeypatch.setitem(FORMATS, "zipped", Format("zipped:read", (".zipped",), b"PK\x03\x04"))
    monkeypatch.setitem(EXTENSIONS, ".zipped", "zipped")
    assert format_of(resolve(tmp_path / "a.zipped")[0]) == "zipped"
    with pytest.raises(MalformedData, match="is a ZIP archive"):
        format_of(resolve(tmp_path / "a.csv")[0])


def test_no_password_of_a_url_is_shown():
    with pytest.raises(InvalidArgument, match="is no URI that Arrow can open") as error:
        blocks.read("s3x://me:hunter2@bucket/rows.parquet")
    assert "hunter2" not in str(error.value)
