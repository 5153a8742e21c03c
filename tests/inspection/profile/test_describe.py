"""blocks.describe: numbers against pandas, NumPy and SciPy at several chunk sizes; findings; splits; JSON; text."""

import dataclasses
import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

import blocks
from blocks.data import Source
from blocks.errors import EmptySource, InvalidArgument, MalformedData, NewerFormat, SchemaMismatch
from blocks.files.json_schema import violation
from blocks.inspection.profile.profile_json import JSON_SCHEMA
from blocks.inspection.profile.profile_text import MOST_COLUMNS, WIDTH

ROWS = 900


def table(rows=ROWS, seed=0):
    """A column of each kind, with what there is to point out of it."""
    random = np.random.default_rng(seed)
    price = random.lognormal(1, 1, rows)
    price[:3] = np.inf
    day = np.datetime64("2023-01-01") + np.arange(rows)
    day[400:] += np.timedelta64(30, "D")
    return pa.table(
        {
            "id": np.arange(rows) * 3 + 7,
            "price": pa.array(price, mask=random.random(rows) < 0.1),
            "size": pa.array(random.normal(50, 9, rows).astype(np.float32)),
            "age": pa.array(np.where(random.random(rows) < 0.05, -999, random.integers(18, 80, rows))),
            "city": random.choice(
                ["Rome", "rome", "Oslo", "Bern ", "", "Wien"], rows, p=[0.3, 0.1, 0.3, 0.1, 0.1, 0.1]
            ),
            "amount": np.where(random.random(rows) < 0.1, "n/a", random.integers(1, 999, rows).astype(str)),
            "when": np.where(np.arange(rows) % 2, "2024-01-05", "05.01.2024"),
            "name": [f"person {i}" for i in range(rows)],
            "day": pa.array(day),
            "seen": pa.array(random.integers(0, 10**9, rows) * 1000, pa.timestamp("ms", "UTC")),
            "clock": pa.array(random.integers(0, 86_400, rows), pa.int32()).cast(pa.time32("s")),
            "took": pa.array(random.integers(0, 5_000, rows), pa.duration("ms")),
            "ok": pa.array(random.random(rows) < 0.25, mask=random.random(rows) < 0.02),
            "tags": pa.array([[f"t{i % 4}"] * (i % 3) for i in range(rows)]),
            "blob": pa.array([b"\x00" * (i % 9 + 1) for i in range(rows)]),
            "nested": pa.array([None if i % 5 == 0 else {"a": i} for i in range(rows)]),
            "one": ["same"] * rows,
            "none": pa.nulls(rows),
            "label": random.choice(["yes", "no"], rows, p=[0.3, 0.7]),
        }
    )


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def profile(rows):
    return blocks.describe(rows, target="label", seed=3)


