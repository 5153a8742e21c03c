"""Several heads on one extractor, through the whole road; and what they refuse."""

import keras
import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import BadTarget, BlocksWarning, InvalidArgument, SchemaMismatch, StoreMismatch
from blocks.heads import Heads

ANSWERS = {
    "cost_prediction": (),
    "kind_probabilities": (3,),
    "kind_label": (),
    "kind_confidence": (),
    "range_prediction": (),
    "range_quantiles": (2,),
    "tags_probabilities": (2,),
    "both_prediction": (2,),
}


def make_rows(rows=600, seed=0):
    random = np.random.default_rng(seed)
    x, city = random.normal(size=rows), random.choice(["rome", "oslo", "bern"], rows)
    far = (city == "oslo") * 1.0
    kind = np.array(["a", "b", "c"], object)[np.digitize(x + random.normal(0, 0.3, rows), [-0.5, 0.5])]
    hot, big = x + random.normal(0, 0.5, rows) > 0, far + random.normal(0, 0.3, rows) > 0.5
    tags = [
        [name for name, holds in zip(("hot", "big"), row, strict=True) if holds] for row in zip(hot, big, strict=True)
    ]
    return pa.table(
        {
            "id": np.arange(rows),
            "x": x,
            "city": city,
            "cost": np.exp(x + far + random.normal(0, 0.1, rows)),
            "kind": pa.array(kind),
            "tags": pa.array(tags, pa.list_(pa.string())),
            "size": 10 * x + random.normal(size=rows),
            "weight": random.uniform(0.5, 2.0, rows),
        }
    )


def make_heads():
    return {
        "cost": regressors.Mean("cost", transform="log", sample_weight="weight"),
        "kind": classifiers.Softmax("kind", class_weight="balanced"),
        "range": regressors.Quantiles("cost", [0.1, 0.9]),  # a column that another head has too
        "tags": classifiers.Sigmoid("tags"),
        "both": regressors.Mean(["size", "cost"]),
    }


def make_model(extractor=None, **options):
    """With all kinds of heads."""
    return blocks.Model(
        preprocessor=preprocessors.Columns({"x": preprocessors.Standardize(), "city": preprocessors.Vocabulary()}),
        feature_extractor=extractor or feature_extractors.MLP([16]),
        seed=0,
        **{
            "head": make_heads(),
            "postprocessors": {"kind": [postprocessors.Temperature(), postprocessors.Labels()]},
            "loss_weights": {"cost": 0.5, "tags": 2.0},
            **options,
        },
    )


def make_small(**options):
    """With two heads, whose core is traced in less time."""
    heads = {
        "cost": regressors.Mean("cost", sample_weight="weight"),
        "kind": classifiers.Softmax("kind", class_weight="balanced"),
    }
    return make_model(**{"head": heads, "postprocessors": {}, "loss_weights": {"cost": 0.5}, **options})


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def held_out():
    return make_rows(200, seed=1)


@pytest.fixture(scope="module")
def fitted(rows, held_out):
    model = make_model()
    model.adapt(rows)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(rows, epochs=12, batch_size=64, verbose=0)
    model.calibrate(held_out)
    return model


@pytest.fixture(scope="module")
def store(fitted, rows, held_out, tmp_path_factory):
    return fitted.precompute({"train": rows, "valid": held_out}, tmp_path_factory.mktemp("stores") / "store")


def test_one_pass_learns_all_targets(rows):
    model = make_model()
    assert model.passes == 1
    summary = model.adapt(rows)
    assert {"target/cost/log", "target/kind/counts", "target/tags/rows", "target/both/size/moments"} <= set(summary)
    alone = make_heads()
    for name, head in alone.items():
        single = make_model(head=head, postprocessors=[], loss_weights=None)
        single.adapt(rows)
        assert {key: value.tolist() for key, value in single.head.state.items()} == {
            key: value.tolist() for key, value in model.head.heads[name].state.items()
        }


def test_answers_are_named_by_their_head(fitted, held_out):
    answers = fitted.predict(held_out)
    assert {name: value.shape[1:] for name, value in answers.items()} == ANSWERS
    assert (np.diff(answers["range_quantiles"], axis=1) >= 0).all()
    assert (answers["kind_label"] == held_out["kind"].to_pylist()).mean() > 0.7
    assert np.median(np.abs(answers["cost_prediction"] / held_out["cost"].to_numpy() - 1)) < 0.3
    assert np.corrcoef(answers["both_prediction"][:, 0], held_out["size"].to_numpy())[0, 1] > 0.95
    assert fitted.postprocessors["kind"][0].temperature != 1.0


