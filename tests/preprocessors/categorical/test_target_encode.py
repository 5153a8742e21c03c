"""TargetEncode: scikit-learn's numbers for all rows, brute force for those out of fold, and no leak on any path."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import TargetEncoder

import blocks
from blocks import classifiers, feature_extractors, preprocessors, regressors
from blocks.block import ColumnChunk
from blocks.errors import BadTarget, BlocksWarning, EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.offline.adapt import adapt, passes
from blocks.offline.encoded_rows import EncodedRows
from blocks.offline.out_of_fold import OutOfFold
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, TargetEncode
from blocks.preprocessors.categorical.target_encode import MAX_CELLS
from blocks.statistics import Statistic, Summary, hash64

SMALL = {"rows_per_shard": 128, "rows_per_chunk": 32, "verbose": False}
CITIES = ["rome", "oslo", "new\nline", "a\x00b", "é"]


def encoded(block, values):
    """What the block serves, float64, (rows, features)."""
    found = np.asarray(block.compute(tf.constant(values)))
    return found[:, np.newaxis] if found.ndim == 1 else found


def held_out(block, values):
    """What the rows that the block was adapted on become, (rows, features)."""
    found = block.out_of_fold(np.asarray(block.places(tf.constant(values))), np.arange(len(values)))
    return found[:, np.newaxis] if found.ndim == 1 else found


def one_hot(target, classes):
    """Targets as the columns whose means are taken."""
    columns = [[float(value == name) for name in classes] for value in target]
    return np.array(columns)[:, 1:] if len(classes) == 2 else np.array(columns)


def brute_force(values, target, missing, block):
    """Out-of-fold encodings of rows (all with targets), one row at a time."""
    folds = hash64(pa.array(np.arange(len(values))), block.seed) % np.uint64(block.folds)
    nothing = 1 / max(target.shape[1], 2) if block.classes else 0.0
    out = []
    for row, value in enumerate(values):
        others = folds != folds[row]
        prior = target[others].mean(axis=0) if others.any() else np.full(target.shape[1], nothing)
        alike = others & np.array([other == value for other in values])
        weight = alike.sum() + block.smoothing
        known = value != missing and weight > 0
        out.append((target[alike].sum(axis=0) + block.smoothing * prior) / weight if known else prior)
    return np.array(out)


def make_rows(count=700, seed=0, classes=2):
    """Text and integer identifiers with gaps, a number, and a target with gaps."""
    random = np.random.default_rng(seed)
    city = random.choice([*CITIES, None], count)
    store = random.integers(0, 40, count)
    label = (random.random(count) + 0.3 * (city == "rome")) * classes % classes
    return pa.table(
        {
            "row": np.arange(count),
            "city": pa.array(city),
            "store": pa.array([None if s == 7 else int(s) for s in store]),
            "size": random.normal(size=count),
            "label": pa.array(
                [None if r < 0.05 else f"c{int(x)}" for r, x in zip(random.random(count), label, strict=True)]
            ),
            "price": pa.array(np.where(random.random(count) < 0.05, np.nan, random.normal(50, 20, count))),
        }
    )


def make_model(head):
    columns = {
        "size": preprocessors.Standardize(),
        "city": (TargetEncode(), preprocessors.Vocabulary()),
        "store": TargetEncode(smoothing=2.0, seed=3),
    }
    return blocks.Model(Columns(columns), feature_extractors.MLP([4]), head, seed=0)


# -- served encodings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 10.0, 123.25])
@pytest.mark.parametrize("kind", ["number", "offset", "binary", "multiclass"])
def test_all_rows_are_encoded_as_by_scikit_learn(kind, smoothing):
    random = np.random.default_rng(0)
    values = random.choice([f"v{i}" for i in range(200)] + CITIES, 3000)
    target = {
        "number": random.normal(-3, 20, 3000),
        "offset": 1e9 + random.normal(size=3000),
        "binary": random.choice(["n", "y"], 3000),
        "multiclass": random.integers(0, 11, 3000),
    }[kind]
    options = {"number": ("number", "continuous"), "offset": ("auto", "continuous")}
    ours, theirs = options.get(kind, ("classes", kind))
    oracle = TargetEncoder(smooth=smoothing, target_type=theirs).fit(values[:, np.newaxis], target)
    block = TargetEncode(smoothing=smoothing, kind=ours).adapt((values, target))
    rows = np.append(np.unique(values), "unseen")
    expected = oracle.transform(rows[:, np.newaxis])
    np.testing.assert_allclose(encoded(block, rows), expected, rtol=1e-12)
    found = block(rows).numpy()
    if kind != "offset":
        np.testing.assert_array_equal(found.reshape(expected.shape), expected.astype("float32"))
    if kind == "multiclass":
        names = [feature.name for feature in block.outputs("city", ("city",))]
        assert names == [f"city={name}" for name in oracle.classes_]


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 1 << 60, None]), st.floats(-1e6, 1e6)), min_size=2, max_size=40
    ).filter(lambda rows: any(value is not None for value, _ in rows)),
    st.sampled_from([0.0, 0.5, 20.0]),
)
@settings(max_examples=60, deadline=None)
def test_numbers_by_integers(rows, smoothing):
    values, target = zip(*rows, strict=True)
    block = TargetEncode(smoothing=smoothing).adapt((pa.array(values, pa.int64()), list(target)))
    prior = np.mean(target)
    for value in (1, 2, 3, 1 << 60, 77, np.iinfo(np.int64).min):
        alike = [y for other, y in rows if other == value]
        weight = len(alike) + smoothing
        expected = (sum(alike) + smoothing * prior) / weight if alike else prior
        assert encoded(block, [value]).item() == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_rows_without_target_are_left_out_and_missing_values_get_the_prior():
    values = ["a", "a", None, "", "b", "a"]
    block = TargetEncode(smoothing=0.0).adapt((values, [1.0, None, 4.0, 6.0, float("inf"), 5.0]))
    assert block(np.array(["a", "", "b", "unseen"])).numpy().tolist() == [3.0, 4.0, 4.0, 4.0]
    classes = TargetEncode(smoothing=0.0).adapt((values, ["n", "", "y", "y", None, "y"]))
    assert classes(np.array(["a", ""])).numpy().tolist() == [0.5, 0.75]
    assert classes.classes == ["n", "y"]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    tokens = [value.encode() for value in torture] + invalid
    random = np.random.default_rng(0)
    values = pa.array([tokens[i] for i in random.integers(0, len(tokens), 900)], pa.binary())
    block = TargetEncode(kind="classes").adapt((values, random.integers(0, 3, 900)))
    same_bits(block, [*tokens, b"unseen"] * 60)
    assert block.copy()(tf.constant(tokens)).numpy().tolist() == block(tf.constant(tokens)).numpy().tolist()


# -- out of fold -------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), st.integers(0, 3)), min_size=8, max_size=60).filter(
        lambda rows: any(value for value, _ in rows) and len({y for _, y in rows}) > 1
    ),
    st.sampled_from([("number", 5), ("classes", 2), ("classes", 7)]),
    st.sampled_from([0.0, 1.5]),
)
@settings(max_examples=60, deadline=None)
def test_rows_are_encoded_from_the_other_folds(rows, options, smoothing):
    kind, folds = options
    values, target = (list(column) for column in zip(*rows, strict=True))
    block = TargetEncode(smoothing=smoothing, folds=folds, kind=kind, seed=1).adapt((values, target))
    columns = np.array(target, float)[:, np.newaxis] if kind == "number" else one_hot(target, sorted(set(target)))
    expected = brute_force(values, columns, "", block)
    np.testing.assert_allclose(held_out(block, values), expected, rtol=1e-6, atol=1e-7)


def test_no_bit_of_a_rows_encoding_comes_from_its_own_fold():
    random = np.random.default_rng(0)
    values, target = random.choice(CITIES, 400), random.normal(size=400)
    block = TargetEncode().adapt((values, target))
    folds = hash64(pa.array(np.arange(400)), 0) % np.uint64(5)
    for fold in range(5):
        own = folds == fold
        changed = TargetEncode().adapt((values, np.where(own, target * 1e12, target)))
        assert held_out(changed, values)[own].tobytes() == held_out(block, values)[own].tobytes()
        assert (held_out(changed, values)[~own] != held_out(block, values)[~own]).all()


def test_rows_of_a_single_fold_know_nothing():
    one = TargetEncode().adapt((["a"], [7.0]))
    assert held_out(one, ["a"]).tolist() == [[0.0]]
    assert encoded(one, ["a"]).tolist() == [[7.0]]


def auc(train, label, rows, answers):
    """Of a logistic regression that was trained on some rows, on others."""
    return roc_auc_score(answers, LogisticRegression(C=1e3, max_iter=500).fit(train, label).predict_proba(rows)[:, 1])


def noise(signal):
    """Columns of many values that know nothing of the target, and a number that knows `signal` of it."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 8000)
    columns = {f"noise{i}": random.integers(0, 800, 8000).astype(str) for i in range(5)}
    table = pa.table({**columns, "x": random.normal(size=8000) + signal * label, "label": label})
    model = Columns({**{name: TargetEncode(smoothing=1.0) for name in columns}, "x": preprocessors.Standardize()})
    train, test = blocks.read(table.slice(0, 4000)), table.slice(4000).combine_chunks().to_batches()[0]
    head = classifiers.Softmax("label")
    adapt(model, head, train, verbose=False)
    transform = Transform(model)
    (rows,) = EncodedRows(train, transform, head).chunks()
    naive = transform(train.to_table().combine_chunks().to_batches()[0])["numeric"]
    return rows.features["numeric"], naive, label[:4000], transform(test)["numeric"], label[4000:]