@pytest.mark.parametrize("chunk_rows", [1, 64, 250, 10_000])
def test_every_number_is_that_of_pandas_numpy_and_scipy(rows, chunk_rows):
    rows = rows if chunk_rows > 1 else rows.slice(380, 60)
    found, frame = blocks.describe(rows, chunk_rows=chunk_rows), rows.to_pandas()
    assert found.rows == len(frame)
    for name in ("id", "price", "size", "age"):
        column, values = found[name], frame[name].astype(np.float64).replace([np.inf, -np.inf], np.nan).dropna()
        numbers = column.numbers
        assert column.missing == frame[name].isna().sum()
        assert (column.distinct, column.distinct_exact) == (values.nunique(), True)
        assert numbers.count == len(values)
        assert (numbers.min, numbers.max, numbers.zeros) == (values.min(), values.max(), (values == 0).sum())
        assert numbers.mean == pytest.approx(values.mean(), rel=1e-12)
        assert numbers.std == pytest.approx(np.std(values), rel=1e-12)
        assert numbers.skewness == pytest.approx(stats.skew(values), rel=1e-9, abs=1e-12)
        assert numbers.kurtosis == pytest.approx(stats.kurtosis(values), rel=1e-9, abs=1e-12)
        for q, value in numbers.quantiles.items():
            assert value == pytest.approx(np.quantile(values, float(q)), rel=1e-12)
        low, high = np.quantile(values, [0.25, 0.75])
        fences = low - 1.5 * (high - low), high + 1.5 * (high - low)
        assert numbers.fences == pytest.approx(fences)
        assert numbers.outliers == ((values < fences[0]).sum(), (values > fences[1]).sum())
        assert numbers.negative == (values < 0).sum()
        edges, drawn = (np.array(column.distribution[key]) for key in ("edges", "rows"))
        assert drawn[1:-1] == pytest.approx(np.histogram(values, edges)[0][1:-1], abs=1)
    assert found["price"].numbers.positive_infinite == np.isposinf(frame["price"]).sum()
    for name in ("city", "amount", "name", "one", "label"):
        texts = frame[name][frame[name] != ""]
        column, lengths = found[name], texts.str.len()
        counts = texts.value_counts()
        assert column.missing == (frame[name] == "").sum()
        assert (column.distinct, column.distinct_exact) == (len(counts), True)
        assert dict(column.values).items() <= counts.to_dict().items()
        assert [rows for _, rows in column.values] == [n for n in counts.tolist()[:10] if n >= 5]
        of = column.texts
        assert (of.min_length, of.max_length, of.count) == (lengths.min(), lengths.max(), len(texts))
        assert of.mean_length == pytest.approx(lengths.mean())
        assert of.median_length == np.quantile(lengths, 0.5, method="inverted_cdf")
        assert of.padded == (texts != texts.str.strip()).sum()
    took = frame["took"].dt.total_seconds()
    assert found["took"].numbers.mean == pytest.approx(took.mean())
    assert found["took"].numbers.max == took.max()
    clock = frame["clock"].map(lambda x: x.hour * 3600 + x.minute * 60 + x.second)
    assert found["clock"].numbers.quantiles["0.5"] == np.quantile(clock, 0.5)
    for name in ("day", "seen"):
        times, column = pd.to_datetime(frame[name], utc=True), found[name].times
        apart = times.drop_duplicates().sort_values().diff().dropna()
        assert pd.Timestamp(column.first, tz="UTC") == times.min()
        assert pd.Timestamp(column.last, tz="UTC") == times.max()
        assert column.days == pytest.approx((times.max() - times.min()) / pd.Timedelta("1D"))
        assert column.longest_gap == apart.max().total_seconds()
        assert pd.Timestamp(column.gap_to) - pd.Timestamp(column.gap_from) == apart.max()
    ok = frame["ok"].dropna()
    assert dict(found["ok"].values) == {k: v for k, v in ok.value_counts().to_dict().items() if v >= 5}
    lengths = frame["tags"].str.len()
    assert (found["tags"].lengths.min, found["tags"].lengths.max) == (lengths.min(), lengths.max())
    assert found["tags"].lengths.mean == pytest.approx(lengths.mean())
    # of a list's values it is not known how many rows hold them: none is named
    assert (found["tags"].values, found["tags"].distribution) == ((), None)
    assert found["tags"].distinct == frame["tags"].explode().nunique()
    assert found["blob"].distinct == frame["blob"].nunique()
    assert found["nested"].missing == frame["nested"].isna().sum()
    assert found["none"].missing == len(frame)


def test_steps_and_gaps_of_days(profile):
    times = profile["day"].times
    assert (times.step, times.gaps, times.absent, times.exact) == (86_400.0, 1, 30, True)
    assert times.longest_gap == 31 * 86_400.0
    assert datetime.date.fromisoformat(times.gap_to) - datetime.date.fromisoformat(
        times.gap_from
    ) == datetime.timedelta(31)


def test_yes_and_no_in_several_ways_are_named():
    ways = {"mixed": ["yes", "No", "TRUE", "1", "n/a"], "one": ["yes", "no", "Yes", "NO", "?"], "codes": ["1", "2"] * 5}
    found = blocks.describe({name: (texts * 20)[:40] for name, texts in ways.items()}, verbose=0).findings
    (one,) = (finding for finding in found if finding.kind == "several forms of yes and no")
    said = "true or false (8 rows), yes or no (16 rows), whole number (8 rows)."
    assert one.sentence == f"'mixed' says yes and no in several ways: {said}"