def test_the_loss_is_the_weighted_sum_of_the_heads(fitted, held_out):
    found = fitted.evaluate(held_out)
    weights = {"cost": 0.5, "kind": 1.0, "range": 1.0, "tags": 2.0, "both": 1.0}
    assert found["loss"] == pytest.approx(sum(w * found[f"{name}_loss"] for name, w in weights.items()), rel=1e-4)
    for name in ("kind_accuracy", "tags_accuracy", "range_coverage", "both_size_root_mean_squared_error"):
        assert name in found
    answers, weight = fitted.predict(held_out), held_out["weight"].to_numpy()
    size = held_out["size"].to_numpy()
    error = np.sqrt(np.average((answers["both_prediction"][:, 0] - size) ** 2, weights=weight))
    assert found["both_size_root_mean_squared_error"] == pytest.approx(error, rel=1e-5)
    # every head's loss counts rows by the one column of weights
    head = fitted.head.heads["tags"]
    truth = head.encode(held_out["tags"].combine_chunks())[0]
    each = [float(head.default_loss()(truth[i : i + 1], answers["tags_probabilities"][i : i + 1])) for i in range(200)]
    expected = np.average(each, weights=weight)
    assert found["tags_loss"] == pytest.approx(expected, rel=1e-4)


def test_class_weights_count_for_their_head_alone(rows):
    # with a rate of 0 every epoch has the same loss: what a class weighs shifts the mean over rows of its own head
    def first_loss(**options):
        heads = {"kind": classifiers.Softmax("kind", **options), "cost": regressors.Mean("cost")}
        model = make_small(head=heads)
        model.adapt(rows)
        model.compile(keras.optimizers.SGD(0.0))
        losses = model.fit(rows, epochs=1, batch_size=600, verbose=0).history
        return losses["kind_loss"][0], losses["cost_loss"][0]

    plain, alone = (
        first_loss(),
        [first_loss(class_weight={"abc"[i]: 1.0} | dict.fromkeys({*"abc"} - {"abc"[i]}, 0.0)) for i in range(3)],
    )
    share = [rows["kind"].to_pylist().count(name) / len(rows) for name in "abc"]
    assert plain[0] == pytest.approx(sum(s * a[0] for s, a in zip(share, alone, strict=True)), rel=1e-5)
    assert len({round(a[0], 4) for a in alone}) == 3
    assert [a[1] for a in alone] == pytest.approx([plain[1]] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("format", "options"), [("hdf5", {}), ("tfrecord", {}), ("tfrecord", {"layout": "example"})], ids=str
)
def test_a_store_holds_every_target(fitted, rows, tmp_path, format, options):
    store = fitted.precompute({"train": rows}, tmp_path / "store", format=format, **options)
    assert store.check() == []
    entries = {entry.name: (entry.dtype, entry.shape) for entry in store["train"].entries}
    assert entries["target/cost"] == entries["target/range"] == ("<f8", ())
    assert entries["target/kind"] == ("<i4", ())
    assert entries["target/tags"] == ("|u1", (2,))
    assert entries["target/both"] == ("<f8", (2,))
    _, target, weight = next(iter(store["train"].stream(600, shuffle=False)))
    chunk = rows.combine_chunks().to_batches()[0]
    expected, usable = fitted.head.encode_rows(chunk)
    assert usable.all()
    for name, values in expected.items():
        assert (target[name] == values).all(), name
    assert np.allclose(weight, rows["weight"].to_numpy())
    found = fitted.evaluate(store["train"])
    for name, value in fitted.evaluate(rows).items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_training_from_a_store_and_on_the_fly_is_the_same(rows, tmp_path):
    def trained_on(data):
        model = make_small()
        model.adapt(rows)
        return model.fit(data, validation_data=data, epochs=2, batch_size=100, shuffle=False, verbose=0).history

    model = make_small()
    model.adapt(rows)
    flying = trained_on(rows)
    stored = trained_on(model.precompute({"train": rows}, tmp_path / "store")["train"])
    assert set(flying) == set(stored)
    for name, values in flying.items():
        assert stored[name] == pytest.approx(values, rel=1e-4), name


def test_a_store_of_other_heads_is_refused(rows, store):
    other = make_small()
    other.adapt(rows)
    with pytest.raises(StoreMismatch, match=r"target"):
        other.fit(store["train"], epochs=1, verbose=0)


def test_parts_are_replaced_and_the_store_stays(rows, tmp_path):
    model = make_small()
    model.adapt(rows)
    store = model.precompute({"train": rows}, tmp_path / "store")
    bigger = model.replace(feature_extractor=feature_extractors.MLP([8, 8]))
    assert bigger.head.loss_weights == model.head.loss_weights == {"cost": 0.5, "kind": 1.0}
    bigger.fit(store["train"], epochs=1, verbose=0)
    assert model.replace(loss_weights={"kind": 3.0}).head.loss_weights == {"cost": 1.0, "kind": 3.0}
    heads = {
        "cost": regressors.Gaussian("cost", sample_weight="weight"),
        "kind": classifiers.Softmax("kind", focal_gamma=1.0),
    }
    swapped = model.replace(head=heads)
    assert not swapped.head.heads["cost"].adapted
    assert swapped.head.heads["kind"].classes == ["a", "b", "c"]
    swapped.adapt(rows)
    swapped.fit(store["train"], epochs=1, verbose=0)
    assert set(swapped.predict(rows)) == {"cost_prediction", "cost_standard_deviation", "kind_probabilities"}


