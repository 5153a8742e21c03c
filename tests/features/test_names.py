"""Names: a column, target, weight or key may be called anything, on every lane and in every file and signature."""

import json
from keyword import iskeyword

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.data.raw_arrays import to_raw
from blocks.errors import BlocksWarning, InvalidArgument, StoreMismatch
from blocks.export.replay import ASSETS, keywords
from blocks.export.signature_names import inputs, parameter
from blocks.features.names import is_entry_name, is_plain
from blocks.features.spec import Entry, Feature, FeatureSpec
from blocks.inference.graph import InferenceGraph
from blocks.offline.out_of_fold import OutOfFold
from blocks.store import Rows, SplitPlan
from blocks.store.store import write
from blocks.training.core import build_core

ODD = [
    "self", "", "numeric", "categorical", "flat", "packed", "training", "inputs", "output_0", "name", "label", "keys/",
    "A", "a", "a b", "a_b", "a.b", "a/b", "%2F", "e\u0301", "\u00e9", "\n", "\u2028", "\u202e", "\N{GRINNING FACE}",
    "class", "\u00b2", "1st", "_x", "gr\u00f6\u00dfe", "reshape", "mlp", "..", "'", '"', "x" * 3000, "age",
    "age_missing", "age_x_A", "rowid", "probabilities", "target_label", "config", "class_name",
]  # fmt: skip

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
FORMS = [("hdf5", {}), ("hdf5", {"compression": "gzip"}), ("tfrecord", {}), ("tfrecord", {"layout": "example"})]
NAMES = st.lists(st.sampled_from(ODD) | TEXT, min_size=1, max_size=12, unique=True)


# -- what is made of names ---------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(NAMES)
@example(ODD)
@example(["a b", "column_1", "a.b", "column_0"])
def test_signatures_take_every_set_of_names(names):
    made = inputs(names, "column")
    assert sorted(made.names.values()) == sorted(names)
    ours = made.stand_ins
    assert all(is_plain(stand_in) for stand_in in made.names)
    # what TensorFlow makes of them is a parameter of Python's, of its own, and in the order that it sorts them to
    parameters = {name: parameter(made.shown[ours[name]]) for name in names}
    assert len(set(parameters.values())) == len(names)
    assert all(one.isidentifier() and not iskeyword(one) for one in parameters.values())
    assert sorted(names, key=parameters.get) == sorted(names, key=ours.get)
    given = [parameter(made.keywords[ours[name]]) for name in names]
    assert len(set(given)) == len(names)
    # a name is its own keyword wherever TensorFlow can tell it from the others
    for name in names:
        alone = sum(parameter(other) == parameter(name) for other in names) == 1
        assert (made.keywords[ours[name]] == name) == (alone and name not in ("", "self"))


LANES = {
    "number": lambda: preprocessors.Standardize(),
    "add_indicator": lambda: preprocessors.Standardize(add_indicator=True),
    "chain": lambda: [preprocessors.Log1p(), preprocessors.MinMax(add_indicator=True)],
    "chains": lambda: (
        preprocessors.Standardize(add_indicator=True),
        preprocessors.Standardize(),
        preprocessors.Log1p(),
    ),
    "ids": lambda: preprocessors.Hashing(7),
    "tokens": lambda: preprocessors.Tokens(3, vocabulary=["p"]),
    "columns": lambda: preprocessors.OneHot(vocabulary=["p", "missing"], missing="column"),
}


