"""Targets of every type and size: encoded without a digit lost in silence, or refused by our error, by name."""

import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks import classifiers, feature_extractors, preprocessors, regressors
from blocks.errors import BadTarget, BlocksError, SchemaMismatch
from blocks.model import Model
from blocks.targets import target_columns as targets
from blocks.targets.classes import encode_classes

ROWS = 40


def model(head) -> Model:
    return Model(preprocessors.Columns({"x": preprocessors.Standardize()}), feature_extractors.MLP([4]), head, seed=0)


def rows(target) -> pa.Table:
    return pa.table({"x": np.arange(float(len(target))), "y": target})


def repeated(*values, type=None) -> pa.Array:
    return pa.array(list(values) * (ROWS // len(values)), type)


def test_integers_beyond_2_53_are_quantities_of_a_regressor() -> None:
    target = np.arange(ROWS) + 2**60 + 1
    found = targets.numbers(pa.array(target), "y")
    assert found.tolist() == [float(value) for value in target.tolist()]
    built = model(regressors.Mean("y"))
    built.adapt(rows(target))
    built.fit(rows(target), epochs=1, verbose=0)
    assert np.isfinite(built.predict({"x": np.zeros(2)})["prediction"]).all()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (repeated(2**63 + 1, 5, type=pa.uint64()), r"within 64 bits with a sign. Received: 9223372036854775809 in 'y'"),
        (repeated(b"a\xff", b"b"), r"bytes is text in UTF-8. Received: b'a\\xff' in 'y'"),
        (repeated(decimal.Decimal("1.5"), decimal.Decimal(2)), r"string, a number or a boolean.*in 'y'. Cast"),
        (repeated(0, 1, type=pa.timestamp("us")), r"string, a number or a boolean.*in 'y'. Cast"),
    ],
)
@pytest.mark.parametrize("head", [classifiers.Softmax, classifiers.Ordinal])
def test_classes_that_cannot_be_held_are_refused_by_name(target, message, head) -> None:
    with pytest.raises(BadTarget, match=message):
        model(head("y")).adapt(rows(target))


def test_labels_that_cannot_be_held_are_refused_by_name() -> None:
    for target, options in (
        (repeated([2**63 + 1], [5], type=pa.list_(pa.uint64())), {}),
        (repeated([b"\xff"], [b"b"]), {}),
        (repeated(b"\xff|a", b"b"), {"separator": "|"}),
    ):
        with pytest.raises(BadTarget, match=r"'y'"):
            model(classifiers.Sigmoid("y", **options)).adapt(rows(target))
    flags = pa.table({"x": np.arange(4.0), "a": [0, 1, 2**60 + 1, 1], "b": [0, 1, 1, 1]})
    with pytest.raises(BadTarget, match=r"'a' with .*1152921504606846977"):
        model(classifiers.Sigmoid(["a", "b"])).adapt(flags)


integers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**60, 2**60 + 1, 2**63 - 1, -(2**63)]),
)


@settings(max_examples=150)
@given(
    st.lists(st.one_of(integers, st.integers(2**63, 2**64 - 1), st.none()), max_size=8),
    st.one_of(
        st.lists(integers, min_size=1, max_size=6, unique=True),
        st.lists(st.sampled_from([0.0, -1.5, 2.0**53, 2.0**60, 1e300, -(2.0**63)]), min_size=1, unique=True),
        st.just([False, True]),
    ),
    st.sampled_from(["int64", "uint64", "float64", "float32", "bool"]),
)
def test_numbers_are_the_class_that_they_equal(values, classes, kind) -> None:
    if kind == "bool":
        values = [None if value is None else bool(value) for value in values]
    elif kind == "int64":
        values = [value for value in values if value is None or value < 2**63]
    elif kind == "uint64":
        values = [value for value in values if value is None or value >= 0]
    else:
        values = [None if value is None else float(np.dtype(kind).type(value)) for value in values]
    target = pa.array(values, {"float32": pa.float32(), "float64": pa.float64(), "bool": pa.bool_()}.get(kind, kind))
    found = encode_classes(target, classes, "y")
    # Python compares integers with fractions exactly
    assert found.tolist() == [classes.index(v) if v is not None and v in classes else -1 for v in values]


def test_text_is_the_class_that_it_equals_byte_by_byte() -> None:
    found = encode_classes(pa.array([b"b", b"\xff", None, b"\xc3\xa9"]), ["a", "b", "é"], "y")
    assert found.tolist() == [1, -1, -1, 2]
    for target in (pa.array([0], pa.timestamp("us")), pa.array([0], pa.duration("s")), pa.array(["1"])):
        with pytest.raises(SchemaMismatch, match=r"The target 'y' has classes of type int64"):
            encode_classes(target, [0, 1], "y")


