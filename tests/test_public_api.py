"""The public surface: `__all__` against what modules hold, documentation that runs, and DESIGN.md's program."""

import ast
import doctest
import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

import keras
import pytest

import blocks
from blocks.block import Block

PACKAGES = (
    "blocks.classifiers",
    "blocks.data",
    "blocks.evaluate",
    "blocks.export",
    "blocks.feature_extractors",
    "blocks.postprocessors",
    "blocks.preprocessors",
    "blocks.regressors",
    "blocks.serving",
    "blocks.statistics",
    "blocks.store",
    "blocks.testing",
)
ROLES = ("preprocessors", "feature_extractors", "classifiers", "regressors", "postprocessors")

# every dotted name of "The user's program" in DESIGN.md that is built so far
PROGRAM = (
    "blocks.read",
    "blocks.Source.split",
    "blocks.Source.schema",
    "blocks.clean",
    "blocks.join",
    "blocks.Source.write",
    "blocks.Model",
    "blocks.Model.adapt",
    "blocks.Model.compile",
    "blocks.Model.fit",
    "blocks.Model.calibrate",
    "blocks.Model.evaluate",
    "blocks.Model.predict",
    "blocks.Model.predict_table",
    "blocks.evaluate.metrics",
    "blocks.Model.save",
    "blocks.load",
    "blocks.Model.export",
    "blocks.verify",
    "blocks.explain",
    "blocks.report",
    "blocks.Model.replace",
    "blocks.tune",
    "blocks.Schema.infer",
    "blocks.Schema.load",
    "blocks.Schema.save",
    "blocks.Schema.validate",
    "blocks.evaluate.drift",
    "blocks.compare",
    "blocks.baselines.boosted",
    "blocks.open_store",
    "blocks.preprocessors.Columns",
    "blocks.preprocessors.Columns.infer",
    "blocks.preprocessors.Standardize",
    "blocks.preprocessors.Log1p",
    "blocks.preprocessors.Vocabulary",
    "blocks.preprocessors.Impute",
    "blocks.feature_extractors.MLP",
    "blocks.feature_extractors.Keras",
    "blocks.classifiers.Softmax",
    "blocks.regressors.Mean",
    "blocks.postprocessors.Temperature",
    "blocks.postprocessors.Labels",
)


def public(module):
    """Names that a module defines or re-exports on purpose: no underscore, no module, nothing from other libraries."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and getattr(value, "__module__", module.__name__).partition(".")[0] == "blocks"
        and (inspect.isclass(value) or inspect.isfunction(value))
    }


def test_all_of_blocks_is_there_and_sorted():
    assert list(blocks.__all__) == sorted(blocks.__all__)
    assert set(blocks.__all__) <= set(dir(blocks))


def test_type_checkers_are_told_of_the_same_names():
    tree = ast.parse(Path(blocks.__file__).read_text())
    unchecked = next(node for node in tree.body if isinstance(node, ast.If))
    told = {alias.name: node.module for node in unchecked.body for alias in node.names}
    assert told == {name: f"blocks.{home}".rstrip(".") for name, home in blocks._HOMES.items()}


@pytest.mark.parametrize("name", sorted(blocks.__all__))
def test_every_name_of_blocks_loads(name):
    if name == "evaluate" and not (Path(blocks.__file__).parent / "evaluate").exists():
        pytest.skip("blocks.evaluate is not built yet")
    value = getattr(blocks, name)
    assert inspect.ismodule(value) or value.__doc__


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'blocks' has no attribute 'nonsense'"):
        _ = blocks.nonsense


@pytest.mark.parametrize("package", PACKAGES)
def test_all_of_a_package_is_what_it_holds(package):
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None  # packages may load their names when they are used
    forgotten = public(module) - set(module.__all__)
    assert not forgotten


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_is_documented_and_typed(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        assert inspect.getdoc(value), f"{package}.{name}"
        function = value.__init__ if inspect.isclass(value) else value
        if inspect.isfunction(function) and function.__module__.startswith("blocks"):
            untyped = [
                parameter.name
                for parameter in inspect.signature(function).parameters.values()
                if parameter.name != "self" and parameter.annotation is inspect.Parameter.empty
            ]
            assert not untyped, f"{package}.{name}: {untyped}"


@pytest.mark.parametrize("role", ROLES)
def test_every_block_shows_a_runnable_example(role):
    module = importlib.import_module(f"blocks.{role}")
    for name in module.__all__:
        block = getattr(module, name)
        # what is no block is an option of blocks: an embedding of numbers
        assert issubclass(block, Block if not name.endswith("Embeddings") else keras.layers.Layer)
        examples = doctest.DocTestParser().get_examples(block.__doc__)
        assert examples, f"{role}.{name} has no example"
        assert not any(doctest.SKIP in example.options for example in examples), f"{role}.{name} skips its example"


@pytest.mark.parametrize("name", PROGRAM)
def test_the_users_program_finds(name):
    value = blocks
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    assert inspect.getdoc(value), name


def test_every_file_says_what_lives_there():
    skipped = ["blocks.__main__"]
    if importlib.util.find_spec("tf2onnx") is None:  # of an extra that is not among those for development
        skipped += [f"blocks.export.onnx_{file}" for file in ("comparison", "file", "operations")]
    for info in pkgutil.walk_packages(blocks.__path__, "blocks."):
        if info.name not in skipped:
            assert importlib.import_module(info.name).__doc__, info.name
