import itertools
import json
import re
import runpy
import shutil
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.cli.main import main
from blocks.errors import InvalidArgument
from blocks.evaluate import cost_matrix
from blocks.inspection.profile.value_distribution import of_numbers
from blocks.pages import figures
from blocks.reporting.class_order import JudgedClass, worst_first
from blocks.statistics import Distinct, Quantiles

HOSTILE = "<script>alert(1)</script>&\"'x"
SECTIONS = (
    "model",
    "data",
    "training",
    "metrics",
    "errors",
    "calibration",
    "importance",
    "explanations",
    "worth",
    "export",
)


def rows(count=400, seed=0):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=count), random.normal(size=count)
    city = random.choice(["<b>Oslo</b>", "Rome", "x" * 300, ""], count)
    return pa.table(
        {
            HOSTILE: x,
            "y": pa.array(np.where(random.random(count) < 0.1, np.nan, y), from_pandas=True),
            "city": pa.array(city, mask=city == ""),
            "day": pa.array(random.integers(0, 10**8, count), pa.timestamp("s")),
            "kind": random.choice(["a", "b", "<img src=x onerror=alert(1)>"], count, p=[0.5, 0.3, 0.2]),
            "sold": np.where(x + random.normal(0, 0.5, count) > 0, "yes", "no"),
            "price": 3 * x + y + random.normal(0, 0.5, count),
        }
    )


@pytest.fixture(scope="module")
def splits():
    return blocks.read(rows()).split(train=0.5, valid=0.2, test=0.3)


def fitted(splits, head, chain=()):
    columns = {
        HOSTILE: preprocessors.Standardize(),
        "y": preprocessors.Standardize(),
        "city": preprocessors.Vocabulary(),
    }
    model = blocks.Model(
        preprocessors.Columns(columns), feature_extractors.MLP([8]), head, postprocessors=chain, seed=0
    )
    model.adapt(splits["train"])
    model.fit(splits["train"], validation_data=splits["valid"], epochs=2, batch_size=64, verbose=0)
    if chain:
        model.calibrate(splits["valid"])
    return model


@pytest.fixture(scope="module")
def binary(splits):
    return fitted(splits, classifiers.Softmax("sold"), [postprocessors.Temperature(), postprocessors.Labels()])


@pytest.fixture(scope="module")
def several(splits):
    return fitted(splits, classifiers.Softmax("kind"))


@pytest.fixture(scope="module")
def number(splits):
    return fitted(splits, regressors.Mean("price"))


class Page(HTMLParser):
    """A page's elements, its tables by caption, and the text of each section."""

    VOID = ("meta", "link", "br", "wbr", "img", "input", "hr")

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.tables, self.sections = [], [], {}, {}
        self.caption = self.cells = self.text = None
        self.feed(path.read_text())
        self.close()
        assert not self.open, "every element is closed"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag not in self.VOID:
            self.open.append((tag, attributes))
        if tag == "section" and attributes.get("id") in SECTIONS:
            self.sections[attributes["id"]] = ""
        if tag == "caption" or tag in ("td", "th"):
            self.text = ""
        if tag == "tr":
            self.cells = []

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag
        if tag == "caption":
            self.caption = self.text
            self.tables.setdefault(self.caption, []).append([])
        if tag in ("td", "th"):
            self.cells.append(self.text)
        if tag == "tr":
            self.tables[self.caption][-1].append(self.cells)

    def handle_data(self, data):
        if self.text is not None:
            self.text += data
        names = [one[1]["id"] for one in self.open if one[0] == "section" and one[1].get("id") in SECTIONS]
        if names:
            self.sections[names[-1]] += data


def every_table(section):
    yield from section["tables"]
    for part in section["parts"].values():
        yield from every_table(part)