def test_the_file_is_the_model(fitted, held_out, tmp_path):
    fitted.save(tmp_path / "model.keras")
    loaded = blocks.load(tmp_path / "model.keras")
    expected, found = fitted.predict(held_out), loaded.predict(held_out)
    for name, values in expected.items():
        assert (found[name] == values).all(), name
    assert loaded.head.loss_weights == fitted.head.loss_weights
    assert loaded.evaluate(held_out)["loss"] == pytest.approx(fitted.evaluate(held_out)["loss"], rel=1e-6)


def test_the_export_answers_alike(fitted, held_out, store, tmp_path):
    fitted.export(tmp_path / "1")
    report = blocks.verify(tmp_path / "1", held_out, store["valid"])
    assert report, str(report)
    assert set(report.answers) == set(ANSWERS)


def test_heads_on_members(rows):
    model = make_small(extractor=feature_extractors.TabM([8], k=3))
    model.adapt(rows)
    losses = model.fit(rows, epochs=3, batch_size=100, verbose=0).history
    assert losses["loss"][-1] < losses["loss"][0]
    answers = model.predict(rows)
    assert answers["cost_prediction"].shape == (600,)
    assert np.allclose(answers["kind_probabilities"].sum(axis=1), 1.0, atol=1e-5)


def test_rows_that_one_head_cannot_use(rows):
    table = rows.set_column(
        rows.schema.get_field_index("cost"), "cost", pa.array([None, *rows["cost"].to_pylist()[1:]])
    )
    model = make_small()
    with pytest.warns(BlocksWarning, match=r"'cost' is missing or not finite in 1 of 600 rows, which fit refuses"):
        model.adapt(table)
    with pytest.raises(
        BadTarget,
        match=r"needs a target that is a finite number, within 1e.100 of 0. Received: 'cost' = None in 1",
    ):
        model.fit(table, epochs=1, verbose=0)
    heads = {"cost": regressors.Mean("cost", on_bad_target="skip"), "kind": classifiers.Softmax("kind")}
    skipping = model.replace(head=heads)
    skipping.adapt(table)
    with pytest.warns(
        BlocksWarning, match=r"'cost' has no usable target in 1 rows of .*counts for the other heads alone"
    ):
        skipping.fit(table, epochs=1, verbose=0)


def test_rows_that_lack_one_target_train_the_other(rows, tmp_path):
    cost, kind = rows["cost"].to_pylist(), rows["kind"].to_pylist()
    cost[:200] = [None] * 200
    kind[190:400] = [None] * 210  # ten rows lack both
    table = rows.drop_columns(["cost", "kind"]).append_column("cost", pa.array(cost)).append_column("kind", [kind])
    model = make_small(
        head={
            "cost": regressors.Mean("cost", on_bad_target="skip", sample_weight="weight"),
            "kind": classifiers.Softmax("kind", on_bad_target="skip"),
        },
        postprocessors={"kind": [postprocessors.Temperature()]},
    )
    model.adapt(table)
    with pytest.warns(BlocksWarning) as told:
        store = model.precompute({"train": table}, tmp_path / "store")
    texts = " ".join(str(one.message) for one in told)
    assert "10 rows" in texts
    assert "'cost' has no usable target in 190 rows" in texts
    assert "'kind' has no usable target in 200 rows" in texts
    assert store.check() == []
    assert store["train"].rows == 590
    model.fit(store["train"], epochs=3, verbose=0)
    model.calibrate(store["train"], allow_training_rows=True)
    assert model.postprocessors["kind"][0].temperature != 1.0
    found = model.evaluate(store["train"], batch_size=77)
    with pytest.warns(BlocksWarning):
        assert model.evaluate(table) == pytest.approx(found, rel=1e-6)
    with pytest.warns(BlocksWarning, match=r"200 unusable_targets\[cost\], 210 unusable_targets\[kind\]"):
        answers = model.predict_table(table, tmp_path / "answers.parquet")
    with pytest.warns(BlocksWarning, match="410 unusable_targets"):
        judged = blocks.evaluate.metrics(answers, bootstrap=0)
    judged = {row["metric"]: row["value"] for row in judged.to_pylist()}
    for name in ("kind_accuracy", "cost_mean_absolute_error", "cost_root_mean_squared_error"):
        assert found[name] == pytest.approx(judged[name], rel=1e-6), (name, sorted(judged))