@settings(max_examples=25)
@given(NAMES, st.data())
def test_every_name_on_every_lane_is_packed_under_names_of_its_own(names, data):
    lanes = {name: data.draw(st.sampled_from(sorted(LANES))) for name in names}
    chosen = {name: LANES[lane]() for name, lane in lanes.items()}
    if len(names) > 1 and data.draw(st.booleans()):
        chosen = {tuple(names[:2]): preprocessors.Cross(5), **chosen}
    columns = preprocessors.Columns(chosen)
    spec = FeatureSpec.from_json(columns._spec().to_json())
    features = [feature for entry in spec.values() for feature in entry.features]
    assert len({feature.name for feature in features}) == len(features)
    # a column's first feature has its name, and nothing that is derived has any column's
    assert {f.name for f in features if f.columns == (f.name,)} >= {n for n in names if lanes[n] != "columns"}
    assert all(f.columns == (f.name,) for f in features if f.name in names)
    tokens = [name for name in names if lanes[name] == "tokens"]
    assert len(spec) == len(tokens) + len({"numeric", "categorical"} & set(spec))
    for name in tokens:
        entry = spec[key := next(key for key, entry in spec.items() if entry.names == (name,))]
        assert (entry.dtype, entry.shape, key == name) == ("int32", (3,), is_entry_name(name))
        assert is_entry_name(key)
    # reading the configuration again names all alike
    assert preprocessors.Columns.from_config(columns.get_config())._spec() == spec


@settings(max_examples=8)
@given(NAMES, st.sampled_from(FORMS))
@example(ODD, FORMS[0])
@example(["y" * 70_000, "y" * 69_999], FORMS[1])
def test_stores_keep_keys_of_every_name(tmp_path_factory, names, form):
    keys = {name: np.arange(5) + place for place, name in enumerate(names)}
    texts = {f"{name}'": np.array([f"{place}{row}".encode() for row in range(5)]) for place, name in enumerate(names)}
    keys |= {name: values for name, values in texts.items() if name not in keys}
    plan = SplitPlan(lambda skip: iter([Rows({"numeric": np.ones((5, 1), "f4")}, keys=keys)] if not skip else []))
    format, options = form
    store = write(tmp_path_factory.mktemp("keys"), {"train": plan}, fingerprint={}, format=format, verbose=0, **options)
    assert store.check() == []
    found = blocks.open_store(store.path)["train"].read().keys
    assert {name: values.tolist() for name, values in found.items()} == {n: v.tolist() for n, v in keys.items()}


def test_what_no_file_can_hold_is_refused_at_once():
    for name in ("a\0b", "half \ud800"):
        with pytest.raises(InvalidArgument, match="A target is a column's name: text without NUL that UTF-8 can hold"):
            regressors.Mean(name)
        with pytest.raises(InvalidArgument, match="sample_weight is a column's name: text without NUL"):
            regressors.Mean("y", sample_weight=name)


# -- the whole road ----------------------------------------------------------------------------------------------------

ROWS = 60
NUMBERS = [
    "self", "", "a b", "a.b", "A", "a", "class", "\u00b2", "\u00e9", "\n", "x" * 300, "age",
]  # fmt: skip
TEXTS = {
    "numeric": lambda: preprocessors.Tokens(2),
    "main text/1: \u0442\u0435\u0433": lambda: preprocessors.Tokens(2),
    "reshape": lambda: preprocessors.Tokens(2),
    "categorical": preprocessors.Vocabulary,
    "training": lambda: preprocessors.MultiHot(separator=" "),
    "output_0": preprocessors.TargetEncode,
    "name": preprocessors.OneHot,
    "name_x_training": preprocessors.Vocabulary,
}
TARGET, WEIGHT, KEYS = "label", "probabilities", ["", "i/d."]


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    made = {name: np.where(random.random(ROWS) < 0.1, np.nan, random.normal(size=ROWS)) for name in NUMBERS}
    made["age_missing"] = random.normal(size=ROWS)
    made |= {name: np.array([" ".join(random.choice(list("pqr"), 2)) for _ in range(ROWS)]) for name in TEXTS}
    made[TARGET] = np.where(made["age_missing"] > 0, "u", "v")
    return {**made, WEIGHT: random.random(ROWS) + 0.1, "i/d.": np.arange(ROWS)}