def test_a_random_target_is_not_learned_where_the_naive_encoding_leaks():
    train, naive, label, test, answers = noise(signal=0.0)
    # 0.0091 is the standard deviation of the AUC of random scores over 2,000 rows of each class
    assert abs(auc(train, label, test, answers) - 0.5) < 4 * 0.0091
    assert abs(auc(train, label, train, label) - 0.5) < 6 * 0.0091, "fitted on the rows it is measured on"
    assert auc(naive, label, naive, label) > 0.85, "it must leak, or this test shows nothing"


def test_the_leak_costs_the_rows_that_were_held_out():
    train, naive, label, test, answers = noise(signal=1.0)
    ours, leaky = auc(train, label, test, answers), auc(naive, label, test, answers)
    assert ours > 0.74 > 0.65 > leaky


# -- chunks, merging, files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["number", "classes"])
def test_chunks_and_their_order_do_not_matter(kind):
    table = make_rows(classes=3)
    city, rows = table["city"].combine_chunks(), np.arange(len(table))
    target = table["price" if kind == "number" else "label"].combine_chunks()
    block = TargetEncode(kind=kind)
    whole = block.statistics()
    block.observe(whole, ColumnChunk(city, target, rows))
    expected = block.learn(whole)
    for size in (1, 7, 64, 1000):
        statistics = block.statistics()
        parts = [slice(start, start + size) for start in range(0, len(table), size)]
        for place, part in enumerate(reversed(parts)):
            given_as = city[part].dictionary_encode() if place % 2 else city[part]
            one = block.statistics()
            block.observe(one, ColumnChunk(given_as, target[part], rows[part]))
            for name, statistic in statistics.items():
                statistic.merge(Statistic.from_bytes(one[name].to_bytes()))
        found = block.learn(statistics)
        for name, value in expected.items():
            if name == "sums":
                np.testing.assert_allclose(found[name], value, rtol=1e-12)
            else:
                assert found[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_saved_model_comes_back(tmp_path, classes):
    table = make_rows(classes=classes)
    model = make_model(classifiers.Softmax("label", on_bad_target="skip"))
    model.adapt(table)
    model.save(tmp_path / "model.keras")
    loaded = blocks.load(tmp_path / "model.keras")
    rows = table.select(["size", "city", "store"])
    assert loaded.spec == model.spec
    assert model.spec["numeric"].shape == (3 if classes == 2 else 7,)
    np.testing.assert_array_equal(loaded.predict(rows)["probabilities"], model.predict(rows)["probabilities"])
    assert OutOfFold(loaded.transform, blocks.read(table)).applies


# -- the road ----------------------------------------------------------------------------------------------------------

HEADS = {
    "two classes": (2, lambda: classifiers.Softmax("label", on_bad_target="skip")),
    "three classes": (3, lambda: classifiers.Softmax("label", on_bad_target="skip")),
    "number": (2, lambda: regressors.Mean("price", on_bad_target="skip")),
}


@pytest.fixture(scope="module", params=HEADS.values(), ids=HEADS.keys())
def road(request):
    classes, head = request.param
    splits = blocks.read(make_rows(classes=classes)).split(train=0.7, valid=0.3, key="row")
    model = make_model(head())
    model.adapt(splits["train"])
    return model, splits


def usable(model, source):
    """The rows that have a target, and their positions in the source."""
    table = source.to_table()
    kept = np.flatnonzero(model.head.encode(table[model.head.target])[1])
    return table.take(kept).combine_chunks(), kept


def numbers(model, source):
    rows = list(EncodedRows(source, model.transform, model.head).chunks())
    return np.concatenate([part.features["numeric"] for part in rows])


def test_rows_that_were_adapted_on_are_encoded_out_of_fold(road):
    model, splits = road
    table, kept = usable(model, splits["train"])
    found = numbers(model, splits["train"])
    served = model.transform(table.to_batches()[0])["numeric"]
    names = model.spec["numeric"].names
    assert (found[:, names.index("size")] == served[:, names.index("size")]).all()
    for lane in model.preprocessor.lanes:
        if isinstance(lane.blocks[-1], TargetEncode):
            block, (column,) = lane.blocks[-1], lane.columns
            at = [names.index(feature.name) for feature in lane.outputs()]
            values = table[column].fill_null("" if column == "city" else np.iinfo(np.int64).min)
            target = table[model.head.target].to_pylist()
            columns = one_hot(target, model.head.classes) if block.classes else np.array(target)[:, np.newaxis]
            everything = np.full((splits["train"].count(), columns.shape[1]), np.nan)
            everything[kept] = columns
            folds = hash64(pa.array(np.arange(len(everything))), block.seed)[kept] % np.uint64(block.folds)
            expected = np.empty_like(columns)
            for row, value in enumerate(values.to_pylist()):
                others = folds != folds[row]
                prior = columns[others].mean(axis=0)
                alike = others & np.array([other == value for other in values.to_pylist()])
                known = table[column][row].is_valid
                weight = alike.sum() + block.smoothing
                expected[row] = (columns[alike].sum(axis=0) + block.smoothing * prior) / weight if known else prior
            np.testing.assert_allclose(found[:, at], expected, rtol=1e-6)
            assert (found[:, at] != served[:, at]).any(axis=1).mean() > 0.9


def test_other_rows_are_encoded_as_they_are_served(road):
    model, splits = road
    table, _ = usable(model, splits["valid"])
    served = model.transform(table.to_batches()[0])["numeric"]
    assert numbers(model, splits["valid"]).tobytes() == served.tobytes()
    assert (
        model.preprocessor(
            {name: tf.constant(table[name].fill_null(fill).to_numpy()) for name, fill in (("city", ""), ("size", 0.0))}
            | {"store": tf.constant(table["store"].fill_null(np.iinfo(np.int64).min).to_numpy())}
        )["numeric"]
        .numpy()
        .tobytes()
        == served.tobytes()
    )


def test_selected_columns_are_the_same_rows(road):
    model, splits = road
    columns = ["size", "city", "store", model.head.target]
    assert OutOfFold(model.transform, splits["train"].select(columns)).applies
    assert not OutOfFold(model.transform, splits["valid"].select(columns)).applies


def interrupted(chunks, after, rows):
    """`EncodedRows.chunks` in small chunks, which ends early."""

    def broken(self, skip=0):
        for number, part in enumerate(chunks(self, skip, rows)):
            if number == after:
                raise KeyboardInterrupt
            yield part

    return broken


@pytest.mark.filterwarnings("ignore:.*no usable target")
def test_a_resumed_store_holds_what_training_on_the_fly_sees(road, tmp_path, monkeypatch):
    model, splits = road
    whole = model.precompute(splits, tmp_path / "whole", **SMALL)
    chunks = EncodedRows.chunks
    for after in (7, 4):
        monkeypatch.setattr(EncodedRows, "chunks", interrupted(chunks, after, 37))
        with pytest.raises(KeyboardInterrupt):
            model.precompute(splits, tmp_path / "resumed", **SMALL)
    monkeypatch.undo()
    resumed = model.precompute(splits, tmp_path / "resumed", **SMALL)
    files = sorted(file.name for file in whole.path.glob("*.h5"))
    assert len(files) > 4
    for name in files:
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    for name, split in splits.items():
        assert whole[name].read().features["numeric"].tobytes() == numbers(model, split).tobytes()


@pytest.mark.parametrize("road", [HEADS["three classes"]], indirect=True)
@pytest.mark.filterwarnings("ignore:.*no usable target")
def test_the_export_serves_encodings_from_all_folds_and_verify_knows(road, tmp_path):
    model, splits = road
    store = model.precompute(splits, tmp_path / "store", **SMALL)
    model.export(tmp_path / "1")
    report = blocks.verify(tmp_path / "1", splits["valid"], store["valid"], small_batch_rows=64)
    assert report.ok, report
    assert not any("out of fold" in note for note in report.notes)
    report = blocks.verify(tmp_path / "1", splits["train"], store["train"], small_batch_rows=64)
    assert report.ok, report
    (note,) = (note for note in report.notes if "out of fold" in note)
    encodings = [name for name in model.spec["numeric"].names if name != "size"]
    assert all(name in note for name in encodings)
    assert set(encodings) < set(report.features)
    # without the store, these rows are new ones to both sides
    assert blocks.verify(tmp_path / "1", splits["train"], small_batch_rows=64).ok
    swapped = splits["train"].to_table()
    swapped = swapped.set_column(swapped.column_names.index("size"), "size", pa.array(np.zeros(len(swapped))))
    report = blocks.verify(tmp_path / "1", swapped, store["train"], small_batch_rows=8)
    assert [name for name, count in report.features.items() if count] == ["size"]


@pytest.mark.parametrize("road", [HEADS["number"]], indirect=True)
@pytest.mark.filterwarnings("ignore:.*no usable target")
def test_training_on_other_rows_than_adapted_on_is_warned_of(road, tmp_path):
    model, splits = road
    quiet = {"epochs": 1, "verbose": 0}
    store = model.precompute(splits, tmp_path / "store", **SMALL)
    model.fit(splits["train"], validation_data=splits["valid"], **quiet)
    model.fit(store["train"], validation_data=store["valid"], **quiet)
    for rows in (splits["valid"], store["valid"], splits["train"].to_table().slice(1)):
        with pytest.warns(BlocksWarning, match="'city', 'store' learned from the target of another source than this"):
            model.fit(rows, **quiet)


def test_a_block_that_learns_before_it_takes_another_pass():
    table = make_rows()
    chain = [preprocessors.Bucketize(num_bins=4), TargetEncode()]
    columns = Columns({"size": chain, "city": [preprocessors.Normalize(), TargetEncode()]})
    head = regressors.Mean("price", on_bad_target="skip")
    assert passes(columns) == 2
    adapt(columns, head, blocks.read(table), verbose=False)
    plain = TargetEncode().adapt((table["city"], table["price"]))
    for name in ("counts", "sums"):
        np.testing.assert_array_equal(plain.state[name], columns["city"][0][1].state[name])
    ids = columns["size"][0][0].compute(tf.constant(table["size"].to_numpy())).numpy()
    alone = TargetEncode().adapt((pa.array(ids), table["price"]))
    np.testing.assert_array_equal(alone.state["sums"], columns["size"][0][1].state["sums"])
    source = blocks.read(table)
    transform = Transform(columns)
    encode = OutOfFold(transform, source)
    assert encode.applies
    (batch,) = encode.with_positions(table.combine_chunks().to_batches())
    found = encode(batch)["numeric"]
    np.testing.assert_array_equal(found[:, :1], held_out(alone, ids))
    np.testing.assert_array_equal(found[:, 1:], held_out(plain, table["city"].fill_null("").to_pylist()))
    for size in (1, 33):
        parts = [encode(batch.slice(start, size)) for start in range(0, len(table), size)]
        assert np.concatenate([part["numeric"] for part in parts]).tobytes() == found.tobytes()


# -- errors ------------------------------------------------------------------------------------------------------------


def test_errors_say_the_rule():
    table = make_rows(50)
    with pytest.raises(InvalidArgument, match="2 to 256 folds"):
        TargetEncode(folds=1)
    with pytest.raises(InvalidArgument, match="smoothing >= 0"):
        TargetEncode(smoothing=-1.0)
    with pytest.raises(InvalidArgument, match="smoothing >= 0"):
        TargetEncode(smoothing=float("nan"))
    with pytest.raises(InvalidArgument, match="kind is one of 'auto', 'classes', 'number'"):
        TargetEncode(kind="binary")
    with pytest.raises(InvalidArgument, match=r"learns from the target too: adapt\(\(values, target\)\)"):
        TargetEncode().adapt(["a", "b"])
    with pytest.raises(InvalidArgument, match=r"same rows, in the same chunks. Received: chunks of 2, 1 rows"):
        TargetEncode().adapt((["a", "b"], [1.0]))
    with pytest.raises(EmptySource, match="TargetEncode learns from values"):
        TargetEncode().adapt(([None, ""], [1.0, 2.0]))
    with pytest.raises(EmptySource, match="TargetEncode learns from values"):
        TargetEncode().adapt((["a", "b"], [None, float("nan")]))
    with pytest.raises(BadTarget, match=r"two classes or more\. Received: \['y'\] alone"):
        TargetEncode().adapt((["a", "b"], ["y", "y"]))
    with pytest.raises(BadTarget, match=r"target for a number. Received: one of type string"):
        TargetEncode(kind="number").adapt((["a", "b"], ["y", "n"]))
    with pytest.raises(SchemaMismatch, match="TargetEncode takes strings or integers"):
        TargetEncode().adapt(([0.5, 1.5], [1.0, 2.0]))
    with pytest.raises(NotAdapted, match="has a feature for each class"):
        TargetEncode().outputs("city", ("city",))
    with pytest.raises(InvalidArgument, match=r"at the end of its chain.*TargetEncode before Standardize"):
        Columns({"city": [TargetEncode(), preprocessors.Standardize()]})
    columns = Columns({"city": TargetEncode()})
    with pytest.raises(InvalidArgument, match=r"adapted with a head.*TargetEncode of 'city', and no head"):
        adapt(columns, None, blocks.read(table))
    with pytest.raises(InvalidArgument, match=r"cannot be continued.*TargetEncode of 'city'"):
        adapt(columns, regressors.Mean("price"), blocks.read(table), initial=Summary())
    once = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    with pytest.raises(InvalidArgument, match="can be read only once"):
        adapt(columns, regressors.Mean("price"), blocks.read(once))
    with pytest.raises(SchemaMismatch, match=r"Put a block before it that makes ids.*Bucketize"):
        adapt(Columns({"size": [preprocessors.Round(), TargetEncode()]}), regressors.Mean("price"), blocks.read(table))


def test_too_many_values_are_refused(monkeypatch):
    random = np.random.default_rng(0)
    values = [f"v{i}" for i in range(300)]
    monkeypatch.setattr("blocks.preprocessors.categorical.target_encode.MAX_CELLS", 1000)
    with pytest.raises(InvalidArgument, match=r"1,505 distinct values times folds.*Hashing\(num_bins=\.\.\.\)"):
        TargetEncode().adapt((values, random.normal(size=300)))
    monkeypatch.setattr("blocks.preprocessors.categorical.target_encode.MAX_CELLS", MAX_CELLS)
    monkeypatch.setattr("blocks.preprocessors.categorical.target_encode.MAX_BYTES", 4096)
    with pytest.raises(InvalidArgument, match=r"counts exactly, at most what fits in 0.00391 MiB.*more memory"):
        TargetEncode().adapt((values, random.normal(size=300)))