def test_one_head_by_name(rows):
    model = make_small(head={"kind": classifiers.Softmax("kind")}, loss_weights=None)
    model.adapt(rows)
    assert "accuracy" in " ".join(model.fit(rows, epochs=1, verbose=0).history)
    assert list(model.predict(rows)) == ["kind_probabilities"]


def test_errors_of_heads():
    mean = regressors.Mean("cost")
    for heads, message in (
        ({}, "A dict of heads names one at least"),
        ({"a b": mean}, "A head's name is a Python identifier of ASCII .* Received: 'a b'"),
        ({"a": "cost"}, "a dict of heads by name. Received: 'a': 'cost'"),
        ({"a": Heads({"b": mean})}, "a dict of heads by name. Received: 'a'"),
        (
            {"a": regressors.Mean("x", sample_weight="u"), "b": regressors.Mean("y", sample_weight="v")},
            r"share one column of sample weights. Received: \['a', 'b'\] with \['u', 'v'\]",
        ),
    ):
        with pytest.raises(InvalidArgument, match=message):
            Heads(heads)
    for weights in ({"c": 1.0}, {"a": -1.0}, {"a": float("nan")}, {"a": 0.0}, {"a": "1"}):
        with pytest.raises(
            InvalidArgument, match=r"loss_weights are finite numbers >= 0 by head, not all 0; the heads are a"
        ):
            Heads({"a": mean}, loss_weights=weights)


def test_errors_of_models(rows):
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    mean = regressors.Mean("cost")
    with pytest.raises(InvalidArgument, match=r"loss_weights are for several heads. Received: Mean alone"):
        blocks.Model(columns, head=mean, loss_weights={"cost": 1.0})
    with pytest.raises(InvalidArgument, match=r"or with several heads a dict of lists by head.*list, for a head Heads"):
        blocks.Model(columns, head={"a": mean}, postprocessors=[postprocessors.Labels()])
    with pytest.raises(InvalidArgument, match=r"or with several heads a dict of lists by head.*dict, for a head Mean"):
        blocks.Model(columns, head=mean, postprocessors={"a": []})
    with pytest.raises(InvalidArgument, match=r"belong to a head, of which there are a. Received: \['b'\]"):
        blocks.Model(columns, head={"a": mean}, postprocessors={"b": []})
    with pytest.raises(InvalidArgument, match=r"Model's postprocessors is a Postprocessor. Received: str"):
        blocks.Model(columns, head={"a": mean}, postprocessors={"a": ["Labels"]})
    with pytest.raises(BadTarget, match=r"target must not stand among the inputs.*'x'"):
        blocks.Model(columns, head={"a": mean, "b": regressors.Mean("x")})
    more = blocks.Model(columns, head={"a": mean, "b": regressors.Mean("absent")})
    with pytest.raises(SchemaMismatch, match=r"The target is a column of the source.*Received: 'absent'"):
        more.adapt(rows)
    by_target = preprocessors.Columns({"city": preprocessors.TargetEncode()})
    with pytest.raises(
        InvalidArgument, match=r"learns from one number or class a row. Received: one for 'city', and Heads"
    ):
        blocks.Model(by_target, head=make_heads()).adapt(rows)


def test_losses_of_several_heads_are_by_name(rows):
    model = make_small(head={"cost": regressors.Mean("cost"), "both": regressors.Mean("size")})
    for given in ("mse", {"price": "mse"}, ["mse"], {"cost": "mse", "": "mae"}):
        with pytest.raises(InvalidArgument, match=r"compile's loss is a dict of losses by head: cost, both\. Received"):
            model.compile(loss=given)
    for given in (2.0, {"price": 2.0}, [1.0], {"cost": "2"}):
        with pytest.raises(InvalidArgument, match=r"compile's loss_weights is a dict of numbers by head: cost, both"):
            model.compile(loss_weights=given)
    model.adapt(rows)
    for given in ({"metrics": {"price": ["mse"]}}, {"weighted_metrics": {"price": ["mse"]}}, {"metrics": ["mse"]}):
        with pytest.raises(InvalidArgument, match=r"Metrics of several heads are a dict of lists by head: cost, both"):
            model.compile(**given)
    model.compile(loss=["mse", "mae"], loss_weights=[0.5, 2.0])
    model.fit(rows, epochs=1, verbose=0)
    found, judged = model.evaluate(rows, batch_size=70, verbose=0), model.evaluate(rows, batch_size=600, verbose=0)
    assert found == pytest.approx(judged, rel=1e-6)
    assert found["loss"] == pytest.approx(0.5 * found["cost_loss"] + 2 * found["both_loss"], rel=1e-6)
