"""Arguments that nothing takes, too many, too few, and no numbers: our errors, which say what to write instead."""

import copy
import importlib
import inspect

import keras
import numpy as np
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.arguments import KERAS_CALLS, checked
from blocks.block import Block
from blocks.errors import BlocksWarning, InvalidArgument

ROWS = {"x": np.linspace(-1, 1, 60), "y": np.repeat(["a", "b"], 30)}


def every_block():
    for package in (preprocessors, feature_extractors, classifiers, regressors, postprocessors):
        for name in package.__all__:
            if inspect.isclass(value := getattr(package, name)) and issubclass(value, Block):
                yield value


def every_call():
    """Public functions and methods, which take no argument `nonsense`."""
    yield from (
        blocks.read,
        blocks.load,
        blocks.open_store,
        blocks.verify,
        blocks.compare,
        blocks.report,
        blocks.explain,
    )
    yield from (blocks.baselines.constant, blocks.baselines.linear, blocks.baselines.boosted, blocks.Resume)
    yield preprocessors.Columns.infer
    evaluate = importlib.import_module("blocks.evaluate")
    yield from (getattr(evaluate, name) for name in evaluate.__all__ if name.islower())
    for cls in (blocks.Model, blocks.Source, blocks.store.Store, blocks.store.StoreSplit):
        for name, value in vars(cls).items():
            if inspect.isfunction(value) and not name.startswith("_") and name not in KERAS_CALLS:
                yield value


def every_statistic():
    for name in blocks.statistics.__all__:
        kind = getattr(blocks.statistics, name)
        if inspect.isclass(kind) and issubclass(kind, blocks.statistics.Statistic) and "__init__" in vars(kind):
            yield kind


@pytest.mark.parametrize("kind", list(every_statistic()), ids=lambda kind: kind.__name__)
def test_statistics_refuse_what_they_do_not_take(kind):
    with pytest.raises(InvalidArgument, match=rf"^{kind.__name__} takes .*Received: nonsense"):
        kind(nonsense=1)


def says_itself(call):
    """Whether it looks at what else it is given by itself."""
    takes_any = any(one.kind is one.VAR_KEYWORD for one in inspect.signature(call).parameters.values())
    return takes_any and call.__qualname__ not in ("Model.fit", "Model.evaluate", "Model.compile")


@pytest.mark.parametrize("block", list(every_block()), ids=lambda block: block.__name__)
def test_blocks_refuse_what_they_do_not_take(block):
    with pytest.raises(InvalidArgument, match=rf"^{block.__name__} takes .*Received: nonsense"):
        block(**needed(block), nonsense=1)
    with pytest.raises(InvalidArgument, match=rf"^{block.__name__} (takes|needs) "):
        block(*range(30))
    if needed(block):
        with pytest.raises(InvalidArgument, match=rf"^{block.__name__} needs {next(iter(needed(block)))}"):
            block()


def needed(block):
    """Arguments without a default, with what they may be."""
    values = {"columns": {}, "target": "y", "layer": keras.layers.Dense(2), "function": abs, "pattern": "a"}
    return {
        name: values.get(name, 1)
        for name, one in inspect.signature(block.__init__).parameters.items()
        if name != "self" and one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    }


@pytest.mark.parametrize("block", list(every_block()), ids=lambda block: block.__name__)
def test_blocks_refuse_what_is_no_number(block):
    """Every argument that is annotated as a number, given a text, and a fraction where it is a whole one."""
    for name, one in inspect.signature(block.__init__).parameters.items():
        kind = str(one.annotation).replace("<class 'int'>", "int").replace("<class 'float'>", "float")
        wrong = {"int": ["3", 2.5], "int | None": ["3", 2.5], "float": ["x"], "float | None": ["x"]}.get(kind, [])
        for value in wrong:
            with pytest.raises(InvalidArgument):
                block(**{**needed(block), name: value})