def test_findings_name_what_practitioners_look_for(profile):
    kinds = {(finding.kind, *finding.columns): finding for finding in profile.findings}
    for expected in (
        ("constant column", "one"),
        ("empty column", "none"),
        ("id-like column", "id"),
        ("id-like column", "name"),
        ("infinite values", "price"),
        ("placeholder number", "age"),
        ("spelling variants", "city"),
        ("white space around texts", "city"),
        ("type drift", "amount"),
        ("dates stored as text", "when"),
        ("several forms of dates", "when"),
        ("gaps in time", "day"),
    ):
        assert expected in kinds, expected
    assert {name for kind, *columns in kinds for name in columns if kind != "gaps in time"}.isdisjoint(
        {"size", "ok", "clock", "took", "tags", "blob", "label"}
    )
    drift = kinds["type drift", "amount"]
    n = dict(profile["amount"].texts.forms)["word for no value"]
    assert f"{n:,} rows hold something else, of which {n:,} are words for no value" in drift.sentence
    assert "-999 stands in" in kinds["placeholder number", "age"].sentence
    assert all(one.sentence.endswith(".") and one.advice.endswith(".") for one in profile.findings)
    assert [one.severity for one in profile.findings] == sorted(
        (one.severity for one in profile.findings), key=["error", "warning", "note"].index
    )


def test_a_target_of_which_some_is_missing_or_rare():
    rows = pa.table({"x": np.arange(200.0), "y": (["a"] * 15 + ["b"] + [None] * 4) * 10})
    found = {one.kind: one for one in blocks.describe(rows, target="y").findings if one.columns == ("y",)}
    assert found["missing target"].severity == "error"
    assert "40 of 200 rows have no 'y'" in found["missing target"].sentence
    assert "Of the 2 classes of 'y' some have fewer than 50 rows" in found["rare classes"].sentence
    assert found.keys() == {"missing target", "rare classes", "unbalanced target"}
    [one] = [one for one in blocks.describe({"y": [1] * 30}, target="y").findings if one.columns]
    assert (one.severity, one.kind) == ("error", "constant column")


def test_each_split_is_read_once_and_the_whole_is_as_of_one_table(rows, monkeypatch):
    read = []
    chunks = Source._chunks

    def counted(self, *args, **kwargs):
        read.append(self)
        return chunks(self, *args, **kwargs)

    monkeypatch.setattr(Source, "_chunks", counted)
    whole = blocks.describe(rows)
    assert [source.count() for source in read].count(ROWS) == 1
    splits = blocks.read(rows).split(train=0.7, test=0.3, key="id")
    read.clear()
    found = blocks.describe(splits, key="id")
    ids = [id(source) for source in read]
    assert [ids.count(id(source)) for source in splits.values()] == [1, 1]
    assert found.splits == {name: split.to_table().num_rows for name, split in splits.items()}
    assert (found["id"].role, found.key) == ("key", ("id",))
    for name, column in found.items():
        part = column.parts["test"]
        values = splits["test"].to_table()[name]
        assert part.rows == len(values)
        one = dataclasses.replace(column, parts={}, role="")
        if one.numbers is not None:
            for name_ in ("mean", "std", "skewness", "kurtosis"):
                assert getattr(one.numbers, name_) == pytest.approx(getattr(whole[name].numbers, name_), rel=1e-9)
            one = dataclasses.replace(one, numbers=whole[name].numbers)
        assert one == whole[name], name


def test_splits_that_differ_are_described_and_pointed_out():
    random = np.random.default_rng(0)
    train = pa.table({"x": random.normal(size=400), "n": np.arange(400), "c": ["a"] * 400, "y": ["p", "q"] * 200})
    test = pa.table({"x": random.normal(2, 1, 300), "n": np.arange(300) + 0.5, "c": np.arange(300)})
    empty = train.slice(0, 0)
    found = blocks.describe({"train": train, "test": test, "empty": empty}, target="y")
    kinds = {(one.kind, one.columns): one for one in found.findings}
    assert kinds["empty split", ()].parts == ("empty",)
    assert kinds["column not in all splits", ("y",)].severity == "note"
    assert kinds["type differs between splits", ("c",)].parts == ("test",)
    assert kinds["means differ between splits", ("x",)].parts == ("train", "test")
    both = np.r_[train["x"].to_numpy(), test["x"].to_numpy()]
    assert found["x"].numbers.mean == pytest.approx(both.mean())
    assert (found["n"].kind, found["n"].distinct, found["n"].rows) == ("number", 700, 700)
    assert found["c"].rows == 400
    assert found["y"].rows == 400
    gaps = {"a": {"v": [1.0] * 100}, "b": {"v": [None, 2.0] * 50}}
    assert "missing values differ between splits" in {one.kind for one in blocks.describe(gaps).findings}