EXTREME = {
    "a sentinel": [*np.arange(39.0), 1.7e308],
    "large": np.arange(40.0) * 1e150,
    "small": np.arange(40.0) * 1e-200,
    "subnormal": np.arange(40.0) * 5e-324,
}
HEADS = {
    "Mean": regressors.Mean,
    "Mean of logarithms": lambda name, **options: regressors.Mean(name, transform="log", **options),
    "Mean of powers": lambda name, **options: regressors.Mean(name, transform="power", **options),
    "Quantiles": regressors.Quantiles,
    "Gaussian": regressors.Gaussian,
    "Poisson": regressors.Poisson,
    "Tweedie": regressors.Tweedie,
}


@pytest.mark.parametrize("head", HEADS)
def test_targets_that_squares_do_not_hold_are_refused_by_name(head, learned) -> None:
    for name, values in EXTREME.items():
        what = "within 1e\\+100 of 0" if name in ("a sentinel", "large") else "constant or deviates by 1e-100 at least"
        with pytest.raises(BadTarget, match=rf"target .*{what}.*Received: 'y'"):
            learned(HEADS[head]("y"), pa.array(values))


def test_the_advice_for_a_sentinel_is_right() -> None:
    target = EXTREME["a sentinel"]
    with pytest.raises(BadTarget, match=r"make it null, or give the head on_bad_target='skip'"):
        model(regressors.Mean("y")).adapt(rows(target))
    skipping = model(regressors.Mean("y", on_bad_target="skip"))
    skipping.adapt(rows(target))
    assert float(skipping.head.state["mean"]) == pytest.approx(19.0)
    with pytest.warns(match=r"1 rows of .* have no usable target"):
        history = skipping.fit(rows(target), epochs=1, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    adapted = model(regressors.Mean("y"))
    adapted.adapt(rows(target[:39]))
    with pytest.raises(BadTarget, match=r"within 1e\+100 of 0. Received: 'y' = 1\.7e\+308 in 1 of 1 rows"):
        adapted.evaluate(rows(target[39:]), verbose=0)


def test_weights_that_float32_does_not_hold_are_refused() -> None:
    table = rows(np.arange(8.0)).append_column("w", pa.array([1.0] * 7 + [1e39]))
    built = model(regressors.Mean("y", sample_weight="w"))
    built.adapt(table)
    with pytest.raises(BadTarget, match=r"at most 1e30.*Received: 'w' with 1e\+39"):
        built.fit(table, epochs=1, verbose=0)


ANY_TYPE = [
    pa.array([2**63 + 5, 1, 1], pa.uint64()),
    pa.array([b"\xff", b"a", b"a"]),
    pa.array([b"ab", b"\xff\xff", b"ab"], pa.binary(2)),
    pa.array([decimal.Decimal("1e30"), decimal.Decimal(2), None], pa.decimal256(60, 2)),
    pa.array([1, 2, 2], pa.duration("ns")),
    pa.array([1, 2, 2], pa.time64("ns")),
    pa.array([1, 2, 2], pa.date32()),
    pa.array([[1], [2], None], pa.list_(pa.int64())),
    pa.array([["a"], [], ["a", None]], pa.list_(pa.string())),
    pa.array([{"a": 1}, None, {"a": 2}]),
    pa.nulls(3),
    pa.array([True, None, False]),
    pa.array([float("nan"), float("inf"), 1.0]),
    pa.array([1.5, None, 2.0], pa.float16()),
    pa.array(["a", "b", None]).dictionary_encode(),
    pa.array(["a", "b", None], pa.string_view()),
    pa.array([1, 2, 2]).dictionary_encode(),
]


@pytest.mark.parametrize("target", ANY_TYPE, ids=lambda target: str(target.type))
@pytest.mark.parametrize("head", [*HEADS, "Softmax", "Ordinal", "Sigmoid", "Sigmoids"])
def test_no_other_error_than_ours_escapes(head, target, learned) -> None:
    made = {
        **HEADS,
        "Softmax": classifiers.Softmax,
        "Ordinal": classifiers.Ordinal,
        "Sigmoid": classifiers.Sigmoid,
        "Sigmoids": lambda name: classifiers.Sigmoid([name, "z"]),
    }[head]("y")
    if head == "Sigmoids":
        target = targets.struct({"y": target, "z": pa.array([0, 1, 1])})
    usual = {"Sigmoid": pa.array([["a"], ["b"]]), "Softmax": pa.array(["a", "b"]), "Ordinal": pa.array([1, 2])}
    refused = None
    try:
        learned(made, target)
    except BlocksError as error:
        refused = str(error)
        if head != "Sigmoids":
            made = learned(made, usual.get(head, pa.array([1.0, 2.0])))
    assert refused is None or "y" in refused
    if not made.adapted:
        return
    try:
        made.encode(target)
    except BlocksError as error:
        refused = str(error)
    assert refused is None or "y" in refused