def check(path):
    """What holds of every report."""
    page, found = Page(path), json.loads(path.with_suffix(".json").read_text())
    assert tuple(page.sections) == SECTIONS == tuple(found["sections"])
    assert all(text.strip() for text in page.sections.values())
    # it asks nobody for anything
    text = path.read_text()
    assert not [tag for tag, _ in page.elements if tag in ("script", "img", "iframe", "object", "embed", "base")]
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
        link = attributes.get("href")
        assert link is None or link.startswith("#") or (tag, link) == ("link", "data:,")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert "default-src 'none'" in text
    assert "@import" not in text
    # every id once, every link and reference to one of them
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"][1:] for _, attributes in page.elements if attributes.get("href", "").startswith("#")]
    assert set(links) <= set(ids)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)
    # drawings have words, and colours of the page alone
    drawings = [attributes for tag, attributes in page.elements if attributes.get("role") == "img"]
    assert len(drawings) == sum(tag == "svg" for tag, _ in page.elements) > 0
    assert all(len(one["aria-label"]) > 10 for one in drawings)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert not re.findall(r"#[0-9a-f]{6}\b", drawing)
        assert "<text" in drawing
    # the tables' numbers are those of the JSON
    compared = 0
    for section in found["sections"].values():
        for table in every_table(section):
            header, *body = page.tables[table["caption"]].pop(0)
            assert header == [str(name) for name in table["columns"]]
            assert len(body) == len(table["rows"])
            for shown, row in zip(body, table["rows"], strict=True):
                for cell, value in zip(shown, row, strict=True):
                    compared += same(cell, value)
    assert compared > 30
    assert not any(page.tables.values())
    return page, found


def same(cell, value):
    if isinstance(value, bool) or value is None:
        assert cell == {True: "yes", False: "no", None: "\N{EN DASH}"}[value]
    elif isinstance(value, str):
        assert cell == value
    else:
        assert float(cell.replace(",", "")) == pytest.approx(value, rel=1e-3, abs=1e-12)
        return 1
    return 0


def test_a_binary_classifier_in_full(binary, splits, tmp_path):
    earned = cost_matrix({"yes": {"yes": 5.0, "no": 0.0}, "no": {"yes": -1.0, "no": 0.0}})
    path = blocks.report(binary, splits, tmp_path / "report.html", by=["city"], worth=earned, rows=300)
    page, found = check(path)
    sections = found["sections"]
    assert [name for name, text in page.sections.items() if "Left out" in text] == ["export"]
    test = splits["test"].to_table()
    right = accuracy_score(test["sold"].to_pylist(), binary.predict(test)["label"])
    metrics = {row[0]: row[1] for row in sections["metrics"]["tables"][0]["rows"]}
    assert metrics["accuracy"] == pytest.approx(right)
    counts = sections["data"]["tables"][0]["rows"]
    assert {name: count for name, count, _ in counts} == {name: split.count() for name, split in splits.items()}
    columns = {row[0]: row for row in sections["data"]["tables"][1]["rows"]}
    y = splits["train"].to_table()["y"]
    assert columns["y"][3] == pytest.approx(y.null_count / len(y))
    assert columns["y"][5] == pytest.approx(pc.mean(y).as_py())
    roles = {name: row[2] for name, row in columns.items()}
    assert roles.pop("sold") == "target"
    assert {name for name, role in roles.items() if role == "input"} == set(binary.preprocessor.inputs)
    # what the model does not read, an identifier say, is listed and not drawn
    assert list(sections["data"]["numbers"]["distributions"]) == ["sold", *binary.preprocessor.inputs]
    assert roles["price"] == "not used"
    confusions = [row[1:] for row in sections["errors"]["tables"][0]["rows"]]
    assert np.trace(confusions) / np.sum(confusions) == pytest.approx(right)
    assert [part["title"] for part in sections["explanations"]["parts"].values()] == [
        "Most right", "Most wrong", "Next most wrong", "Least sure", "Ordinary",
    ]  # fmt: skip
    groups = next(table for table in sections["metrics"]["tables"] if table["caption"] == "accuracy by group")
    assert len(groups["rows"]) == 5
    assert len(sections["training"]["tables"][0]["rows"]) == 2
    assert "judged" in sections["worth"]["tables"][-1]["columns"]


