"""Precompute: the store holds the very bits that a SavedModel computes, for the model that it was made by alone."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks import classifiers, feature_extractors, preprocessors, regressors
from blocks.errors import BadTarget, BlocksWarning, CorruptShard, InvalidArgument, MalformedData, StoreMismatch
from blocks.store.writing import write as writing

FORMATS = ["hdf5", "tfrecord"]
SMALL = {"rows_per_shard": 256, "rows_per_chunk": 64, "verbose": False}


@pytest.fixture(scope="module")
def rows(make_table):
    table = make_table(1500, seed=3)
    weight = np.random.default_rng(0).integers(0, 5, len(table)) / 4
    return table.append_column("weight", pa.array(weight)).append_column(
        "tag", pa.array([f"r{i}" for i in range(1500)])
    )


@pytest.fixture(scope="module")
def splits(rows):
    return blocks.read(rows).split(train=0.7, valid=0.2, test=0.1, key="id")


@pytest.fixture(scope="module")
def model(make_model, splits):
    model = make_model()
    model.head = classifiers.Softmax("label", sample_weight="weight")
    model.adapt(splits["train"])
    return model


@pytest.fixture(scope="module", params=FORMATS)
def store(request, model, splits, tmp_path_factory):
    path = tmp_path_factory.mktemp("precomputed") / request.param
    return model.precompute(splits, path, format=request.param, keys=["id", "tag"], **SMALL)


def regressor(table, **head):
    """A small adapted model whose target is a number, with gaps."""
    model = blocks.Model(
        preprocessors.Columns({"size": preprocessors.Standardize(), "city": preprocessors.Vocabulary()}),
        feature_extractors.MLP([4]),
        regressors.Mean("price", **head),
        seed=0,
    )
    model.adapt(table)
    return model


@pytest.fixture
def prices():
    random = np.random.default_rng(1)
    price = [None if i % 10 == 3 else float(i) for i in range(700)]
    return pa.table({"size": random.normal(size=700), "city": random.choice(["a", "b"], 700), "price": price})


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def damage(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 16
    path.write_bytes(raw)


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_the_store_holds_the_bits_of_the_saved_model(store, model, splits, tmp_path):
    model.export(tmp_path / "1")
    # a report takes a process with TensorFlow; that the other splits hold what the model gives is tested below
    report = blocks.verify(tmp_path / "1", splits["valid"], store["valid"], small_batch_rows=64)
    assert report.ok, report
    assert report.rows["rows of the source and store"] == splits["valid"].count() == store["valid"].rows
    if store.manifest.format == "hdf5":
        swapped = splits["test"].to_table()
        at = swapped.column_names.index("city")
        swapped = swapped.set_column(at, "city", pa.array(np.roll(swapped["city"].to_pylist(), 1).tolist()))
        report = blocks.verify(tmp_path / "1", swapped, store["test"], small_batch_rows=8)
        assert [name for name, count in report.features.items() if count] == ["city"]


def test_order_keys_targets_and_weights_are_the_sources(store, model, splits):
    for name, split in splits.items():
        table, found = split.to_table(), store[name].read()
        assert found.keys["id"].tolist() == table["id"].to_pylist()
        assert [tag.decode() for tag in found.keys["tag"]] == table["tag"].to_pylist()
        assert [model.head.classes[code] for code in found.target] == table["label"].to_pylist()
        np.testing.assert_array_equal(found.weight, table["weight"].to_numpy().astype(np.float32))
        features = model.transform(table.combine_chunks().to_batches()[0])
        for entry, values in features.items():
            assert found.features[entry].tobytes() == values.tobytes()


def test_the_store_says_what_its_columns_are(store, model):
    columns = {entry.name: entry.columns for entry in store["train"].entries}
    assert columns == {
        "features/numeric": tuple(model.spec["numeric"].names),
        "features/categorical": tuple(model.spec["categorical"].names),
        "target": ("label",),
        "weight": ("weight",),
        "keys/id": ("id",),
        "keys/tag": ("tag",),
    }
    assert len(store.manifest.splits["train"]) >= 4, "several shards, or resuming is not tried"


def test_the_manifest_says_the_classes_and_their_priors(store, splits):
    (head,) = json.loads((store.path / "manifest.json").read_bytes())["metadata"]["heads"]
    classes, counts = np.unique(splits["train"].to_table()["label"].to_numpy(), return_counts=True)
    assert (head["targets"], head["classes"], head["counts"]) == (["label"], classes.tolist(), counts.tolist())
    np.testing.assert_allclose(head["priors"], counts / counts.sum(), rtol=1e-15)


def test_columns_of_every_rank_and_head_are_named(tmp_path):
    rows = pa.table(
        {
            "text": ["a b", "b c", "", "a"] * 5,
            "tags": [["x"], ["x", "y"], [], ["y"]] * 5,
            "low": np.arange(20.0),
            "high": np.arange(20.0) ** 2,
        }
    )
    heads = {"tags": classifiers.Sigmoid("tags"), "range": regressors.Mean(["low", "high"])}
    columns = preprocessors.Columns({"text": preprocessors.Tokens(output_length=3)})
    model = blocks.Model(columns, feature_extractors.MLP([4]), heads, seed=0)
    model.adapt(rows)
    store = model.precompute({"train": rows}, tmp_path / "s", verbose=False)
    assert {entry.name: entry.columns for entry in store["train"].entries} == {
        "features/text": ("text",),
        "target/tags": ("x", "y"),
        "target/range": ("low", "high"),
    }
    assert [(head["name"], head.get("counts")) for head in store.metadata["heads"]] == [
        ("tags", [10, 10]),
        ("range", None),
    ]
    assert model.precompute({"train": rows}, tmp_path / "s", verbose=False).reused


def test_every_format_holds_the_same_rows(model, splits, tmp_path):
    one, other = (model.precompute(splits, tmp_path / f, format=f, keys=["id", "tag"], **SMALL) for f in FORMATS)
    for name in splits:
        ours, theirs = one[name].read().flat(), other[name].read().flat()
        assert {entry: array.tobytes() for entry, array in ours.items()} == {
            entry: array.tobytes() for entry, array in theirs.items()
        }


def test_many_writers_write_the_same_bytes(store, model, splits, tmp_path):
    arguments = {"format": store.manifest.format, "keys": ["id", "tag"]}
    again = model.precompute(splits, tmp_path / "again", workers=5, **arguments, **SMALL)
    assert digests(again.path) == digests(store.path)


# -- for whom it is ----------------------------------------------------------------------------------------------------


def test_a_store_that_fits_is_left_as_it_is_which_is_said(store, model, splits, capsys):
    before = {file: file.stat().st_mtime_ns for file in store.path.iterdir()}
    arguments = {"format": store.manifest.format, "keys": ["id", "tag"]}
    again = model.precompute(splits, store.path, **arguments, **SMALL)
    assert again.reused
    assert not store.reused
    assert capsys.readouterr().err == ""
    model.precompute(splits, store.path, **arguments, **{**SMALL, "verbose": "auto"})
    assert capsys.readouterr().err == f"{store.path}: this store fits already, nothing is done\n"
    assert {file: file.stat().st_mtime_ns for file in store.path.iterdir()} == before


def test_progress_is_shown_where_it_is_asked_for(model, splits, tmp_path, capsys):
    model.precompute(splits, tmp_path / "s", **{**SMALL, "verbose": True})
    shown = capsys.readouterr().err
    assert "store: 100%" in shown
    assert "rows/s" in shown
    model.precompute(splits, tmp_path / "silent", **SMALL)
    assert capsys.readouterr().err == ""


def test_other_parts_are_refused_by_name(store, model, make_model, splits, rows):
    arguments = {"format": store.manifest.format, "keys": ["id", "tag"], **SMALL}
    shorter = {**splits, "valid": splits["valid"].to_table().slice(1)}
    with pytest.raises(StoreMismatch, match=r"made otherwise: source/valid differs\. It is left .* by_content=True"):
        model.precompute(shorter, store.path, **arguments)
    with pytest.raises(StoreMismatch, match="keys differs"):
        model.precompute(splits, store.path, **{**arguments, "keys": ["id"]})
    elsewhere = make_model()
    elsewhere.head = classifiers.Softmax("label", sample_weight="weight")
    elsewhere.adapt(rows)
    with pytest.raises(StoreMismatch, match="preprocessor"):
        elsewhere.precompute(splits, store.path, **arguments)
    with pytest.raises(StoreMismatch, match="another preprocessor"):
        elsewhere.evaluate(store["valid"])
    unweighted = make_model()
    unweighted.adapt(splits["train"])
    with pytest.raises(StoreMismatch, match="another target"):
        unweighted.fit(store["train"], verbose=0)
    assert store.check() == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_file_that_changes_meanwhile_is_refused_and_nothing_is_mixed(model, rows, tmp_path, monkeypatch, interrupted):
    """In the middle of the work, or before the same call resumes it with the same sources."""
    path, real = tmp_path / "rows.parquet", writing._write_split
    pq.write_table(rows, path)
    splits = blocks.read(path).split(train=0.7, valid=0.3, key="id")

    def change_before_valid(pipeline, journal, split, *rest):
        if split == "valid":
            pq.write_table(rows.slice(1), path)
            if interrupted:
                raise KeyboardInterrupt
        return real(pipeline, journal, split, *rest)

    monkeypatch.setattr(writing, "_write_split", change_before_valid)
    with pytest.raises(KeyboardInterrupt if interrupted else MalformedData):
        model.precompute(splits, tmp_path / "s", **SMALL)
    monkeypatch.undo()
    with pytest.raises(MalformedData, match=r"rows.parquet has changed since it was opened .* Call blocks.read again"):
        model.precompute(splits, tmp_path / "s", **SMALL)
    with pytest.raises(StoreMismatch, match=r"unfinished store .* source \(train, valid\) differ"):
        model.precompute(blocks.read(path).split(train=0.7, valid=0.3, key="id"), tmp_path / "s", **SMALL)


def test_the_column_that_differs_is_named(tmp_path):
    def model(boundary):
        scaled = {name: preprocessors.Standardize() for name in ("x", "z")}
        columns = preprocessors.Columns({**scaled, "y": preprocessors.Bucketize([boundary])})
        made = blocks.Model(columns, head=classifiers.Softmax("label"))
        made.adapt(rows)
        return made

    rows = {"x": [1.0, 2.0], "z": [1.0, 2.0], "y": [3.0, 4.0], "label": ["a", "b"]}
    store = model(3.0).precompute({"train": rows}, tmp_path / "s")
    with pytest.raises(StoreMismatch, match="made from another preprocessor/y\\. Write one that fits"):
        model(4.0).fit(store["train"], verbose=0)
    rows["x"], rows["z"] = [1.0, 3.0], [1.0, 3.0]
    with pytest.raises(StoreMismatch, match=r"made from another preprocessor \(x, z\)\."):
        model(3.0).fit(store["train"], verbose=0)


def test_learned_state_alone_makes_another_preprocessor(make_model, make_table, tmp_path):
    model, other = make_model(), make_model()
    model.adapt(make_table(300))
    other.adapt(make_table(300, seed=9))
    store = model.precompute({"train": make_table(300)}, tmp_path / "s", **SMALL)
    with pytest.raises(StoreMismatch, match="another preprocessor"):
        other.fit(store["train"], verbose=0)


def test_a_new_extractor_or_postprocessor_keeps_the_store(store, model, splits):
    bigger = model.replace(feature_extractor=feature_extractors.MLP([8]), postprocessors=[])
    bigger.fit(store["train"], validation_data=store["valid"], epochs=1, batch_size=128, verbose=0)
    again = bigger.precompute(splits, store.path, format=store.manifest.format, keys=["id", "tag"], **SMALL)
    assert again.reused


@pytest.mark.parametrize(
    ("wrong", "told"), [({"shards": 3}, "rows_per_shard, .* Received: shards"), ({"keys": "id"}, "keys=")]
)
def test_options_that_are_none_are_told(model, splits, tmp_path, wrong, told):
    with pytest.raises(InvalidArgument, match=told):
        model.precompute(splits, tmp_path / "s", **wrong)


def test_splits_are_given_by_name(model, splits, tmp_path):
    with pytest.raises(InvalidArgument, match="dict of splits"):
        model.precompute(splits["train"], tmp_path / "s")
    assert not (tmp_path / "s").exists()


# -- rows that cannot be used ------------------------------------------------------------------------------------------


def test_rows_without_a_target_are_an_error_unless_skipped(prices, tmp_path):
    with pytest.warns(BlocksWarning, match=r"'price' is missing or not finite in 70 of 700 rows, which fit refuses"):
        strict = regressor(prices)
    with pytest.raises(BadTarget, match=r"'price' = None in 70 of 700 rows"):
        strict.precompute({"train": prices}, tmp_path / "s", **SMALL)
    model = regressor(prices, on_bad_target="skip")
    with pytest.warns(BlocksWarning, match=r"70 rows of .* have no usable target and are left out"):
        store = model.precompute({"train": prices}, tmp_path / "s", **SMALL)
    kept = prices.filter(prices["price"].is_valid())
    found = store["train"].read()
    np.testing.assert_array_equal(found.target, kept["price"].to_numpy())
    features = model.transform(kept.combine_chunks().to_batches()[0])
    assert found.features["numeric"].tobytes() == features["numeric"].tobytes()


def test_repair_with_skipped_rows_finds_the_same_rows(prices, tmp_path):
    model = regressor(prices, on_bad_target="skip")
    with pytest.warns(BlocksWarning, match="left out"):
        store = model.precompute({"train": prices}, tmp_path / "s", **SMALL)
    before = digests(store.path)
    damage(store.path / "train-00002.h5")
    with pytest.warns(BlocksWarning, match="left out"):
        assert store.repair({"train": prices}) == ["train-00002.h5"]
    assert digests(store.path) == before


# -- repair ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_repair_writes_damaged_and_missing_shards_again(model, splits, tmp_path, format):
    store = model.precompute(splits, tmp_path / "s", format=format, keys=["id", "tag"], **SMALL)
    before = digests(store.path)
    bad, gone = (store.manifest.splits["train"][i].file for i in (1, 2))
    lost = store.manifest.splits["valid"][0].file
    damage(store.path / bad)
    (store.path / gone).unlink()
    (store.path / lost).unlink()
    with pytest.raises(CorruptShard, match=r"Shard train-0000[12]\..* is damaged"):
        model.fit(store["train"], epochs=1, shuffle=False, verbose=0)
    with pytest.raises(InvalidArgument, match=r"every damaged split.*'valid'"):
        store.repair({"train": splits["train"]})
    with pytest.raises(StoreMismatch, match="not those that shard"):
        store.repair({**splits, "train": splits["test"]})
    assert sorted(store.repair(splits)) == sorted([bad, gone, lost])
    assert store.check() == []
    assert digests(store.path) == before


def test_a_store_opened_anew_is_repaired_by_the_models_plan(model, splits, tmp_path):
    made = model.precompute(splits, tmp_path / "s", keys=["id", "tag"], **SMALL)
    before = digests(made.path)
    damage(made.path / "train-00000.h5")
    store = blocks.open_store(tmp_path / "s")
    with pytest.raises(InvalidArgument, match=r"planner=model\.plan"):
        store.repair(splits)
    assert store.repair(splits, planner=model.plan) == ["train-00000.h5"]
    assert digests(made.path) == before
    (made.path / "train-00001.h5").unlink()
    with pytest.raises(
        CorruptShard, match=r"open_store\(path, repairing=True\)\.repair\(splits, planner=model\.plan\)"
    ):
        blocks.open_store(made.path)
    assert blocks.open_store(made.path, repairing=True).repair(splits, planner=model.plan) == ["train-00001.h5"]
    assert digests(made.path) == before