@pytest.fixture(scope="module")
def model(rows):
    columns = {name: preprocessors.Standardize(add_indicator=name == "age") for name in [*NUMBERS, "age_missing"]}
    columns |= {("name", "training"): preprocessors.Cross(5), **{name: make() for name, make in TEXTS.items()}}
    made = blocks.Model(
        preprocessors.Columns(columns),
        feature_extractors.MLP([4], name="name"),
        classifiers.Softmax(TARGET, sample_weight=WEIGHT),
        [postprocessors.Labels()],
        seed=0,
    )
    made.adapt(rows)
    made.fit(rows, epochs=1, batch_size=ROWS, verbose=0)
    return made


@pytest.fixture(scope="module")
def raw(model, rows):
    kinds = model.preprocessor.inputs
    return {name: to_raw(pa.array(rows[name], from_pandas=True), kind, name) for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def answers(model, rows):
    return model.predict(blocks.read(rows))


def agrees(found, answers):
    assert set(found) == set(answers)
    np.testing.assert_allclose(found["probabilities"], answers["probabilities"], rtol=1e-5)
    decoded = [value.decode() if isinstance(value, bytes) else value for value in np.asarray(found["label"]).tolist()]
    assert decoded == answers["label"].tolist()


def test_a_model_answers_alike_however_it_is_asked(model, rows, raw, answers, tmp_path):
    assert set(model.spec) == {"numeric", "categorical", "column_numeric", "main_text_1", "column_reshape"}
    assert {"age_missing", "age_missing_2", "name_x_training", "name_x_training_2"} <= set(
        model.preprocessor.get_feature_names_out()
    )
    batch = {name: rows[name] for name in raw}
    agrees({name: value.numpy() for name, value in model(batch).items()}, answers)
    agrees(model.predict(batch), answers)
    model.save(tmp_path / "m.keras")
    agrees(blocks.load(tmp_path / "m.keras").predict(pa.table(rows)), answers)


def test_every_store_holds_it(model, rows, tmp_path):
    encode = OutOfFold(model.transform, blocks.read(rows))
    [chunk] = encode.with_positions([pa.record_batch(rows)])
    expected = encode(chunk)
    for number, (format, options) in enumerate(FORMS):
        path = tmp_path / str(number)
        model.precompute({"train": rows}, path, format=format, keys=KEYS, verbose=False, **options)
        split = blocks.open_store(path)["train"]
        held = split.read()
        assert {name: values.tobytes() for name, values in held.features.items()} == {
            name: np.ascontiguousarray(values).tobytes() for name, values in expected.items()
        }
        assert held.keys["i/d."].tolist() == list(range(ROWS))
        np.testing.assert_array_equal(held.keys[""], rows[""])
        assert held.weight.tolist() == rows[WEIGHT].astype("f4").tolist()
    assert model.evaluate(split, verbose=0)["loss"] == pytest.approx(model.evaluate(rows, verbose=0)["loss"], abs=0.5)


def test_every_signature_takes_it(model, rows, raw, answers, tmp_path):
    with pytest.warns(BlocksWarning, match=r"take column_0 for 'self', column_1 for '', column_2 for 'a b', column_3"):
        model.export(tmp_path / "e")
    report = blocks.verify(tmp_path / "e", rows)
    assert report.ok, str(report)
    loaded = tf.saved_model.load(str(tmp_path / "e"))
    tensors = {name: tf.constant(values) for name, values in raw.items()}
    agrees({name: value.numpy() for name, value in loaded.serve(tensors).items()}, answers)
    shown = loaded.signatures["serve"].structured_input_signature[1]
    assert set(raw) - set(shown) == {"self", "", "a b", "a.b", "class", "\u00b2"}
    assert len(shown) == len(raw)
    # by name in Python, wherever TensorFlow can: else as the warning said
    manifest = json.loads((tmp_path / "e" / ASSETS / "manifest.json").read_text())
    called = keywords(manifest, tensors)
    assert {"class", "\u00b2", "\n", "A", "a"} <= set(called)
    features = model.transform(pa.record_batch(rows))
    for name in ("serve", "serving_default"):
        agrees({key: value.numpy() for key, value in loaded.signatures[name](**called).items()}, answers)
    found = loaded.signatures["transform_features"](**called)
    assert {n: v.numpy().tobytes() for n, v in found.items()} == {n: v.tobytes() for n, v in features.items()}
    before = loaded.signatures["predict_features"](**found)["probabilities"]
    np.testing.assert_allclose(before, answers["probabilities"], rtol=1e-5)
    examples = tf.constant([example_of(raw, row) for row in range(ROWS)])
    from_examples = loaded.signatures["serving_examples"](examples)["probabilities"]
    np.testing.assert_allclose(from_examples, answers["probabilities"], rtol=1e-4)
    # as TensorFlow Serving does: by the signature's own names, from the graph
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "e")).signature_def["serve"]
        assert set(signature.inputs) == set(raw)
        fed = {signature.inputs[name].name: values for name, values in raw.items()}
        agrees(session.run({name: one.name for name, one in signature.outputs.items()}, fed), answers)