def test_a_classifier_of_several_classes_and_hostile_names(several, splits, tmp_path):
    path = blocks.report(several, splits, tmp_path / "report.html", rows=200)
    page, found = check(path)
    assert HOSTILE in page.sections["model"]
    assert "<img src=x onerror=alert(1)>" in page.sections["errors"]
    for raw in ("<script", "<img", "<b>Oslo"):
        assert raw not in path.read_text()
    assert "Left out: there is no function of worth" in page.sections["worth"]
    assert len(found["sections"]["errors"]["tables"][0]["rows"]) == 3


def test_a_regressor(number, splits, tmp_path):
    path = blocks.report(number, splits, tmp_path / "report.html", rows=200)
    page, found = check(path)
    metrics = {row[0]: row[1] for row in found["sections"]["metrics"]["tables"][0]["rows"]}
    test = splits["test"].to_table()
    expected = mean_absolute_error(test["price"].to_pylist(), number.predict(test)["prediction"])
    assert metrics["mean_absolute_error"] == pytest.approx(expected)
    assert "neither quantiles nor intervals" in page.sections["calibration"]
    parts = found["sections"]["explanations"]["parts"].values()
    assert [part["title"] for part in parts][1:3] == ["Most too low", "Most too high"]


def test_one_class_in_the_judged_split(binary, splits, tmp_path):
    one = {**splits, "test": rows(60, 1).filter(pc.equal(rows(60, 1)["sold"], "yes"))}
    page, found = check(blocks.report(binary, one, tmp_path / "report.html", rows=100))
    metrics = {row[0]: row for row in found["sections"]["metrics"]["tables"][0]["rows"]}
    assert metrics["roc_auc"][1] is None
    assert metrics["roc_auc"][4] == "every row is of class yes"
    assert "one class alone does not have" in page.sections["errors"]


def test_no_usable_target_in_the_judged_split(binary, splits, tmp_path):
    other = {**splits, "test": rows(60, 1).drop_columns(["sold"]).append_column("sold", pa.array(["never"] * 60))}
    page, _ = check(blocks.report(binary, other, tmp_path / "report.html", rows=100))
    assert "60 unusable_targets" in page.sections["metrics"]
    assert "none has a usable target" in page.sections["calibration"]


def test_a_store_leaves_out_what_needs_raw_rows_and_says_so(binary, splits, tmp_path):
    store = binary.precompute(splits, tmp_path / "store")
    page, found = check(blocks.report(binary, store, tmp_path / "report.html"))
    for name in ("data", "importance", "explanations"):
        assert "A store holds features, not the raw rows" in page.sections[name]
    of_rows = blocks.evaluate.metrics(binary, data=splits["test"], bootstrap=0).to_pylist()
    expected = {row["metric"]: row["value"] for row in of_rows}
    for name, value, *_ in found["sections"]["metrics"]["tables"][0]["rows"]:
        assert value == pytest.approx(expected[name], rel=1e-5)
    for path in (tmp_path, tmp_path / "report.json"):
        with pytest.raises(InvalidArgument, match=r"path names the page, report\.html say"):
            blocks.report(binary, store, path)
    with pytest.raises(InvalidArgument, match="A store holds features alone"):
        blocks.report(binary, store, tmp_path / "report.html", by="city")


def test_an_exported_model_alone(number, splits, tmp_path):
    number.export(tmp_path / "1")
    page, found = check(blocks.report(tmp_path / "1", splits["test"], tmp_path / "report.html", rows=100))
    assert "an exported SavedModel has none" in page.sections["training"]
    assert found["sections"]["export"]["numbers"]["ok"]
    assert found["judged"] == "data"


def test_several_heads(splits, tmp_path):
    model = fitted(splits, {"price": regressors.Mean("price"), "sold": classifiers.Softmax("sold")}, {})
    _, found = check(blocks.report(model, splits, tmp_path / "report.html", rows=60))
    names = [row[0] for row in found["sections"]["metrics"]["tables"][0]["rows"]]
    assert {"price_r2", "sold_accuracy"} <= set(names)
    assert len(found["sections"]["explanations"]["parts"]) == 10


