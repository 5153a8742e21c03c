"""Folders and archives: what is a row, in what order, with which class, part and metadata; what is set aside."""

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import BlocksWarning, EmptySource, InvalidArgument, MalformedData, SchemaMismatch

PNG = b"\x89PNG\r\n\x1a\n"
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def picture(text):
    return PNG + str(text).encode()


def fill(folder, files):
    for path, content in files.items():
        path = Path(folder, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def packed(folder, archive, *, top=""):
    """An archive of a folder; `top` is what the folder is called in it."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
            for path in sorted(folder.rglob("*"), reverse=True):
                made.write(path, Path(top, path.relative_to(folder)))
    else:
        mode = next(
            mode for end, mode in sorted(TARS.items(), key=lambda one: -len(one[0])) if archive.name.endswith(end)
        )
        with tarfile.open(archive, mode) as made:
            made.add(folder, top or ".")
    return archive


def rows(data, format="images", **options):
    return blocks.read(data, format=format, **options).to_table().to_pylist()


def by_path(found):
    return sorted(found, key=lambda row: row["path"])


@pytest.fixture
def pets(tmp_path):
    names = ("cat/2.png", "cat/1.png", "dog/10.png", "dog/9.png", "dog/old/1.png", "ant/a b.png")
    return fill(tmp_path / "pets", {name: picture(name) for name in names})


def expected(*paths):
    return [{"path": path, "image": picture(path), "label": path.split("/")[0]} for path in paths]


def test_class_folders_are_labels_in_the_order_of_paths(pets):
    source = blocks.read(pets, format="images")
    assert source.schema == pa.schema({"path": pa.string(), "image": pa.binary(), "label": pa.string()})
    everything = expected("ant/a b.png", "cat/1.png", "cat/2.png", "dog/10.png", "dog/9.png", "dog/old/1.png")
    assert source.to_table().to_pylist() == everything
    assert source.count() == len(everything)
    assert rows(str(pets) + "/") == everything
    assert source.select(["label"]).to_table()["label"].to_pylist() == [row["label"] for row in everything]


@pytest.mark.parametrize("pattern", ["*", "**", "**/*", "*/*.png", "[cd]*/*"])
def test_globs_give_the_paths_below_their_first_folder(pets, pattern):
    found = rows(str(pets / pattern))
    assert found == by_path(expected(*(row["path"] for row in found)))
    assert len(found) == (5 if "/*" in pattern and "**" not in pattern else 6)


def test_relative_paths_and_lists(pets, monkeypatch):
    monkeypatch.chdir(pets)
    for data in (".", "*", "./*", "../pets", "../pets/*"):
        assert [row["label"] for row in rows(data)] == ["ant", "cat", "cat", "dog", "dog", "dog"], data
    found = rows(["cat/2.png", "dog/9.png"])
    assert found == [{"path": "2.png", "image": picture("cat/2.png")}, {"path": "9.png", "image": picture("dog/9.png")}]
    assert [row["path"] for row in rows(["dog", "cat"])] == ["10.png", "9.png", "old/1.png", "1.png", "2.png"]


@pytest.mark.parametrize("end", [*TARS, ".zip"])
@pytest.mark.parametrize("top", ["", "pets"])
def test_archives_are_the_folder_they_were_made_of(pets, tmp_path, end, top):
    archive = packed(pets, tmp_path / f"pets{end}", top=top)
    found = rows(archive)
    assert by_path(found) == by_path(rows(pets))
    assert rows(archive) == found
    if end == ".zip":
        assert found == rows(pets)
    for size in (1, 4, 100):
        table = pa.Table.from_batches(list(blocks.read(archive, format="images").chunks(size)))
        assert table.to_pylist() == found


def test_several_archives_follow_each_other_and_a_folder_of_them_is_read(pets, tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    packed(pets / "cat", folder / "a.tar", top="cat")
    packed(pets / "dog", folder / "b.zip", top="dog")
    for data in (folder, str(folder / "*"), [folder / "a.tar", folder / "b.zip"]):
        assert by_path(rows(data)) == [row for row in rows(pets) if row["label"] != "ant"]
        assert [row["label"] for row in rows(data)] == ["cat"] * 2 + ["dog"] * 3


def test_parts_at_the_top_become_the_column_split(tmp_path):
    names = ("train/cat/1.png", "train/dog/1.png", "valid/cat/1.png", "validation/cat/1.png", "test/cat/1.png")
    folder = fill(tmp_path / "x", {name: picture(name) for name in names})
    found = rows(folder)
    assert {row["path"]: (row["split"], row["label"]) for row in found} == {
        name: tuple(name.split("/")[:2]) for name in names
    }
    assert by_path(rows(packed(folder, tmp_path / "x.tgz", top="x"))) == found
    loose = fill(tmp_path / "y", {"train/1.png": PNG, "test/1.png": PNG})
    assert rows(loose) == [
        {"path": "test/1.png", "image": PNG, "split": "test"},
        {"path": "train/1.png", "image": PNG, "split": "train"},
    ]
    single = fill(tmp_path / "z", {"train/1.png": PNG, "train/2.png": PNG})
    assert [row["split"] for row in rows(packed(single, tmp_path / "z.zip"))] == ["train"] * 2


def test_a_part_beside_a_class_is_a_class_and_said(tmp_path):
    folder = fill(tmp_path / "x", {"train/1.png": PNG, "car/1.png": PNG})
    with pytest.warns(BlocksWarning, match="'train' at the top is read as a class"):
        found = rows(folder)
    assert [row["label"] for row in found] == ["car", "train"]


def test_files_that_lie_loose_have_no_label(tmp_path):
    folder = fill(tmp_path / "x", {"1.png": PNG, "2.png": PNG})
    assert rows(folder) == [{"path": "1.png", "image": PNG}, {"path": "2.png", "image": PNG}]
    fill(folder, {"cat/1.png": PNG})
    assert [row["label"] for row in rows(folder)] == [None, None, "cat"]


def test_what_is_hidden_or_left_by_systems_is_passed_over(pets, tmp_path):
    before = rows(pets)
    junk = (
        ".DS_Store",
        "_drafts/1.png",
        "cat/._1.png",
        "__MACOSX/cat/._1.png",
        ".git/x",
        "cat/Thumbs.db",
        "desktop.ini",
    )
    fill(pets, dict.fromkeys(junk, b"junk"))
    assert rows(pets) == before
    for end in (".zip", ".tar.gz"):
        assert by_path(rows(packed(pets, tmp_path / f"p{end}", top="pets"))) == before
    only = fill(tmp_path / "only", {".x/1.png": PNG})
    with pytest.raises(InvalidArgument, match="no file that is not hidden"):
        rows(only)
    with pytest.raises(EmptySource, match="no file that is not hidden"):
        rows(packed(only, tmp_path / "only.tar"))


CSV = "file_name,label,age\n1.png,cat,3\nmore/2.png,dog,\n"
JSONL = '{"file_name": "1.png", "label": "cat", "age": 3}\n{"file_name": "more/2.png", "label": "dog"}\n'


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
@pytest.mark.parametrize("end", ["", ".zip", ".tar", ".tar.gz"])
def test_metadata_gives_the_columns(tmp_path, name, end):
    content = CSV if name.endswith("csv") else JSONL
    data = fill(tmp_path / "x", {"1.png": PNG, "more/2.png": PNG, name: content})
    data = packed(data, tmp_path / f"x{end}", top="x") if end else data
    source = blocks.read(data, format="images")
    assert source.schema.names == ["path", "image", "label", "age"]
    assert by_path(source.to_table().to_pylist()) == [
        {"path": "1.png", "image": PNG, "label": "cat", "age": 3},
        {"path": "more/2.png", "image": PNG, "label": "dog", "age": None},
    ]
    assert sorted(source.select(["age"]).to_table()["age"].to_pylist(), key=str) == [3, None]


def test_metadata_in_parts_and_names_that_look_like_numbers(tmp_path):
    files = {"train/001": PNG, "train/metadata.csv": "file_name,y\n001,5\n", "test/002": PNG}
    folder = fill(tmp_path / "x", files | {"test/metadata.csv": "file_name,y\n002,6.5\n"})
    found = rows(folder)
    assert [(row["path"], row["split"], row["y"]) for row in found] == [
        ("test/002", "test", 6.5),
        ("train/001", "train", 5.0),
    ]
    (folder / "test/metadata.csv").unlink()  # parts without targets
    assert [row["y"] for row in rows(folder)] == [None, 5]


def test_metadata_that_does_not_fit_the_files(tmp_path):
    folder = fill(tmp_path / "x", {"1.png": PNG, "2.png": PNG, "metadata.csv": "file_name,y\n1.png,a\n3.png,b\n"})
    with pytest.raises(MalformedData, match=r"'3\.png' of .* is named by the metadata and is not there"):
        rows(folder)
    source = blocks.read(folder, format="images", on_bad_rows="keep", rejects=tmp_path / "r.parquet")
    assert source.to_table().to_pylist() == [{"path": "1.png", "image": PNG, "y": "a"}]
    (folder / "3.png").write_bytes(PNG)
    for columns in (["y"], ["image"]):
        with pytest.raises(MalformedData, match=r"2\.png has no row in the metadata"):
            blocks.read(folder, format="images").select(columns).to_table()
    reasons = pq.read_table(tmp_path / "r.parquet").select(["text", "reason"]).to_pylist()
    assert reasons == [
        {"text": "3.png", "reason": "is not there, and is named by the metadata"},
        {"text": "2.png", "reason": "has no row in the metadata"},
    ]
    assert source.rejected == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,y\n1.png,a\n", "there is no column 'file_name'"),
        ("file_name,y\n1.png,a\n1.png,b\n", "names each file once"),
        ("file_name,y\n../1.png,a\n", "names files below its folder"),
        ("file_name,y\n/1.png,a\n", "names files below its folder"),
        ("file_name,image\n1.png,a\n", "Received: 'image'"),
        ("", "metadata.csv"),
    ],
)
def test_metadata_that_is_none_is_refused(tmp_path, content, message):
    folder = fill(tmp_path / "x", {"1.png": PNG, "metadata.csv": content})
    for data in (folder, packed(folder, tmp_path / "x.zip")):
        with pytest.raises((MalformedData, SchemaMismatch), match=message) as error:
            rows(data)
        assert "metadata.csv" in str(error.value)


def test_two_kinds_of_metadata_are_refused(tmp_path):
    folder = fill(tmp_path / "x", {"1.png": PNG, "metadata.csv": CSV, "metadata.jsonl": JSONL})
    with pytest.raises(MalformedData, match="Received: both"):
        rows(folder)


@pytest.mark.parametrize("end", ["", ".zip", ".tar.gz"])
@pytest.mark.parametrize("rejects", ["r.parquet", "r.csv"])
def test_what_is_unreadable_is_an_error_by_name_or_set_aside(pets, tmp_path, end, rejects):
    good = rows(pets)
    fill(pets, {"cat/empty.png": b"", "cat/note.png": b"hello", "dog/big.png": picture("x" * 999)})
    data = packed(pets, tmp_path / f"x{end}", top="pets") if end else pets
    with pytest.raises(MalformedData, match=r"cat/(empty|note)\.png.* is no JPEG, .*on_bad_rows="):
        rows(data)
    path = tmp_path / rejects
    source = blocks.read(data, format="images", on_bad_rows="keep", rejects=path, max_member_bytes=500)
    assert by_path(source.to_table().to_pylist()) == good
    assert (source.rejected, source.count()) == (3, len(good))
    table = pq.read_table(path) if rejects.endswith("parquet") else pacsv.read_csv(path)
    assert table.schema.names == ["file", "line", "expected", "found", "text", "reason"]
    found = sorted(table.select(["text", "reason"]).to_pylist(), key=lambda row: row["text"])
    assert (
        [row["text"] for row in found] == ["cat/empty.png", "cat/note.png", "dog/big.png"]
        if not end
        else [
            "pets/cat/empty.png",
            "pets/cat/note.png",
            "pets/dog/big.png",
        ]
    )
    assert found[0]["reason"].endswith("it is empty")
    assert found[1]["reason"].endswith("it begins with b'hello'")
    assert found[2]["reason"] == "holds 1,007 bytes, more than max_member_bytes=500"
    assert all(str(data) in name for name in table["file"].to_pylist())


def test_rejects_may_lie_in_the_folder(pets):
    fill(pets, {"cat/x.png": b"no"})
    options = {"on_bad_rows": "keep", "rejects": pets / "r.csv"}
    for _ in range(2):
        assert blocks.read(pets, format="images", **options).count() == 6


def test_every_kind_of_picture_is_known_by_its_first_bytes(tmp_path):
    tf = pytest.importorskip("tensorflow")
    dots = tf.zeros((2, 2, 3), tf.uint8)
    bmp = b"BM" + (58).to_bytes(4, "little") + bytes(4) + bytes(48)
    files = {"a": tf.io.encode_jpeg(dots).numpy(), "b": tf.io.encode_png(dots).numpy(), "c": bmp}
    files |= {"d": b"GIF89a....", "e": b"RIFF\x10\0\0\0WEBPVP8 "}
    folder = fill(tmp_path / "x", files)
    assert {row["path"]: row["image"] for row in rows(folder)} == files
    fill(folder, {"f": b"RIFF\x10\0\0\0WAVE"})
    with pytest.raises(MalformedData, match="is no JPEG, PNG, GIF, BMP or WebP: it begins with"):
        rows(folder)


def test_archives_inside_are_not_opened(pets, tmp_path):
    packed(pets, pets / "more.zip")
    with pytest.raises(MalformedData, match=r"more\.zip is no JPEG"):
        rows(pets)


def test_options_are_checked(pets):
    for options, message in (
        ({"encoding": "utf-8"}, "have no option 'encoding'"),
        ({"on_bad_rows": "keep"}, "go together"),
        ({"on_bad_rows": "skip"}, 'is "error" or'),
        ({"rejects": "x.csv"}, "go together"),
        ({"max_member_bytes": 0}, "max_member_bytes"),
        ({"max_member_bytes": 1 << 30}, "max_member_bytes"),
        ({"on_bad_rows": "keep", "rejects": "x.txt"}, r"\.parquet or a \.csv"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            rows(pets, **options)


def test_a_changed_file_is_refused_and_has_another_fingerprint(pets, tmp_path):
    source = blocks.read(pets, format="images")
    before = source._reader.fingerprint()
    assert before == blocks.read(pets, format="images")._reader.fingerprint()
    (pets / "cat/1.png").write_bytes(picture("longer than before"))
    with pytest.raises(MalformedData, match=r"cat/1\.png has changed"):
        source.to_table()
    assert blocks.read(pets, format="images")._reader.fingerprint() != before
    archive = packed(pets, tmp_path / "p.tar")
    source = blocks.read(archive, format="images")
    assert source.count() == 6
    os.utime(archive, (1, 1))
    with pytest.raises(MalformedData, match=r"p\.tar has changed"):
        source.to_table()
    shutil.rmtree(pets)
    with pytest.raises(InvalidArgument, match="There is no file or directory"):
        rows(pets)


def test_links_that_would_repeat_rows_and_odd_names_are_refused(pets):
    (pets / "dog" / "again").symlink_to("..")
    with pytest.raises(InvalidArgument, match="A folder is read once"):
        rows(pets)
    (pets / "dog" / "again").unlink()
    (pets / "elsewhere").symlink_to(fill(pets.parent / "fox", {"1.png": PNG}))
    assert [row["label"] for row in rows(pets)][-1] == "elsewhere"
    Path(os.fsdecode(os.fsencode(pets / "cat") + b"/\xff.png")).write_bytes(PNG)
    with pytest.raises(InvalidArgument, match="holds a name that is no UTF-8"):
        rows(pets)


def test_read_says_how_where_the_format_is_missing(pets, tmp_path):
    for data in (pets, packed(pets, tmp_path / "p.zip")):
        with pytest.raises((InvalidArgument, MalformedData), match='format="images" or "texts"'):
            blocks.read(data)


def test_a_large_folder_comes_in_batches_of_bounded_bytes(tmp_path):
    big = PNG + bytes(18 << 20)
    folder = fill(tmp_path / "x", {f"{n}.png": big for n in range(8)})
    sizes = [batch.num_rows for batch in blocks.read(folder, format="images")._reader.chunks(65_536)]
    assert sizes == [4, 4]


def test_a_model_reads_a_split_of_a_folder(pets):
    parts = blocks.read(pets, format="images").split(train=0.5, valid=0.5, key="path")
    assert sum(part.count() for part in parts.values()) == 6


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_cifar_from_its_tar_is_what_tarfile_reads(tmp_path):
    path = Path(os.environ["BLOCKS_DATA"], "cifar10_jpeg", "cifar10_jpeg.tar")
    found = blocks.read(path, format="images").to_table()
    with tarfile.open(path) as tar:
        members = [member for member in tar if member.isfile()]
        contents = [tar.extractfile(member).read() for member in members]
    names = [member.name.removeprefix("cifar10_jpeg/") for member in members]
    assert found["path"].to_pylist() == names
    assert found["image"].to_pylist() == contents
    assert found["split"].to_pylist() == [name.split("/")[0] for name in names]
    assert found["label"].to_pylist() == [name.split("/")[1] for name in names]
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as made:
        for name, content in zip(names, contents, strict=True):
            made.writestr(name, content)
    assert blocks.read(tmp_path / "c.zip", format="images").to_table().equals(found.sort_by("path"))
