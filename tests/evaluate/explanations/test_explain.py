import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import blocks
from blocks import classifiers, feature_extractors, preprocessors
from blocks.data.sample import sample
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.evaluate.explanations.explanation import Contribution, Explanation
from blocks.evaluate.explanations.lime import Lime
from blocks.evaluate.explanations.perturbed_rows import MOST_WORDS, neighbours

ROWS = 600


def mixed_table(rows=ROWS, seed=0):
    random = np.random.default_rng(seed)
    city = random.choice(["Oslo", "Rome", "São Paulo", ""], rows, p=[0.4, 0.3, 0.2, 0.1])
    age = np.where(random.random(rows) < 0.2, np.nan, random.normal(40, 12, rows))
    words = np.array(["cheap", "offer", "meeting", "tomorrow", "report", "call", "free", "lunch"])
    return pa.table(
        {
            "age": pa.array(age, from_pandas=True),
            "city": pa.array(city, mask=city == ""),
            "when": pa.array(random.integers(0, 10**9, rows), pa.timestamp("s")),
            "flag": random.random(rows) < 0.5,
            "note": [" ".join(random.choice(words, 6)) + f" {i}" for i in range(rows)],
            "empty": pa.nulls(rows, pa.float64()),
        }
    )


class Predicts:
    """A model that is a function of raw rows."""

    def __init__(self, function):
        self.function = function
        self.calls = 0

    def predict(self, rows):
        self.calls += 1
        return {"prediction": np.asarray(self.function(rows), float)}


def number(rows, name):
    return rows[name].to_numpy()


def equals(rows, name, value):
    return pc.fill_null(pc.equal(rows[name], value), False).to_numpy().astype(float)


def adult():
    data = os.environ.get("BLOCKS_DATA")
    if not data:
        pytest.skip("BLOCKS_DATA is not set")
    folder = Path(data) / "adult_census"
    return blocks.read(folder / "adult_train.csv"), blocks.read(folder / "adult_test.csv")


# -- neighbours --------------------------------------------------------------------------------------------------------


def the_table(found):
    return pa.concat_tables(found.tables())


def test_neighbours_keep_the_rows_own_raw_values_or_have_other_ones_of_the_background():
    table = mixed_table()
    row = table.slice(7, 1)
    found = neighbours(row, table, 1024, seed=0)
    assert the_table(found).schema.equals(row.schema)
    assert the_table(found).slice(0, 1).equals(row)
    assert found.kept[0].all()
    assert not found.changed[0]
    of_feature = {name: found.kept[:, place] for place, (name, _) in enumerate(found.features) if name != "note"}
    assert set(of_feature) == {"age", "city", "when", "flag"}, "a column without another value is no feature"
    for name in ("city", "flag"):
        same = [value == row[name][0].as_py() for value in the_table(found)[name].to_pylist()]
        assert same == of_feature[name].tolist()
    edges = np.quantile(pc.drop_null(table["age"]).to_numpy(), [0.25, 0.5, 0.75])
    own = np.searchsorted(edges, row["age"][0].as_py())
    for value, kept in zip(the_table(found)["age"].to_pylist(), of_feature["age"], strict=True):
        assert kept == (value is not None and np.searchsorted(edges, value) == own)
        assert not kept or value == row["age"][0].as_py()
    background = set(table["when"].to_pylist())
    assert set(the_table(found)["when"].to_pylist()) <= background
    for kept in of_feature.values():
        assert 0.48 < kept[1:].mean() < 0.52


@pytest.mark.parametrize("column", ["age", "city"])
def test_a_missing_value_is_a_value_of_its_own(column):
    table = mixed_table()
    place = table[column].to_pylist().index(None)
    found = neighbours(table.slice(place, 1), table, 256, seed=0)
    feature = [name for name, _ in found.features].index(column)
    assert found.features[feature] == (column, None)
    assert np.array_equal(np.asarray(the_table(found)[column].combine_chunks().is_null()), found.kept[:, feature])


def test_words_of_a_text_are_left_out_wherever_they_stand():
    text = "Free offer: free lunch, free   offer tomorrow!"
    table = pa.table({"note": [text, *mixed_table()["note"].to_pylist()]})
    found = neighbours(table.slice(0, 1), table, 64, seed=3)
    assert [word for _, word in found.features] == ["Free", "offer", "free", "lunch", "tomorrow"]
    kept_words = [{"Free", "offer", "free", "lunch", "tomorrow"}] + [
        {word for (_, word), there in zip(found.features, kept, strict=True) if there} for kept in found.kept[1:]
    ]
    for value, words in zip(the_table(found)["note"].to_pylist(), kept_words, strict=True):
        assert set(pc.split_pattern_regex(pa.scalar(value), r"\W+").as_py()) - {""} == words
    share = 1 - found.kept.mean(axis=1)
    np.testing.assert_allclose(found.changed, share)
    assert found.kept[1:].mean(axis=1).min() < 0.2
    assert found.kept[1:].mean(axis=1).max() > 0.8


