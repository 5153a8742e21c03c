"""Function: registered code goes the whole road, and what cannot is refused by name."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from blocks.errors import InvalidArgument, NotExportable, SchemaMismatch
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.function import Function
from blocks.preprocessors.numeric.standardize import Standardize
from blocks.testing import check_block

registered = keras.saving.register_keras_serializable(package="tests")
TABLE = tf.Variable([1.0, 2.0])


@registered
def clipped_root(values):
    return keras.ops.sqrt(keras.ops.maximum(tf.where(tf.math.is_finite(values), values, 0.0), 0.0))


@registered
def exp_in_float32(values):
    return tf.exp(tf.clip_by_value(tf.cast(values, tf.float32), -5.0, 5.0))


@registered
def mean_and_gap(one, other):
    safe = [tf.where(tf.math.is_finite(value), value, tf.zeros_like(value)) for value in (one, other)]
    return tf.stack([(safe[0] + safe[1]) / 2.0, safe[0] - safe[1]], axis=-1)


@registered
def length_class(text):
    return tf.minimum(tf.strings.length(text), 7)


@registered
def seconds(instants):
    return tf.cast(instants // 1_000_000, tf.float64)


@registered
def branches(values):
    if tf.reduce_all(tf.shape(values) > 0):
        return values * 2.0
    return values


def test_numbers_text_times_and_several_columns_go_the_whole_road():
    numbers = [1.0, 4.0, None, -2.0, 1e30]
    check_block(Function(clipped_root), numbers)
    check_block(Function(exp_in_float32), pa.array([0.5, None, 3.0], pa.float32()), finite=False)
    check_block(Function(mean_and_gap, outputs=["mean", "gap"]), (numbers, [0.5, None, 1.0, 2.0, 3.0]))
    check_block(Function(length_class, accepts=["text"], cardinality=8), ["a", None, "abc\n", "x" * 99])
    check_block(Function(seconds, accepts=("time",)), pa.array([0, None, -1], pa.timestamp("us")))
    check_block(Function(branches), numbers, finite=False)
    chain = {"a": [Function(clipped_root), Standardize()], ("a", "b"): Function(mean_and_gap, outputs=["m", "g"])}
    check_block(Columns(chain), pa.table({"a": numbers, "b": numbers}))


def test_values_are_the_functions_own():
    values = np.array([4.0, 9.0, 2.0])
    np.testing.assert_array_equal(Function(clipped_root)(values), np.sqrt(values).astype(np.float32))
    names = [f.name for f in Function(mean_and_gap, outputs=["mean", "gap"]).outputs("x", ("x",))]
    assert names == ["x_mean", "x_gap"]


def test_ids_outside_the_cardinality_are_0():
    block = Function(length_class, accepts=["text"], cardinality=4)
    assert block(tf.constant(["", "abc", "abcd", "a"])).numpy().tolist() == [0, 3, 0, 1]


def test_a_function_is_saved_by_its_name(tmp_path):
    block = Function(clipped_root)
    config = block.get_config()
    assert config["fn"] == "tests>clipped_root"
    assert Function.from_config(config).fn is clipped_root
    with pytest.raises(InvalidArgument, match=r"'tests>gone', which is not registered. Import the module"):
        Function.from_config({**config, "fn": "tests>gone"})


def unregistered(values):
    return values


@registered
class Doubling(keras.layers.Layer):
    def call(self, values):
        return values * 2


@pytest.mark.parametrize(
    "fn", [lambda x: x, unregistered, np.sqrt, tf.sqrt, 7, None, "tests>clipped_root", Doubling, Doubling()]
)
def test_what_is_not_a_registered_function_is_refused_at_once(fn):
    with pytest.raises(InvalidArgument, match=r"takes a function that is registered.*register_keras_serializable"):
        Function(fn)


@registered
def python_inside(values):
    return tf.py_function(lambda x: x * 2, [values], tf.float64)


@registered
def numpy_in_a_branch(values):
    return tf.cond(tf.size(values) > 0, lambda: tf.numpy_function(np.sqrt, [values], tf.float64), lambda: values)


@registered
def eager_only(values):
    return tf.constant(values.numpy() * 2)


@registered
def random_noise(values):
    return values + tf.random.normal(tf.shape(values), dtype=tf.float64)


@registered
def captures_a_variable(values):
    return values * tf.cast(TABLE[0], tf.float64)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (python_inside, r"tests>python_inside', which calls Python.*EagerPyFunc"),
        (numpy_in_a_branch, r"calls Python.*PyFunc"),
        (eager_only, r"eager_only', which fails: AttributeError"),
        (random_noise, r"draws random numbers.*Random"),
        (captures_a_variable, r"captures variables or tables.*resource"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_exported_is_refused_by_name(fn, message):
    with pytest.raises(NotExportable, match=message):
        Function(fn)(tf.constant([1.0], tf.float64))


@registered
def scalar_result(values):
    return tf.reduce_sum(values)


@registered
def centred(values):
    safe = tf.where(tf.math.is_finite(values), values, 0.0)
    return safe - tf.reduce_mean(safe)


@registered
def parsed(text):
    return tf.strings.to_number(text, tf.float64)


@registered
def two_results(values):
    return values, values


@pytest.mark.parametrize(
    ("block", "value", "message"),
    [
        (lambda: Function(scalar_result), 1.0, r"gives floats of shape \(None,\). Received: float64 \(\)"),
        (lambda: Function(two_results), 1.0, r"gives floats of shape \(None,\). Received"),
        (lambda: Function(clipped_root, cardinality=3), 1.0, r"cardinality=3 a function gives integers"),
        (lambda: Function(clipped_root, outputs=["a", "b"]), 1.0, r"gives floats of shape \(None, 2\)"),
        (lambda: Function(centred), 1.0, r"features depend on that row alone. Received: 'tests>centred'"),
        (lambda: Function(parsed, accepts=["text"]), "1", r"a result for every value.*'tests>parsed', which fails on"),
    ],
)
def test_results_that_do_not_fit_are_refused(block, value, message):
    with pytest.raises(InvalidArgument, match=message):
        block()(tf.constant([value], tf.string if isinstance(value, str) else tf.float64))


def test_arguments_and_columns_that_do_not_fit_are_refused():
    for outputs in ([], ["a", "a"], "ab"):
        with pytest.raises(InvalidArgument, match="outputs are different names"):
            Function(mean_and_gap, outputs=outputs)
    for accepts in ([], ["numbers"], "number"):
        with pytest.raises(InvalidArgument, match="accepts one or more of 'number', 'text', 'time'"):
            Function(clipped_root, accepts=accepts)
    with pytest.raises(InvalidArgument, match="cardinality is a number of ids"):
        Function(length_class, cardinality=0)
    with pytest.raises(SchemaMismatch, match=r"Function takes columns of number. Received: column 'x' of type string"):
        Function(clipped_root).raw_column(pa.string(), "x")
