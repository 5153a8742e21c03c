"""What README.md says runs: its Python, in order, on made-up rows; its commands and links are there."""

import ast
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks

ROOT = Path(blocks.__file__).parent.parent
PAGES = ("README.md", "CHANGES.md", "benchmarks/README.md")


def text(page="README.md"):
    return (ROOT / page).read_text()


def code(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)


def people(rows=400):
    random = np.random.default_rng(0)
    age, city = random.normal(40, 12, rows), random.choice(["Rome", "Oslo", "Lima"], rows)
    return pa.table(
        {
            "id": np.arange(rows),
            "age": age,
            "income": random.lognormal(10, 1, rows),
            "city": city,
            "label": np.where(age + 12 * (city == "Rome") + random.normal(0, 6, rows) > 44, "yes", "no"),
        }
    )


# the blocks that are chosen leave out the key by which rows were split, and say so
@pytest.mark.filterwarnings("ignore:Left out, as no features. 'id':blocks.errors.BlocksWarning")
def test_its_python_runs_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(people(), "people.parquet")
    names = {}
    for number, block in enumerate(code("python"), 1):
        exec(compile(block, f"README.md, python {number}", "exec"), names)
    assert names["report"].ok, names["report"]
    assert Path("report.html").stat().st_size > 10_000
    assert set(names["answers"]) == {"probabilities", "label", "confidence"}
    assert names["table"].count() == names["splits"]["test"].count()


def test_its_commands_are_there():
    shell = "\n".join([*code("sh"), *re.findall(r"`([^`\n]+)`", text())])
    targets = {name for names in re.findall(r"\bmake ([a-z-]+(?: [a-z-]+)*)", shell) for name in names.split()}
    assert targets >= {"demo", "test", "check"}
    for target in targets:
        assert re.search(rf"^{target}:", text("Makefile"), re.MULTILINE), target
    for page in PAGES:
        for path in re.findall(r"\b((?:examples|benchmarks|tests)/[\w./]+\.(?:py|md))", text(page)):
            assert (ROOT / path).exists(), path


def test_its_house_is_the_package():
    (house,) = re.findall(r"^```\nblocks/\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)
    lines = [re.match(r"  ((?:\w+/ *)+)", line) for line in house.splitlines()]
    drawn = {name for line in lines for name in re.findall(r"\w+", line[1])}
    assert drawn == {path.parent.name for path in (ROOT / "blocks").glob("*/__init__.py")}


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", text(page)):
        assert (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("part", ["preprocessors", "feature_extractors", "classifiers", "postprocessors", "evaluate"])
def test_its_table_of_parts_names_what_is_there(part):
    (row,) = (line for line in text().splitlines() if line.startswith(f"| `{part}`"))
    homes = [getattr(blocks, home) for home in re.findall(r"`(\w+)`", row.split("|")[1])]
    named = [name for name in re.findall(r"`([A-Za-z_]\w*)`", row.split("|")[2]) if not name.startswith("infer")]
    assert named
    for name in named:
        assert any(hasattr(home, name) for home in homes), name


def test_its_python_is_formatted_as_code_is():
    for block in code("python"):
        ast.parse(block)
        assert max(map(len, block.splitlines())) <= 120