def test_a_long_text_keeps_the_words_beyond_the_most():
    words = [f"w{i}" for i in range(MOST_WORDS + 5)]
    table = pa.table({"note": [" ".join(words), *mixed_table()["note"].to_pylist()]})
    found = neighbours(table.slice(0, 1), table, 16, seed=0)
    assert len(found.features) == MOST_WORDS
    assert all(value.endswith(" ".join(words[-5:])) for value in the_table(found)["note"].to_pylist())


def test_a_sample_is_seeded_and_does_not_depend_on_chunks():
    source = blocks.read({"x": np.arange(100_000)})
    found = sample(source, 50, seed=4)

    class Chunky:
        schema = source.schema

        def chunks(self, rows):
            return source.chunks(777)

    assert found.equals(sample(blocks.read(Chunky()), 50, seed=4))
    assert not found.equals(sample(source, 50, seed=5))
    assert found["x"].to_pylist() == sorted(set(found["x"].to_pylist()))
    assert 30_000 < np.mean(sample(source, 2000)["x"].to_numpy()) < 70_000
    assert max(sample(source, 50, looked_at=100)["x"].to_pylist()) < 100


# -- what explanations say ---------------------------------------------------------------------------------------------


def test_contributions_of_an_additive_model_are_the_differences_to_other_values():
    table = mixed_table()
    effects = {"Oslo": 3.0, "Rome": 1.0, "São Paulo": -2.0, None: 0.5}

    def additive(rows):
        return [effects[city] for city in rows["city"].to_pylist()] + 5.0 * equals(rows, "flag", True)

    row = table.slice(table["city"].to_pylist().index("Oslo"), 1)
    found = blocks.explain(Predicts(additive), row, background=table)
    others = [effects[city] for city in table["city"].to_pylist() if city != "Oslo"]
    weights = {name: weight for name, _, weight in found.contributions if name != "note"}
    assert weights["city"] == pytest.approx(3.0 - np.mean(others), abs=0.05)
    assert abs(weights["flag"]) == pytest.approx(5.0, abs=0.05)
    assert abs(weights["age"]) < 0.05
    assert abs(weights["when"]) < 0.05
    assert found.local_prediction == pytest.approx(found.prediction, abs=0.1)
    assert found.fidelity > 0.9


def test_missing_values_and_words_are_explained():
    table = mixed_table()
    row = {**table.slice(0, 1).to_pylist()[0], "age": None, "note": "free offer tomorrow at lunch time"}

    def model(rows):
        spam = np.array(["free" in note for note in rows["note"].to_pylist()], float)
        return 2.0 * rows["age"].combine_chunks().is_null().to_numpy(zero_copy_only=False) + spam

    found = blocks.explain(Predicts(model), row, background=table)
    assert found.contributions[0][:2] == ("age", None)
    assert found.contributions[0].weight == pytest.approx(2.0, abs=0.05)
    assert found.contributions[1][:2] == ("note", "free")
    assert "age is missing" in repr(found)
    assert "note = 'free'" in repr(found)


def test_agrees_with_the_lime_package_on_a_table_of_categories():
    """The package's own explainer, where it works: complete categories, as integers."""
    from lime.lime_tabular import LimeTabularExplainer

    random = np.random.default_rng(0)
    data = random.integers(0, 4, (2000, 6))
    slopes = np.array([3.0, -2.0, 1.0, 0.5, 0.0, 0.0])

    def f(values):
        return values @ slopes

    names = [f"x{i}" for i in range(6)]
    table = pa.table({name: [str(value) for value in column] for name, column in zip(names, data.T, strict=True)})
    model = Predicts(lambda rows: f(np.stack([np.array(rows[name].to_pylist(), float) for name in names], axis=1)))
    peer = LimeTabularExplainer(
        data, mode="regression", feature_names=names, categorical_features=range(6), random_state=0
    )
    for place in range(5):
        theirs = dict(peer.explain_instance(data[place], f, num_features=6, num_samples=20_000).local_exp[1])
        found = blocks.explain(model, table.slice(place, 1), background=table)
        ours = {name: weight for name, _, weight in found.contributions}
        for i, weight in theirs.items():
            assert ours[f"x{i}"] == pytest.approx(weight, abs=0.25)