def test_the_same_page_twice(number, splits, tmp_path):
    pages = [blocks.report(number, splits, tmp_path / f"{n}.html", rows=60, date="1 May 2027") for n in range(2)]
    assert "judged on the split &#39;test&#39;. 1 May 2027." in pages[0].read_text()
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert pages[0].with_suffix(".json").read_bytes() == pages[1].with_suffix(".json").read_bytes()


def shares(values, least=1):
    """What is drawn of numbers, by value or by edges."""
    statistics = {"q": Quantiles(), "d": Distinct()}
    for statistic in statistics.values():
        statistic.update(pa.array(values))
    return of_numbers(statistics["q"].result(), round(statistics["d"].result().estimate), least, ends=least == 1)


def test_a_column_of_nearly_one_number_is_drawn_so_that_the_others_are_seen():
    flag = np.zeros(4000)
    flag[:12] = 1.0
    assert shares(flag) == {"values": [["0", 3988], ["1", 12]]}
    assert shares(np.r_[flag, 2.0]) == {"values": [["0", 3988], ["over 0", 13]]}
    assert shares(np.full(50, 7.0)) == {"values": [["7", 50]]}
    assert shares(np.r_[np.zeros(999), 5.0], least=5) == {"values": [["0", 999]]}
    rest = np.random.default_rng(0).gamma(2.0, 9.0, 1000)
    for values in (np.r_[np.zeros(9000), rest], np.r_[np.full(9000, 20.0), rest]):
        found = shares(values)
        frequent = values[0]
        assert found["beside"] == [frequent, 9000]
        expected, _ = np.histogram(rest, found["edges"])
        assert np.abs(np.array(found["rows"]) - expected).max() <= 1
        assert sum(found["rows"]) >= 980  # all but the outer half percent on each side


def test_classes_are_ordered_by_what_a_reader_looks_for():
    classes = [
        JudgedClass("a", 500, 0.9),
        JudgedClass("b", 40, 0.3),
        JudgedClass("c", 7, 0.1),
        JudgedClass("d", 0, None),
    ]
    assert [one.name for one in worst_first(classes)] == ["b", "a", "c", "d"]


def test_many_classes(tmp_path):
    random = np.random.default_rng(0)
    k, n = 14, 900
    kind = random.choice(k, n, p=np.arange(1, k + 1) / (k * (k + 1) / 2))
    table = pa.table({"x": kind + random.normal(0, 0.4, n), "kind": [f"k{i:02d}" for i in kind]})
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([8]),
        classifiers.Softmax("kind"),
        seed=0,
    )
    model.adapt(table)
    model.fit(table, epochs=1, verbose=0)
    _, found = check(blocks.report(model, {"train": table, "test": table}, tmp_path / "report.html", rows=60))
    by_class = next(t for t in found["sections"]["metrics"]["tables"] if t["caption"].startswith("By class"))
    assert by_class["columns"][:2] == ["of", "rows"]
    support = [int((kind == c).sum()) for c in reversed(range(k))]
    assert [row[1] for row in by_class["rows"]] == sorted(support, reverse=True)
    assert [row[0].endswith(" *") for row in by_class["rows"]] == [row[1] < 30 for row in by_class["rows"]]
    confusions = found["sections"]["errors"]["tables"][0]
    assert confusions["columns"] == ["class", "label", "rows", "share of the class"]
    for name, _, wrong, share in confusions["rows"]:
        assert share == pytest.approx(wrong / (kind == int(name[1:])).sum())
    figures = [one["caption"] for one in found["sections"]["errors"]["figures"]]
    assert figures[0] == "Share of each class by label, classes of most rows first"
    assert figures[1] == "ROC curve, the 6 classes of 14 that are told worst"
    for part in found["sections"]["explanations"]["parts"].values():
        assert any("Caution" in text for text in part["text"]) == (part["numbers"]["fidelity"] < 0.5)


