"""Folders of texts: one encoding, never guessed."""

import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import InvalidArgument, MalformedData


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    for name, content in {
        "de/1": "Füße\r\n".encode(),
        "de/2.txt": b"\xef\xbb\xbfmit BOM",
        "en/1": b"",
        "en/2": b"a",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_texts_are_what_the_files_hold(corpus):
    source = blocks.read(corpus, format="texts")
    assert source.schema == pa.schema({"path": pa.string(), "text": pa.string(), "label": pa.string()})
    assert source.to_table().to_pylist() == [
        {"path": "de/1", "text": "Füße\r\n", "label": "de"},
        {"path": "de/2.txt", "text": "mit BOM", "label": "de"},
        {"path": "en/1", "text": "", "label": "en"},
        {"path": "en/2", "text": "a", "label": "en"},
    ]


@pytest.mark.parametrize(
    ("encoding", "raw"), [("latin-1", b"F\xfc"), ("utf-16", "Fü".encode("utf-16")), ("cp437", b"F\x81")]
)
def test_another_encoding_is_given(corpus, encoding, raw):
    (corpus / "de/3").write_bytes(raw)
    one = blocks.read(corpus / "de/3", format="texts", encoding=encoding)
    assert one.to_table().to_pylist() == [{"path": "3", "text": "Fü"}]
    other = blocks.read(corpus / "de/3", format="texts", encoding="utf-8")
    assert one._reader.fingerprint() != other._reader.fingerprint()


def test_what_is_no_text_is_an_error_or_set_aside(corpus, tmp_path):
    (corpus / "de/3").write_bytes(b"ab\xfc")
    with pytest.raises(MalformedData, match=r"de/3 is no text in utf-8 \(byte 3\); another may be given by encoding="):
        blocks.read(corpus, format="texts").to_table()
    source = blocks.read(corpus, format="texts", on_bad_rows="keep", rejects=tmp_path / "r.parquet")
    assert (source.count(), source.rejected) == (4, 1)
    assert source.to_table()["path"].to_pylist() == ["de/1", "de/2.txt", "en/1", "en/2"]
    assert pq.read_table(tmp_path / "r.parquet")["text"].to_pylist() == ["de/3"]


def test_archives_inside_are_not_opened_in_any_encoding(corpus):
    with tarfile.open(corpus / "en/more.tar", "w") as tar:
        tar.add(corpus / "en/2", "x")
    with pytest.raises(MalformedData, match=r"more\.tar is an archive or compressed"):
        blocks.read(corpus, format="texts", encoding="latin-1").to_table()


def test_an_encoding_that_there_is_none_of_is_refused(corpus):
    with pytest.raises(InvalidArgument, match="encoding is the name of one that Python knows"):
        blocks.read(corpus, format="texts", encoding="utf-7b")


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_newsgroups_from_their_archive(tmp_path):
    path = Path(os.environ["BLOCKS_DATA"], "newsgroups20", "20_newsgroups.tar.gz")
    found = blocks.read(path, format="texts", encoding="latin-1").to_table()
    with tarfile.open(path) as tar:
        sizes = {member.name.partition("/")[2]: member.size for member in tar if member.isfile()}
    assert dict(zip(found["path"].to_pylist(), map(len, found["text"].to_pylist()), strict=True)) == sizes
    counts = {row["values"]: row["counts"] for row in found["label"].value_counts().to_pylist()}
    assert len(counts) == 20
    assert counts.pop("soc.religion.christian") == 997
    assert set(counts.values()) == {1000}
    rejects = tmp_path / "r.parquet"
    source = blocks.read(path, format="texts", on_bad_rows="keep", rejects=rejects)
    assert (source.rejected, source.count()) == (73, 19_924)
    assert pq.read_metadata(rejects).num_rows == 73