def test_the_same_seed_gives_the_same_explanation_and_predictions_are_few():
    table = mixed_table()
    model = Predicts(lambda rows: number(rows, "flag") * 1.0)
    one = blocks.explain(model, table.slice(3, 1), background=table, seed=1)
    assert model.calls == 2
    assert one == blocks.explain(model, table.slice(3, 1), background=table, seed=1)
    assert one != blocks.explain(model, table.slice(3, 1), background=table, seed=2)


def test_a_model_that_ignores_everything():
    table = mixed_table()
    found = blocks.explain(Predicts(lambda rows: np.full(len(rows), 7.0)), table.slice(0, 1), background=table)
    assert found.prediction == found.local_prediction == 7.0
    assert max(abs(weight) for *_, weight in found.contributions) < 1e-9
    alone = pa.table({"x": [1.0]})
    found = blocks.explain(Predicts(lambda rows: number(rows, "x")), alone, background=alone)
    assert (found.contributions, found.prediction, found.fidelity) == ((), 1.0, 1.0)


# -- models ------------------------------------------------------------------------------------------------------------


def test_model_and_savedmodel_say_the_same(fitted, exported, table):
    for place in (0, 5):
        row = table.slice(place, 1).to_pylist()[0]
        found = blocks.explain(fitted, row, background=table, n_samples=1024)
        from_file = blocks.explain(str(exported), row, background=table, n_samples=1024)
        assert found.output == from_file.output == "probabilities"
        assert found.target == from_file.target
        assert found.target in ("yes", "no\n")
        assert {c.column for c in found.contributions} == set(fitted.preprocessor.inputs)
        assert found.prediction == pytest.approx(from_file.prediction, abs=1e-5)
        for name in found.top(7):
            mine = next(c for c in found.contributions if c.column == name)
            theirs = next(c for c in from_file.contributions if c.column == name)
            assert mine.value == theirs.value or mine.value != mine.value
            assert mine.weight == pytest.approx(theirs.weight, abs=1e-5)
    other = "yes" if found.target == "no\n" else "no\n"
    opposite = blocks.explain(fitted, row, background=table, n_samples=1024, target=other)
    assert opposite.prediction == pytest.approx(1 - found.prediction, abs=1e-5)


WITHOUT_TRAINING = """
import json, sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name in {"blocks." + part for part in ("model", "training", "adapt", "calibrate", "precompute")}:
            raise ImportError(name)
sys.meta_path.insert(0, Without())
import pyarrow.parquet as pq, blocks
table = pq.read_table(sys.argv[2])
found = blocks.explain(sys.argv[1], table.slice(0, 1), background=table, n_samples=256)
print(json.dumps(found.to_json()))
"""


def test_a_savedmodel_is_explained_where_the_training_code_is_not(fitted, exported, table, tmp_path):
    pq.write_table(table, tmp_path / "rows.parquet")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRAINING, str(exported), str(tmp_path / "rows.parquet")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    here = blocks.explain(fitted, table.slice(0, 1), background=table, n_samples=256)
    assert found["target"] == here.target
    assert found["prediction"] == pytest.approx(here.prediction, abs=1e-5)
    assert found["contributions"][0]["column"] == here.contributions[0].column


def test_a_users_own_explainer(table):
    class Nearest:
        def explain(self, predict, row, background):
            assert len(predict(background)) == len(background)
            return Explanation(
                (Contribution("age", row["age"][0].as_py(), 1.0),), 0.0, 0.0, float(predict(row)[0]), 1.0
            )

    data = mixed_table()
    found = blocks.explain(
        Predicts(lambda rows: number(rows, "flag")), data.slice(0, 1), background=data, method=Nearest()
    )
    assert (found.output, found.target, found.contributions[0].weight) == ("prediction", None, 1.0)


def test_forms_of_an_explanation():
    table = mixed_table()
    found = blocks.explain(Predicts(lambda rows: number(rows, "flag") * 1.0), table.slice(0, 1), background=table)
    arrow = found.to_arrow()
    assert arrow.schema.names == ["column", "value", "weight"]
    assert arrow["weight"].to_pylist() == [weight for *_, weight in found.contributions]
    read = json.loads(json.dumps(found.to_json()))
    assert read["prediction"] == found.prediction
    assert [c["column"] for c in read["contributions"]] == arrow["column"].to_pylist()
    assert len(repr(found).splitlines()) == len(found.contributions) + 2