def example_of(raw, row):
    feature = {}
    for name, values in raw.items():
        value = values[row]
        if isinstance(value, float):
            feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        else:
            text = value.encode() if isinstance(value, str) else value
            feature[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_prediction_tables_keep_it_beside_the_answers(model, rows, answers, tmp_path):
    right = (answers["label"] == rows[TARGET]).astype(float)
    for name in ("t.parquet", "t.db"):
        made = model.predict_table(rows, tmp_path / name, keys=KEYS, verbose=False)
        table = made.to_table()
        assert table.schema.names == [
            "",
            "i/d.",
            "target_label",
            "target_probabilities",
            "confidence",
            "label",
            "probabilities",
        ]
        assert table["i/d."].to_pylist() == list(range(ROWS))
        assert table["target_label"].to_pylist() == rows[TARGET].tolist()
        found = {row["metric"]: row["value"] for row in blocks.evaluate.metrics(made, bootstrap=0).to_pylist()}
        assert found["accuracy"] == pytest.approx(np.average(right, weights=rows[WEIGHT]))
    for keys in ([TARGET], [WEIGHT]):
        with pytest.raises(InvalidArgument, match=r"A key has no answer's name.*it is kept as 'target_"):
            model.predict_table(rows, tmp_path / "other.parquet", keys=keys, verbose=False)


def test_explanations_know_it(model, rows):
    row = {name: rows[name][0].item() for name in model.preprocessor.inputs}
    found = blocks.explain(model, row, background=rows, n_samples=64)
    assert {one.column for one in found.contributions} == set(row)


# -- parts of a model --------------------------------------------------------------------------------------------------


def spec_of(**tokens):
    features = [Feature("x", ("x",)), Feature("city", ("city",), 3)]
    return FeatureSpec.pack(
        features, {key: Entry("int32", (2,), (Feature(name, (name,), 4),)) for key, name in tokens.items()}
    )


def test_entries_are_called_otherwise_than_the_layers_of_a_core():
    spec = spec_of(mlp="mlp", softmax="softmax", tab_m="tab_m")
    for extractor in (feature_extractors.MLP([2], name="mlp"), feature_extractors.TabM([2], k=2, name="tab_m")):
        head = classifiers.Softmax("y", classes=["u", "v"], name="softmax")
        core = build_core(spec, extractor, head, seed=0)
        names = [layer.name for layer in core.layers]
        assert len(set(names)) == len(names)
        assert set(core.input) == set(spec)


def test_extractors_find_an_entry_by_its_column():
    spec = spec_of(column_numeric="numeric", main_text="main text")
    batch = {
        "numeric": np.ones((3, 1), "f4"),
        "categorical": np.ones((3, 1), "i4"),
        "column_numeric": np.ones((3, 2), "i4"),
        "main_text": np.array([[1, 2], [3, 0], [2, 2]], "i4"),
    }
    words = keras.Sequential([keras.layers.Embedding(4, 3), keras.layers.GlobalAveragePooling1D()])
    by_column = feature_extractors.Keras(words, inputs="main text", spec=spec)
    assert np.array_equal(by_column(batch), words(batch["main_text"]))
    # a name is a feature's or a column's before it is an entry's: "numeric" is the text here, not all numbers
    groups = {"num eric": (["numeric"], feature_extractors.MLP([2])), "": (None, feature_extractors.MLP([3]))}
    tower = feature_extractors.Tower(groups, spec=spec)
    assert tower(batch).shape == (3, 5)
    assert [list(part) for part, _ in tower._parts()] == [["column_numeric"], ["numeric", "categorical", "main_text"]]
    again = feature_extractors.Tower.from_config(tower.get_config())
    assert [one.name for one in again.towers] == [one.name for one in tower.towers] == ["num_eric", "column"]


def test_heads_answer_by_their_names_and_two_answers_never_share_one(tmp_path):
    rows = {"x": np.arange(40.0), "gr\u00f6\u00dfe/1": np.arange(40.0), "": np.repeat(["u", "v"], 20)}
    for name in ("gr\u00f6\u00dfe", "_a", "a b", ""):
        with pytest.raises(InvalidArgument, match="A head's name is a Python identifier of ASCII characters"):
            blocks.Model(head={name: regressors.Mean("x")})
    heads = {"A": regressors.Mean("gr\u00f6\u00dfe/1"), "self": classifiers.Softmax("")}
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}), feature_extractors.MLP([2]), heads, seed=0
    )
    model.adapt(rows)
    model.fit(rows, epochs=1, verbose=0)
    answers = model.predict(rows)
    assert set(answers) == {"A_prediction", "self_probabilities"}
    model.export(tmp_path / "e")
    served = tf.saved_model.load(str(tmp_path / "e")).signatures["serve"](x=tf.constant(rows["x"]))
    assert {name: value.shape for name, value in served.items()} == {n: v.shape for n, v in answers.items()}
    store = model.precompute({"train": rows}, tmp_path / "s", keys=["gr\u00f6\u00dfe/1"], verbose=False)
    assert store["train"].read().target["self"].tolist() == [0] * 20 + [1] * 20
    chain = {"a": [postprocessors.TopK(2)]}
    heads = {"a": classifiers.Softmax("", classes=list("uvw")), "a_top": classifiers.Softmax("", classes=list("uvw"))}
    with pytest.raises(InvalidArgument, match=r"'a_top_probabilities', of the heads 'a' and 'a_top'. Give one"):
        blocks.Model(model.preprocessor.copy(), feature_extractors.MLP([2]), heads, chain).adapt(
            {**rows, "": np.resize(list("uvw"), 40)}
        )


