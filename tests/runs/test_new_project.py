"""New projects: whole, in a folder that is theirs, with the blocks that they were made by."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from blocks.errors import InvalidArgument
from blocks.runs.configuration import resolve
from blocks.runs.installed_from import requirement
from blocks.runs.new_project import TEMPLATES, new_project


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_rendered_whole(template, tmp_path):
    *files, _ = new_project(tmp_path / "shop", template)
    written = {one.relative_to(tmp_path / "shop").as_posix() for one in (tmp_path / "shop").rglob("*") if one.is_file()}
    assert written == set(files)
    assert {"blocks.toml", "data.py", "model.py", "Makefile", "README.md", ".gitignore", ".env.example"} <= written
    for file in written:
        text = (tmp_path / "shop" / file).read_text()
        assert "{{" not in text, file
        assert "{%" not in text, file
        assert all(len(line) <= 120 for line in text.splitlines()), file
        if file.endswith(".py"):
            compile(text, file, "exec")
    assert resolve(tmp_path / "shop", ["local", "gpu"]).values["project"]["name"] == "shop"
    assert TEMPLATES[template].script in written


def test_only_new_or_empty_folders_are_taken_and_only_good_names(tmp_path):
    (tmp_path / "empty").mkdir()
    new_project(tmp_path / "empty", "table")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(InvalidArgument, match="which holds something"):
        new_project(tmp_path / "full", "table")
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["mine"]
    for name in ("2shops", "my shop", "läden", "a" * 65, 'a"b'):
        with pytest.raises(InvalidArgument, match="begins with a letter"):
            new_project(tmp_path / name, "table")
    with pytest.raises(InvalidArgument, match=r"A template is table, series, text, images. Received: 'tabel'"):
        new_project(tmp_path / "other", "tabel")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["empty", "full"]


def test_a_project_gets_the_blocks_that_made_it(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "blocks"
    package.mkdir(parents=True)
    info = tmp_path / "site-packages" / "ml_blocks-9.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ml-blocks\nVersion: 9.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    assert requirement("[serve]", package=package)[0] == "ml-blocks[serve]==9.0"
    (info / "direct_url.json").write_text('{"url": "file:///src/blocks", "dir_info": {"editable": true}}')
    assert requirement("[serve]", package=package) == ("-e /src/blocks[serve]", "the sources in /src/blocks")
    (info / "direct_url.json").write_text('{"url": "file:///w/ml_blocks.whl", "archive_info": {"hash": "x"}}')
    assert requirement(package=package)[0] == "ml-blocks @ file:///w/ml_blocks.whl"
    here = Path(__file__).parents[2]
    assert requirement("[serve]") == (f"-e {here}[serve]", f"the sources in {here}")


def test_data_are_made_the_same_each_time(tmp_path):
    *_, _ = new_project(tmp_path / "shop", "table")
    code = "import make_orders, pathlib, sys; make_orders.write(pathlib.Path(sys.argv[1]), rows=50)"
    for name in ("a.csv", "b.csv"):
        subprocess.run([sys.executable, "-c", code, name], cwd=tmp_path / "shop", check=True)
    assert (tmp_path / "shop" / "a.csv").read_bytes() == (tmp_path / "shop" / "b.csv").read_bytes()
    assert tomllib.loads((tmp_path / "shop" / "blocks.toml").read_text())["seed"] == 0
