"""Vectors against means in NumPy, from arrays and files."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.errors import InvalidArgument, NotAdapted
from blocks.feature_extractors import EmbeddingBag
from blocks.offline.adapt import adapt
from blocks.preprocessors import Columns, Tokens, Vectors

WORDS = ["good", "bad", "été", "good"]
TABLE = np.array([[1.0, 0.1, 3.0], [-1.0, 0.7, 0.0], [5.0, 0.3, 2.0], [9.0, 9.0, 9.0]])
TEXTS = ["good good bad!", "été, unheard", "", "?", "bad été good bad"]
MEANS = [(2 * TABLE[0] + TABLE[1]) / 3, TABLE[2], 0 * TABLE[0], 0 * TABLE[0], (2 * TABLE[1] + TABLE[2] + TABLE[0]) / 4]


def test_means_and_sequences():
    mean, sequence = Vectors((WORDS, TABLE)), Vectors((WORDS, TABLE), output_length=2)
    np.testing.assert_allclose(mean(tf.constant(TEXTS)), MEANS, rtol=1e-6)
    expected = np.zeros((5, 2, 3))
    expected[0], expected[1, 0], expected[4] = TABLE[[0, 0]], TABLE[2], TABLE[[1, 2]]
    np.testing.assert_array_equal(sequence(tf.constant(TEXTS)), expected.astype("float32"))
    assert len(mean.tokens) == 3


@pytest.mark.parametrize("header", ["", "4 3\n"])
def test_files_with_and_without_a_header(tmp_path, header):
    lines = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS, TABLE.tolist(), strict=True))
    path = tmp_path / "vectors.vec"
    path.write_text(header + lines, encoding="utf-8")
    block = Vectors(path)
    np.testing.assert_allclose(block(tf.constant(TEXTS)), MEANS, rtol=1e-6)
    assert Vectors(str(path), top_k=2).tokens == [b"good", b"bad"]
    path.write_text(header + lines + "short 1.0\n", encoding="utf-8")
    with pytest.raises(InvalidArgument, match=r"Received: line \d, b'short 1.0"):
        Vectors(path)


def test_numbers_in_columns_and_the_table_after_a_reload(tmp_path):
    columns = Columns({"text": Vectors((WORDS, TABLE))})
    adapt(columns, None, blocks.read(pa.table({"text": TEXTS})), verbose=False)
    assert columns.spec["numeric"].names == ("text_0", "text_1", "text_2")
    again = Columns.from_config(columns.get_config())
    assert not again.adapted
    with pytest.raises(NotAdapted):
        again({"text": tf.constant(TEXTS)})
    again = columns.copy()
    np.testing.assert_array_equal(again({"text": tf.constant(TEXTS)})["numeric"], np.array(MEANS, "float32"))


def test_vectors_that_go_on_learning_begin_with_the_table():
    block, ids = Vectors((WORDS, TABLE)), Tokens(4, vocabulary=["bad", "unheard", "good"])
    bag = EmbeddingBag(3, cardinality=ids.cardinality)
    tokens = ids(tf.constant(TEXTS[:1]))
    bag(tokens)
    bag.set_weights([block.rows_of(ids.tokens)])
    np.testing.assert_allclose(bag(tokens), MEANS[:1], rtol=1e-6)


def test_errors_say_the_rule():
    for table, message in [
        (None, "takes a table"),
        ((WORDS, TABLE[:2]), "as many words as rows of numbers"),
        ((WORDS[:1], [["a"]]), "finite numbers"),
        ((WORDS[:1], [[np.nan]]), "finite numbers"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Vectors(table)