def test_relations_of_rows_splits_and_columns_are_pointed_out():
    random = np.random.default_rng(0)
    rows = pa.table(
        {
            "id": np.arange(600),
            "x": random.normal(size=600),
            "copy": np.where(np.arange(600) % 2, "yes", "no"),
            "day": pa.array(np.datetime64("2024-01-01") + np.arange(600)),
            "y": np.arange(600) % 2,
        }
    )
    test = pa.concat_tables([rows.slice(0, 5), rows.slice(500)])
    splits = {"train": rows.slice(0, 500), "test": test}
    found = blocks.describe(splits, target="y", key="id", time="day")
    kinds = {(one.kind, one.parts): one for one in found.findings}
    assert kinds["key in two splits", ("train", "test")].severity == "error"
    assert kinds["copy of the target", ()].columns == ("copy",)
    assert {"rows in two splits", "splits overlap in time"} <= {kind for kind, _ in kinds}
    assert found.relations.with_target[0].column == "copy"
    assert found.relations.power[0].value == pytest.approx(1.0, abs=0.05)
    [shared] = found.relations.duplicates["equal"]["key"]["shared"]
    assert (shared["distinct"]["value"], found.relations.duplicates["exact"]) == (5, True)
    orders = {one["part"]: one["order"] for one in found.relations.order["parts"]}
    assert orders == {"train": "rising", "test": "rising"}
    assert not blocks.describe(rows).relations.power
    with pytest.raises(SchemaMismatch, match=r"Every split has the key.*'test' has not"):
        blocks.describe({"train": rows, "test": rows.drop_columns(["id"])}, key="id")


def test_frequent_numbers_of_long_columns_are_scaled_up_from_the_sample():
    random = np.random.default_rng(0)
    values = np.where(random.random(300_000) < 0.2, 0.25, random.normal(size=300_000))
    column = blocks.describe({"x": values}, seed=1)["x"]
    [(value, count)] = column.values
    assert (value, column.values_from) == (0.25, "sample")
    assert count == pytest.approx((values == 0.25).sum(), rel=0.1)
    assert not column.numbers.exact
    assert not column.distinct_exact
    assert column.distinct == pytest.approx(len(np.unique(values)), rel=0.05)
    for q, found in column.numbers.quantiles.items():
        assert abs((values <= found).mean() - float(q)) <= column.numbers.error + (values == found).mean()
    again = blocks.describe({"x": values}, seed=1, chunk_rows=7_000)["x"]
    assert (again.values, again.distinct, again.distribution) == (column.values, column.distinct, column.distribution)
    assert again.numbers.quantiles == column.numbers.quantiles
    # rows are drawn by another stream than numbers that a user draws with the same seed
    uniform = np.random.default_rng(7).random(300_000)
    found = blocks.describe({"u": uniform, "v": (uniform < 0.5).astype(np.int64)}, target="v", seed=7)
    assert found.relations.power[0].value > 0.9


def test_json_comes_back_and_is_as_its_schema_says(profile, tmp_path):
    content = json.loads(profile.to_json())
    assert violation(content, JSON_SCHEMA) is None
    assert content["columns"][1]["numbers"]["positive_infinite"] == profile["price"].numbers.positive_infinite
    path = profile.save(tmp_path / "deep" / "data.json")
    again = blocks.Profile.load(path)
    assert again.columns == profile.columns
    assert again.findings == profile.findings
    assert again.to_json() == profile.to_json()
    assert str(again) == str(profile)