@pytest.mark.parametrize(
    "call", [call for call in every_call() if not says_itself(call)], ids=lambda call: call.__qualname__
)
def test_functions_and_methods_refuse_what_they_do_not_take(call):
    with pytest.raises(InvalidArgument, match=r" takes .*Received: nonsense\."):
        call(**({"self": None} if "self" in inspect.signature(call).parameters else {}), nonsense=1)


def test_blocks_are_made_as_before():
    made = feature_extractors.MLP((np.int64(8), 4), dropout=np.float32(0.5), name="mine", dtype="bfloat16")
    assert (made.name, list(made.units)) == ("mine", [8, 4])
    assert copy.deepcopy(preprocessors.Standardize()).get_config()["missing"] is not None
    assert next(iter(inspect.signature(feature_extractors.MLP).parameters)) == "units"
    assert inspect.getfullargspec(feature_extractors.MLP.__init__).args == ["self", "units"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"hidden": [8]}, r"Received: hidden \(did you mean units\?\)\."),
        ({"drop_out": 0.1}, r"Received: drop_out \(did you mean dropout\?\)\."),
        ({"units": 64}, r"MLP's units is a list of whole numbers\. Received: 64\."),
        ({"units": [64.0]}, r"MLP's units is a list of whole numbers\. Received: \[64\.0\]\."),
        ({"units": "64"}, r"MLP's units is a list of whole numbers\. Received: '64'\."),
        ({"activation": "rleu"}, r"MLP cannot be made of its arguments: .* Received: activation='rleu'\."),
    ],
)
def test_an_extractor_says_what_to_write_instead(arguments, told):
    with pytest.raises(InvalidArgument, match=told):
        feature_extractors.MLP(**arguments)


@pytest.fixture(scope="module")
def model():
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    made = blocks.Model(columns, feature_extractors.MLP([2]), classifiers.Softmax("y"), seed=0)
    made.adapt(ROWS)
    return made


@pytest.mark.parametrize(
    ("arguments", "named", "told"),
    [
        ((ROWS, ROWS["y"]), {}, r"Received: 2 by position\. Rows hold the target as a column, which the head names"),
        ((ROWS,), {"y": ROWS["y"]}, r"Received: y\. Rows hold the target as a column"),
        ((), {"X": ROWS}, r"Received: X \(did you mean data\?\)"),
        ((), {}, r"Model\.fit needs data\."),
        ((ROWS,), {"validation_split": 0.2}, r"splits = blocks\.read\(rows\)\.split\(train=0\.8, valid=0\.2\)"),
        ((ROWS,), {"sample_weight": ROWS["x"]}, r"classifiers\.Softmax\('label', sample_weight='weight'\)"),
        ((ROWS,), {"learning_rate": 0.1}, r"model\.compile\(optimizer=keras\.optimizers\.AdamW\(1e-3\)\)"),
        ((ROWS,), {"n_epochs": 3}, r"Received: n_epochs \(did you mean epochs\?\)"),
        ((ROWS,), {"epochs": 1.5}, r"epochs must be a whole number, at least 0, or None\. Received: 1\.5\."),
        ((ROWS,), {"epochs": True}, r"epochs must be a whole number"),
        ((ROWS,), {"epochs": "3"}, r"epochs must be a whole number"),
        ((ROWS,), {"epochs": -1}, r"epochs must be a whole number"),
        ((ROWS,), {"steps_per_epoch": 2.5}, r"steps_per_epoch must be a whole number, at least 1"),
        ((ROWS,), {"validation_steps": 0}, r"validation_steps must be a whole number, at least 1"),
        ((ROWS,), {"initial_epoch": 0.5}, r"initial_epoch must be a whole number"),
        ((ROWS,), {"validation_freq": 1.5}, r"validation_freq is a whole number of epochs, or a list"),
        ((ROWS,), {"seed": "a"}, r"seed must be a whole number"),
        ((ROWS,), {"callbacks": [print]}, r"callbacks are keras\.callbacks\.Callback objects.*LambdaCallback"),
        ((np.zeros((3, 2)),), {}, r"read takes a path.*Received: numpy ndarray"),
    ],
)
def test_fit_says_what_to_write_instead(model, arguments, named, told):
    with pytest.raises(InvalidArgument, match=told):
        model.fit(*arguments, **named)


