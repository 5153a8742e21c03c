"""Arrow lists as columns: their raw form, the blocks that take them against plain Python, and the whole road."""

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import classifiers, feature_extractors
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import SchemaMismatch
from blocks.preprocessors import Columns, MultiHot, Standardize, TfIdf, Tokens, Vocabulary

WORDS = ["rice", "new york", "a|b", "é", "\x00", "-7"]
LISTS = st.lists(
    st.one_of(st.none(), st.lists(st.one_of(st.none(), st.sampled_from([*WORDS, "", "unseen"])), max_size=5)),
    min_size=1,
    max_size=20,
)
TEXT_TYPES = [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.binary())]


@given(LISTS, st.sampled_from(TEXT_TYPES), st.integers(0, 3))
@settings(max_examples=60)
def test_the_raw_form_tells_missing_empty_and_items_apart(lists, type, skip):
    raw = to_raw(pa.array(lists, type).slice(skip), RawColumn("list"))
    found = [row.decode() if isinstance(row, bytes) else row for row in raw]
    expected = ["" if row is None else "".join("\x1f" + (item or "") for item in row) or "\x1f" for row in lists[skip:]]
    assert found == expected


@given(LISTS, st.sampled_from(["binary", "count"]))
@settings(max_examples=40)
def test_multi_hot_counts_items(lists, mode):
    rows = MultiHot(vocabulary=WORDS, output_mode=mode)(
        to_raw(pa.array(lists, pa.list_(pa.string())), RawColumn("list"))
    ).numpy()
    for items, row in zip(lists, rows, strict=True):
        items = [item for item in items or [] if item] if items is not None else None
        counts = [float(items is None), float((items or []).count("unseen")), *((items or []).count(w) for w in WORDS)]
        assert row.tolist() == (np.minimum(counts, 1).tolist() if mode == "binary" else counts)


@given(LISTS, st.sampled_from(["words", "characters"]))
@settings(max_examples=40)
def test_items_are_tokens_as_they_are(lists, split):
    block = Tokens(3, split=split, vocabulary=WORDS)
    ids = block(to_raw(pa.array(lists, pa.list_(pa.string())), RawColumn("list"))).numpy()
    for items, row in zip(lists, ids.tolist(), strict=True):
        found = [3 + WORDS.index(item) if item in WORDS else 2 for item in items or [] if item][:3]
        assert row == ([1, 0, 0] if items is None else found + [0] * (3 - len(found)))


def test_integers_are_items_in_decimal(learned):
    column = pa.array([[1, -2, 1], None, [], [1 << 60]], pa.list_(pa.int64()))
    block = learned(MultiHot(output_mode="count"), column)
    assert block.tokens == [b"1", b"-2", b"1152921504606846976"]
    assert block(to_raw(column, RawColumn("list"))).numpy()[0].tolist() == [0, 0, 2, 1, 0]


def test_a_block_learns_from_lists_alone_and_in_columns(learned):
    column = pa.array([["a", "b c"], ["a"], None, []])
    for block in (MultiHot(), Tokens(2), TfIdf(5)):
        alone = type(block).from_config(block.get_config()).adapt(column)
        assert alone.tokens == learned(block, column).tokens == [b"a", b"b c"]


def test_lists_and_text_at_every_batch_size():
    rows = tf.constant(["\x1fa\x1fb c", "a|b", "", "\x1f", "\x1f\x1fa", "b c|b c"] * 4)
    for block in (MultiHot(vocabulary=["a", "b c"]), Tokens(3, vocabulary=["a", "b"], ngrams=(1, 2))):
        whole = block(rows).numpy()
        traced = tf.function(block.call, input_signature=[tf.TensorSpec((None,), tf.string)])
        for size in (1, 2, 3, 7, 8, 16, 17, 24):
            parts = [traced(rows[start : start + size]) for start in range(0, 24, size)]
            assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_what_is_no_list_of_tokens_is_refused():
    with pytest.raises(SchemaMismatch, match=r"hold no unit separator.*Received: 'a\\x1fb' in column 'x'"):
        to_raw(pa.array([["ok"], ["a\x1fb"]]), RawColumn("list"), "x")
    with pytest.raises(
        SchemaMismatch, match=r"Vocabulary takes columns of text or number.*MultiHot, Tokens or TfIdf take lists"
    ):
        Vocabulary().adapt(pa.array([["a"]]))
    for odd in ([[1.5]], [[["a"]]], [{"a": 1}], [[{"a": 1}]]):
        with pytest.raises(SchemaMismatch, match=r"Received: column 'multi_hot"):
            MultiHot().adapt(pa.array(odd))
    text = Columns({"x": MultiHot()})
    text.bind(pa.schema([("x", pa.string())]))
    with pytest.raises(SchemaMismatch, match=r"enters the model as string.*Received: list<item: string>"):
        to_raw(pa.array([["a"]]), text.inputs["x"], "x")


def test_infer_takes_lists():
    columns = Columns.infer(blocks.read(pa.table({"tags": [["a"], ["b"]] * 20, "n": list(range(40))})))
    assert [type(block).__name__ for block in columns["tags"][0]] == ["MultiHot"]


def test_the_whole_road(tmp_path):
    random = np.random.default_rng(0)
    tags = [None if i % 11 == 0 else random.choice(WORDS, i % 4).tolist() for i in range(120)]
    table = pa.table(
        {
            "tags": pa.array(tags, pa.list_(pa.string())),
            "codes": pa.array([None if row is None else [len(row), 7] for row in tags], pa.large_list(pa.int32())),
            "x": random.normal(size=120),
            "y": ["yes" if row and "rice" in row else "no" for row in tags],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    source = blocks.read(tmp_path / "rows.parquet")
    model = blocks.Model(
        preprocessor=Columns(
            {"tags": (MultiHot(), Tokens(3)), "codes": MultiHot(output_mode="count"), "x": Standardize()}
        ),
        feature_extractor=feature_extractors.Keras(keras.layers.Dense(3), inputs="numeric"),
        head=classifiers.Softmax("y"),
        seed=0,
    )
    model.adapt(source)
    assert model.preprocessor.inputs == {
        "tags": RawColumn("list"),
        "codes": RawColumn("list"),
        "x": RawColumn("float64"),
    }
    store = model.precompute({"train": source}, tmp_path / "store")
    model.fit(store["train"], epochs=1, verbose=0)
    answers = model.predict(source)["probabilities"]
    raw = {name: to_raw(table[name], column, name) for name, column in model.preprocessor.inputs.items()}
    offline = next(iter(store["train"].stream(batch_size=120, shuffle=False)))[0]
    served = model.preprocessor({name: tf.constant(values) for name, values in raw.items()})
    assert all(served[name].numpy().tobytes() == offline[name].tobytes() for name in offline)
    few = {name: table[name].to_pylist()[:7] for name in model.preprocessor.inputs}
    np.testing.assert_array_equal(model.predict(few)["probabilities"], model.predict(table[:7])["probabilities"])
    np.testing.assert_allclose(model.predict(raw)["probabilities"], answers, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(blocks.load(tmp_path / "model.keras").predict(source)["probabilities"], answers)
    model.export(tmp_path / "export")
    report = blocks.verify(tmp_path / "export", source, store["train"])
    assert report.ok, report
