"""The import order of DESIGN.md: every module imports only from modules above it, and light things stay light."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks

ROOT = Path(blocks.__file__).parent

# DESIGN.md's order, a group of it a line or several: each line imports only from lines above it; packages and modules
# of one line never import each other
ORDER = [
    {"errors", "lazy", "arrow_memory"},
    {"progress"},
    {"arguments", "files", "tensorflow_callbacks", "features"},
    {"statistics", "cluster", "pages"},
    {"data", "store"},
    {"targets", "inspection"},
    {"block"},
    {"preprocessors", "feature_extractors", "classifiers", "regressors", "postprocessors"},
    {"heads"},
    {"offline"},
    {"inference", "training", "testing"},
    {"export", "baselines", "model_description"},
    {"evaluate"},
    {"serving"},
    {"model", "reporting"},
    {"comparing", "tuning", "runs"},
    {"cli"},
    {"__main__"},
]
LINE = {unit: line for line, units in enumerate(ORDER) for unit in units}

WITHOUT_KERAS = (
    "errors",
    "lazy",
    "arguments",
    "files",
    "tensorflow_callbacks",
    "features",
    "statistics",
    "pages",
    "data",
    "inspection",
    "store",
    "inference.predictor",
    "evaluate",
)
WITHOUT_TENSORFLOW = (
    *(name for name in WITHOUT_KERAS if name not in ("files", "store", "evaluate")),
    "progress",
    "targets",
    "block",
    "training.core",
    "training.mean_of_members",
    "training.row_losses",
    "feature_extractors",
    "classifiers",
    "regressors",
)


def modules():
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(file.read_text())


MODULES = dict(modules())


def within(module, places):
    """Whether it is one of some modules or packages, or in one."""
    return any(f"{module}.".startswith(f"blocks.{place}.") for place in places)


def unit(module):
    return module.partition(".")[2].partition(".")[0]


def imported(tree):
    """Every imported module with whether it is imported inside a function, type checking apart."""
    unchecked = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    functions = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unchecked or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            name = alias.name
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, "imports are absolute"
                inside = f"{node.module}.{alias.name}"
                name = inside if inside in MODULES else node.module
            yield name, id(node) in functions


IMPORTS = {module: list(imported(tree)) for module, tree in MODULES.items()}


def of_blocks(module):
    return [(name, lazy) for name, lazy in IMPORTS[module] if name.split(".")[0] == "blocks"]


def libraries(module):
    return {name.split(".")[0] for name, _ in IMPORTS[module]}


def test_every_module_has_a_place_in_the_order():
    unknown = {unit(module) for module in MODULES} - set(LINE) - {""}
    assert not unknown, f"add {sorted(unknown)} to ORDER, where they belong"


@pytest.mark.parametrize("module", [module for module in MODULES if unit(module)])
def test_a_module_imports_only_from_above(module):
    for name, _ in of_blocks(module):
        above = LINE[unit(name)] < LINE[unit(module)] or unit(name) == unit(module)
        assert above, f"{module} imports {name}, which is not above it"


def test_no_cycle_of_modules():
    graph = {module: {name for name, _ in of_blocks(module)} - {module} for module in MODULES}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [module for module in MODULES if unit(module) not in ("", "cli")])
def test_blocks_are_imported_in_a_function_only_to_keep_tensorflow_away(module):
    for name, lazy in of_blocks(module):
        if lazy:
            assert "tensorflow" in libraries(name), f"{module} imports {name} inside a function"


@pytest.mark.parametrize("module", [module for module in MODULES if within(module, WITHOUT_TENSORFLOW)])
def test_backend_free_modules_never_import_tensorflow(module):
    # which load it when a file is read or written
    by_tensorflow = module in ("blocks.data.formats.tfrecord", "blocks.data.writing.tfrecord_writer")
    assert by_tensorflow or "tensorflow" not in libraries(module), module
    if within(module, WITHOUT_KERAS):
        assert "keras" not in libraries(module), module


def loaded_after(statement):
    code = (
        f"import json, sys; {statement}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_blocks_loads_nothing_heavy():
    heavy = {"tensorflow", "keras", "numpy", "pyarrow", "h5py", "sklearn", "polars", "pandas"}
    assert not loaded_after("import blocks; blocks.__version__") & heavy


def test_statistics_data_and_store_load_without_keras_and_tensorflow():
    heavy = {"tensorflow", "keras", "sklearn", "polars", "matplotlib"}  # pyarrow.dataset loads pandas by itself
    assert (
        not loaded_after("import blocks.errors, blocks.statistics, blocks.data, blocks.features.spec, blocks.store")
        & heavy
    )


def test_a_savedmodel_is_explained_and_judged_without_the_training_code(fitted, table, tmp_path):
    """In a process of its own, without a block, a model or training; TensorFlow brings Keras along by itself."""
    fitted.export(tmp_path / "export")
    pq.write_table(table, tmp_path / "rows.parquet")
    code = """
import json, sys
import blocks

export, rows = sys.argv[1:]
source = blocks.read(rows)
row = next(source.chunks(1)).to_pylist()[0]
found = blocks.explain(export, row, background=source, seed=3)
metrics = blocks.evaluate.metrics(export, data=source)
training = {"block", "preprocessors", "feature_extractors", "classifiers", "regressors", "postprocessors", "model"}
loaded = sorted(training & {name.partition(".")[2].partition(".")[0] for name in sys.modules if name[:7] == "blocks."})
print(json.dumps([loaded, [[part.column, part.weight] for part in found.contributions], metrics.num_rows]))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "export"), str(tmp_path / "rows.parquet")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, contributions, judged = json.loads(done.stdout.splitlines()[-1])
    assert loaded == []
    row = table.slice(0, 1).to_pylist()[0]
    expected = blocks.explain(fitted, row, background=table, seed=3)
    assert [name for name, _ in contributions] == [part.column for part in expected.contributions]
    np.testing.assert_allclose([w for _, w in contributions], [p.weight for p in expected.contributions], rtol=1e-4)
    assert judged == blocks.evaluate.metrics(fitted, data=table).num_rows