# -- what was written before -------------------------------------------------------------------------------------------


def test_what_was_written_under_other_names_is_refused(tmp_path):
    rows = {"numeric": ["p q", "q", "p"] * 8, "x": np.arange(24.0), "y": ["u", "v"] * 12}
    columns = {"numeric": preprocessors.Tokens(2), "x": preprocessors.Standardize()}
    model = blocks.Model(preprocessors.Columns(columns), feature_extractors.MLP([2]), classifiers.Softmax("y"), seed=0)
    model.adapt(rows)
    store = model.precompute({"train": rows}, tmp_path / "s", verbose=False)
    # as it was before: the tokens in place of the numbers
    entry = model.spec["column_numeric"]
    before = FeatureSpec({"numeric": entry})
    held = store["train"].read()
    held = Rows({"numeric": held.features["column_numeric"]}, held.target)
    plan = SplitPlan(lambda skip: iter([held] if not skip else []))
    old = write(tmp_path / "old", {"train": plan}, fingerprint=store.fingerprint, spec=before.to_json(), verbose=0)
    with pytest.raises(StoreMismatch, match=r"for them: numeric, column_numeric. Received: .* with numeric, written"):
        model.evaluate(old["train"], verbose=0)
    core = build_core(before, feature_extractors.MLP([2]), model.head.copy(), seed=0)
    with pytest.raises(InvalidArgument, match=r"saved by another version of blocks. Make the model anew"):
        InferenceGraph(model.preprocessor, core, model.head)