def test_drawings_are_repeatable_and_do_not_clash():
    one, two = (figures.lines(name, [("a", [0, 1], [1, 2])], x="<x>", y="$y$") for name in ("one", "two"))
    assert one == figures.lines("one", [("a", [0, 1], [1, 2])], x="<x>", y="$y$")
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert not ids[0] & ids[1]
    assert "&lt;x&gt;" in one
    assert "$y$" in one


def test_colours_can_be_read():
    """At least 4.5 to 1 for text, 3 to 1 for lines, in light and dark: WCAG 2.2's level AA."""
    style = (files("blocks.pages") / "page.css").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in style.split("@media screen")[:2])

    def luminance(colour):
        parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for colours in (light, dark):
        for background in ("paper", "raised"):
            for name, colour in colours.items():
                if name in ("paper", "raised", "rule", "faint"):
                    continue
                high, low = sorted([luminance(colour), luminance(colours[background])], reverse=True)
                wanted = 4.5 if name in ("ink", "soft", "series-1") else 3.0
                assert (high + 0.05) / (low + 0.05) >= wanted, (name, background)


def test_the_command(binary, splits, tmp_path, capsys):
    binary.save(tmp_path / "model.keras")
    for name in ("train", "test"):
        pq.write_table(splits[name].to_table(), tmp_path / f"{name}.parquet")
    data = [f"{name}={tmp_path / name}.parquet" for name in ("train", "test")]
    out = tmp_path / "out" / "page.html"
    assert main(["report", str(tmp_path / "model.keras"), *data, "--out", str(out), "--by", "city"]) == 0
    assert str(out) in capsys.readouterr().out
    _, found = check(out)
    assert found["judged"] == "test"
    assert main(["report", "model", "one.csv", "two.csv"]) == 2
    assert main(["report", str(tmp_path / "nothing"), str(tmp_path / "train.parquet")]) == 1
    assert "no SavedModel that blocks exported" in capsys.readouterr().err


def test_the_example(tmp_path, capsys):
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "report.py"))
    assert example["main"](["--out", str(tmp_path), "--epochs", "2"]) == 0
    check(tmp_path / "report.html")
    told = capsys.readouterr().out
    assert "accuracy" in told
    assert "fidelity" in told


def test_in_a_browser_nothing_is_asked_for_and_nothing_is_cut(binary, splits, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    browser_path = next((path for path in found if path), None)
    if browser_path is None:
        pytest.skip("there is no Chromium here")
    path = blocks.report(binary, splits, tmp_path / "report.html", by="city", rows=200)
    with playwright.sync_playwright() as start:
        browser = start.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for width, scheme in itertools.product((390, 1280), ("light", "dark")):
            told, asked = [], []
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.on("console", lambda message, told=told: told.append(message.text))
            page.on("pageerror", lambda error, told=told: told.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(path.as_uri())
            assert page.evaluate(CUT) == []
            assert (told, asked) == ([], [path.as_uri()])
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
            page.close()
        browser.close()


# what stands beyond the window (but in a table's own box), and texts of a drawing beyond it or over each other
CUT = """() => {
  const wide = document.documentElement.clientWidth + 1, found = [];
  for (const one of document.querySelectorAll("body *"))
    if (!one.closest(".scroll, .figures") && !one.closest("svg") && one.getBoundingClientRect().right > wide)
      found.push("beyond: " + one.tagName + " " + one.className);
  for (const svg of document.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")];
    const boxes = texts.map(text => text.getBoundingClientRect());
    boxes.forEach((a, i) => {
      if (a.left < box.left - 2 || a.right > box.right + 2 || a.top < box.top - 2 || a.bottom > box.bottom + 2)
        found.push("cut: " + texts[i].textContent);
      for (let j = 0; j < i; j++) {
        const b = boxes[j];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 2 && down > 4) found.push("over: " + texts[i].textContent + " | " + texts[j].textContent);
      }
    });
  }
  return found;
}"""
