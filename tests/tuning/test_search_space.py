"""Search spaces: what is taken, what is refused, and that they hold what a model has."""

import json

import pytest

import blocks
from blocks import feature_extractors
from blocks.block import FeatureExtractor, Head
from blocks.errors import InvalidArgument
from blocks.training import defaults
from blocks.tuning.search_space import as_drawn, as_given, checked_space, is_point

WITH_SPACE = [
    getattr(feature_extractors, name)
    for name in feature_extractors.__all__
    if isinstance(getattr(feature_extractors, name), type)
    and issubclass(getattr(feature_extractors, name), FeatureExtractor)
    and getattr(feature_extractors, name).space()
]


@pytest.mark.parametrize("extractor", [*WITH_SPACE, defaults.feature_extractor], ids=lambda one: one.__name__)
def test_every_value_of_a_space_makes_an_extractor(extractor):
    made = extractor()
    space = checked_space(made.space(), made, made.get_config())
    assert is_point(space, made.get_config())
    assert json.loads(json.dumps(space)) == {name: list(one) for name, one in space.items()}, "plain data"
    for name, dimension in space.items():
        for value in dimension[1] if dimension[0] == "choice" else dimension[1:3]:
            built = type(made).from_config({**made.get_config(), name: value})
            assert built.get_config()[name] == value


def test_the_usual_extractors_have_a_space():
    assert {"MLP", "TabM", "ResNet", "DCN", "WideDeep", "FTTransformer"} <= {one.__name__ for one in WITH_SPACE}
    assert Head.space() == {}
    assert set(defaults.space()) == {"learning_rate", "weight_decay"}


def test_a_space_is_widened_by_what_there_is():
    mlp = feature_extractors.MLP([100], dropout=0.7)
    given = {
        "units": ("choice", [[8], [16]]),
        "dropout": ["float", 0, 0.5, False],
        "learning_rate": ("float", 1e-4, 1e-3, True),
    }
    found = checked_space(given, mlp, {**mlp.get_config(), "learning_rate": 0.01})
    assert found == {
        "units": ("choice", [[100], [8], [16]]),
        "dropout": ("float", 0.0, 0.7, False),
        "learning_rate": ("float", 1e-4, 0.01, True),
    }
    values = {"units": [8], "dropout": 0.1, "learning_rate": 1e-3}
    assert as_drawn(found, values) == {**values, "units": 1}
    assert as_given(found, as_drawn(found, values)) == values
    assert is_point(found, values)
    assert not is_point(found, {**values, "units": [9]})
    assert not is_point(found, {**values, "dropout": None})


@pytest.mark.parametrize(
    "dimension",
    [
        ("float", 1.0, 0.0, False),
        ("float", 0.0, 1.0, True),
        ("float", 0.0, float("inf"), False),
        ("int", 0.5, 2, False),
        ("int", 1, 2),
        ("choice", []),
        ("choice", [object()]),
        ("normal", 0, 1, False),
        "float",
    ],
)
def test_what_is_no_dimension_is_refused(dimension):
    with pytest.raises(InvalidArgument, match=r"A dimension is .*Received: 'dropout'"):
        checked_space({"dropout": dimension}, feature_extractors.MLP(), {"dropout": 0.0})


def test_what_is_no_argument_is_refused():
    with pytest.raises(InvalidArgument, match="did you mean learning_rate"):
        checked_space({"learning_rat": ("float", 0.1, 1, True)}, feature_extractors.MLP(), {})
    with pytest.raises(InvalidArgument, match=r"Received: {} of Keras"):
        checked_space({}, feature_extractors.Keras(__import__("keras").layers.Dense(2)), {})
    assert blocks.feature_extractors.MLP.space() == feature_extractors.MLP().space()