def test_what_the_advice_says_works(model):
    splits = blocks.read(ROWS).split(train=0.8, valid=0.2)
    model.compile(optimizer=keras.optimizers.AdamW(1e-3))
    assert model.fit(splits["train"], validation_data=splits["valid"], epochs=np.int64(1), verbose=0).epoch == [0]
    assert model.fit(ROWS, epochs=0, verbose=0).epoch == []


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda model: model.evaluate(ROWS, ROWS["y"]), r"Model\.evaluate takes data by position"),
        (lambda model: model.predict(ROWS, steps=3), r"Received: steps\. Leave it out: every row is answered\."),
        (lambda model: model.adapt(ROWS, ROWS["y"]), r"Rows hold the target as a column"),
        (lambda model: model.compile(lr=0.1), r"It is the optimizer's: keras\.optimizers\.AdamW\(1e-3\)\."),
        (lambda model: model.compile("adm"), r"compile's optimizer is one of keras\.optimizers.*Received: 'adm'"),
        (lambda model: model.compile(loss="mes"), r"names of keras\.losses\. Received: 'mes'"),
        (lambda model: model.compile(loss={"y": "mse"}), r"compile's loss is a single one of losses\. Received: {'y'"),
        (lambda model: model.compile(loss_weights=[1, 2]), r"loss_weights is a single one of numbers.*\[1, 2\]"),
        (lambda model: model.compile(metrics=["accuracy", "acu"]), r"names of keras\.metrics\. Received: 'acu'"),
        (lambda model: blocks.Model(optimizer="adam"), r"Model takes .*Received: optimizer\. It goes to compile"),
        (lambda model: blocks.Model(head=model.head, seed="a"), r"seed must be a whole number"),
    ],
)
def test_models_say_what_to_write_instead(model, use, told):
    with pytest.raises(InvalidArgument, match=told):
        use(model)


def test_calibrate_says_where_nothing_learns(model):
    with pytest.warns(
        BlocksWarning, match=r"^calibrate: no postprocessor of this model learns, nothing is done"
    ) as told:
        model.calibrate(ROWS, allow_training_rows=True)
    assert [one.filename for one in told] == [__file__]


def test_representations_are_for_readers(model):
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    made = blocks.Model(
        columns, feature_extractors.MLP([2]), classifiers.Softmax("y"), [postprocessors.Labels()], seed=0
    )
    assert repr(made) == "<Model: Columns of x > MLP > Softmax of 'y' > Labels; not adapted>"
    assert repr(made.adapt(ROWS)) == "<Summary of 2 statistics: 1 Counts, 1 Moments>"
    assert repr(made).endswith("; adapted, not fitted>")
    made.fit(ROWS, epochs=1, verbose=0)
    assert repr(made).endswith("; fitted>")
    assert repr(blocks.Model(head=classifiers.Softmax("y"))) == "<Model: auto > TabM > Softmax of 'y'; not adapted>"


def test_checked_tells_what_python_would():
    @checked()
    def call(a, /, b, *, c=0, **rest):
        return a, b, c, rest

    assert call(1, b=2, d=3) == (1, 2, 0, {"d": 3})
    with pytest.raises(InvalidArgument, match=r"call needs b\. Received: nothing besides"):
        call(1)
    with pytest.raises(InvalidArgument, match=r"call takes each argument once\. Received twice: b\."):
        call(1, 2, b=3)
    with pytest.raises(InvalidArgument, match=r"call takes a, b by position, and by name c\. Received: 3 by position"):
        call(1, 2, 3)