def test_a_file_that_is_no_profile_is_refused_by_name(profile, tmp_path):
    text = profile.to_json()
    for damaged in (
        "",
        "{}",
        "[1]",
        text[:-50],
        text.replace('"rows"', '"row"', 1),
        text.replace('"missing": 0', '"missing": -1', 1),
    ):
        with pytest.raises(MalformedData, match=r"must hold a profile as Profile.save writes it"):
            blocks.Profile.from_json(damaged)
    hollow = json.loads(text)
    hollow["columns"][0]["numbers"] = {"mean": 1}
    with pytest.raises(MalformedData, match="a column or a finding is none"):
        blocks.Profile.from_json(json.dumps(hollow))
    with pytest.raises(NewerFormat, match="made by a newer blocks"):
        blocks.Profile.from_json(json.dumps({**json.loads(text), "version": 2}))
    with pytest.raises(InvalidArgument, match=r"Profile.load reads a file that Profile.save wrote"):
        blocks.Profile.load(tmp_path / "nothing.json")
    with pytest.raises(InvalidArgument, match=r"a page \(\.html\) or as numbers \(\.json\).*data\.txt"):
        profile.save(tmp_path / "data.txt")


def test_one_screen_for_a_common_table_and_the_first_of_a_large_one(profile):
    lines = str(profile).splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "900 rows x 19 columns; target label"
    for name in profile:
        assert any(line.startswith(name) for line in lines), name
    wide = {f"x{i:03}": np.arange(50.0) % 7 for i in range(300)} | {"last": ["same"] * 50}
    text = str(blocks.describe(wide))
    assert len(text.splitlines()) <= MOST_COLUMNS + 15
    assert "last" in text.splitlines()[3]
    assert f"{301 - MOST_COLUMNS} more: profile[name]" in text


def test_nothing_of_few_rows_is_named(tmp_path):
    rows = pa.table(
        {
            "name": [f"zq{i // 4:03}" for i in range(400)],
            "tags": [[f"zq{i // 4}"] * 6 for i in range(400)],
            "city": ["oslo" if i % 3 else f"zq{i}" for i in range(400)],
            "amount": [-31337.25, *np.linspace(0, 1, 398), 31337.25],
            "day": pa.array([-7000, *range(398), 9000], pa.date32()),
            "few": [4242.5] * 4 + [1.5] * 396,
        }
    )
    splits = {"train": rows.slice(0, 200), "test": rows.slice(200)}
    told = blocks.describe(rows)
    assert (told["amount"].numbers.min, told["day"].times.first) == (-31337.25, "1950-11-02")
    hidden = blocks.describe(rows, extremes=False)
    assert hidden["amount"].numbers.min is hidden["day"].times.last is None
    apart = blocks.describe(splits, extremes=False, time="day")
    texts = [str(hidden), hidden.to_json(), hidden._repr_html_(), hidden.save(tmp_path / "data.html").read_text()]
    for text in [*texts, str(apart), apart.to_json(), apart.save(tmp_path / "apart.html").read_text()]:
        assert "oslo" in text
        for single in ("zq", "31337", "31,337", "1950-11", "1994-08", "4242", "4,242"):
            assert single not in text, single
    for text in (str(told), told.to_json(), told._repr_html_(), told.save(tmp_path / "data.html").read_text()):
        assert "zq" not in text
        assert "4242.5" not in text.replace('"max": 4242.5', "") or "few" in text


def test_bad_arguments_are_refused_with_what_to_do(rows):
    with pytest.raises(SchemaMismatch, match=r"target: there is no column 'lable'. Did you mean 'label'"):
        blocks.describe(rows, target="lable")
    with pytest.raises(SchemaMismatch, match="key: there is no column"):
        blocks.describe(rows, key=["id", "person"])
    with pytest.raises(InvalidArgument, match="The column to predict is target="):
        blocks.describe(rows, label="label")
    with pytest.raises(InvalidArgument, match="min_count must be a whole number, at least 1"):
        blocks.describe(rows, min_count=0)
    with pytest.raises(InvalidArgument, match="extremes is True or False"):
        blocks.describe(rows, extremes=None)
    with pytest.raises(InvalidArgument, match="Rows are a dict of splits"):
        blocks.describe({})
    with pytest.raises(EmptySource, match="There is nothing to describe"):
        blocks.describe(rows.slice(0, 0))
    with pytest.raises(InvalidArgument, match="memory is a number of bytes"):
        blocks.describe(rows, memory="much")