# -- adult_census ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def census():
    train, test = adult()
    model = blocks.Model(
        preprocessor=preprocessors.Columns.infer(train, exclude=["income"]),
        feature_extractor=feature_extractors.MLP([64]),
        head=classifiers.Softmax("income"),
        seed=0,
    )
    model.adapt(train)
    model.fit(train, epochs=2, verbose=0)
    return model, train.to_table(), test.head(200).to_pylist()


def test_the_three_strongest_are_stable_over_seeds_and_named_by_raw_values(census):
    model, train, rows = census
    overlaps = []
    for row in rows[:8]:
        found = [blocks.explain(model, row, background=train, seed=seed) for seed in range(3)]
        for one in found:
            assert all(value == row[name] for name, value, _ in one.contributions)
        tops = [set(one.top(3)) for one in found]
        overlaps += [len(a & b) / len(a | b) for a, b in itertools.combinations(tops, 2)]
    assert np.mean(overlaps) >= 0.8


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def by_age_and_education(rows):
    return sigmoid((number(rows, "age") - 40) / 8 + number(rows, "education_num") - 10)


def by_occupation_and_sex(rows):
    return sigmoid(3 * equals(rows, "occupation", "Exec-managerial") - equals(rows, "sex", "Male"))


@pytest.mark.parametrize(
    ("columns", "function"),
    [({"age", "education_num"}, by_age_and_education), ({"occupation", "sex"}, by_occupation_and_sex)],
)
def test_the_two_columns_that_a_model_uses_come_first(columns, function):
    train, test = adult()
    background = sample(train.select([name for name in train.schema.names if name != "income"]), 2000)
    rows = test.head(100)
    found = [
        blocks.explain(Predicts(function), rows.slice(place, 1), background=background, n_samples=1024)
        for place in range(100)
    ]
    assert sum(set(one.top(2)) == columns for one in found) >= 95


# -- errors ------------------------------------------------------------------------------------------------------------


def test_errors():
    table = mixed_table(50)
    row = table.slice(0, 1).to_pylist()[0]
    model = Predicts(lambda rows: number(rows, "flag") * 1.0)
    with pytest.raises(InvalidArgument, match=r"One row is explained at a time. Received: 50 rows"):
        blocks.explain(model, table, background=table)
    with pytest.raises(InvalidArgument, match=r"A row is a dict of values by column.* Received: \[1, 2\]"):
        blocks.explain(model, [1, 2], background=table)
    with pytest.raises(SchemaMismatch, match=r"Column 'age' is double in the background. Received: 'old'"):
        blocks.explain(model, {**row, "age": "old"}, background=table)
    with pytest.raises(InvalidArgument, match=r"prediction is one number and has no class. Received: target='yes'"):
        blocks.explain(model, row, background=table, target="yes")
    with pytest.raises(InvalidArgument, match=r"output is one of prediction. Received: 'price'"):
        blocks.explain(model, row, background=table, output="price")
    with pytest.raises(EmptySource, match="drawn from rows"):
        blocks.explain(model, row, background=table.slice(0, 0))
    with pytest.raises(InvalidArgument, match=r"Answers must be finite .* 1,025 of 1,025"):
        blocks.explain(Predicts(lambda rows: np.full(len(rows), np.nan)), row, background=table, n_samples=1000)
    with pytest.raises(InvalidArgument, match=r"Rows are answered by .* with predict\(rows\). Received: int"):
        blocks.explain(3, row, background=table)
    with pytest.raises(InvalidArgument, match="at least 10 rows"):
        Lime(n_samples=3)


def test_errors_of_a_model(fitted, table):
    row = table.slice(0, 1).to_pylist()[0]
    with pytest.raises(InvalidArgument, match=r"target is a class of probabilities: 'no\\n', 'yes'. Received: 'maybe'"):
        blocks.explain(fitted, row, background=table, target="maybe")
    with pytest.raises(SchemaMismatch, match=r"The row lacks 'age'. A missing value is None"):
        blocks.explain(fitted, {k: v for k, v in row.items() if k != "age"}, background=table)
    with pytest.raises(SchemaMismatch, match="no column 'age'"):
        blocks.explain(fitted, row, background=table.drop_columns(["age"]))
    with pytest.raises(InvalidArgument, match="no SavedModel that blocks exported"):
        blocks.explain("/nowhere", row, background=table)
