"""The house of DESIGN.md: where things lie, what files are called, how long they are; nothing is said twice."""

import ast
import io
import statistics
import tokenize
from collections import defaultdict
from pathlib import Path

import blocks

ROOT = Path(blocks.__file__).parent
FILES = [file for file in sorted(ROOT.rglob("*.py")) if file.name != "__init__.py"]

LOOSE = {
    "__main__",
    "arguments",
    "arrow_memory",
    "comparing",
    "errors",
    "heads",
    "lazy",
    "model",
    "model_description",
    "progress",
    "tensorflow_callbacks",
}
"""What DESIGN.md has at the top: each a concept that every room uses."""

TWICE = {
    "clip": "a number before the core, an answer after it",
    "hashing": "the hash of values, and the block that hashes",
    "importance": "a section of the report, and what it shows",
    "model": "a section of the report, and what it shows",
    "numeric": "the lane of numbers in extractors, and statistics' values",
    "ordinal": "ids of ordered categories, and the head of ordered classes",
    "postprocessor": "the role, and its contract's rules",
    "preprocessor": "the role, and its contract's rules",
    "quantiles": "the statistic, and the head that predicts them",
    "round": "a number before the core, an answer after it",
    "sqlite": "a database that rows are read from, and that prediction tables are written to",
    "tfrecord": "a format that rows are read from, and that stores are made of",
    "tokens": "the statistic, and the block that is made of it",
    "worth": "a section of the report, and what it shows",
}
"""File names that stand twice on purpose, and why; any other must be told apart."""

ALIKE = {
    frozenset({"classifiers/ordinal.py", "classifiers/sigmoid.py", "classifiers/softmax.py"}): (
        "arguments that users read in the signature, handed on"
    ),
    frozenset({"postprocessors/isotonic.py", "postprocessors/temperature.py", "postprocessors/vector_scaling.py"}): (
        "what a calibration of probabilities declares of itself"
    ),
    frozenset({"preprocessors/categorical/one_hot.py", "preprocessors/text/multi_hot.py"}): (
        "columns of tokens: a base class between role and block would break the rule of two levels"
    ),
    frozenset({"preprocessors/categorical/vocabulary.py", "preprocessors/text/tokens.py"}): (
        "ids of tokens: a base class between role and block would break the rule of two levels"
    ),
}
"""Files that share six lines of code, and why; any others must share them in one place."""


def code_lines(file: Path) -> list[tuple[int, str]]:
    """Line number and text of what runs: no docstrings, comments, imports or signatures, which blocks share."""
    text = file.read_text()
    tree = ast.parse(text)
    apart: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            apart.update(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            apart.update(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            apart.update(range(node.lineno, node.body[0].lineno))
    comments = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }
    lines = enumerate(text.splitlines(), 1)
    return [(number, line.strip()) for number, line in lines if number not in apart | comments and line.strip()]


def runs(length: int) -> dict[tuple[str, ...], list[tuple[str, int]]]:
    """Every run of so many lines that stands in more than one place: file and line of each."""
    found = defaultdict(list)
    for file in FILES:
        lines = code_lines(file)
        for start in range(len(lines) - length + 1):
            part = lines[start : start + length]
            found[tuple(text for _, text in part)].append((str(file.relative_to(ROOT)), part[0][0]))
    return {run: places for run, places in found.items() if len(places) > 1}


def test_nothing_lies_loose_at_the_top_but_designs():
    loose = {file.stem for file in ROOT.glob("*.py")} - {"__init__"}
    assert loose <= LOOSE, f"give {sorted(loose - LOOSE)} a room"


def test_no_file_name_stands_twice_by_accident():
    places = defaultdict(list)
    for file in FILES:
        places[file.stem].append(str(file.relative_to(ROOT)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not {name: found for name, found in twice.items() if name not in TWICE}
    assert set(TWICE) <= set(twice), "names that stand once need no reason"
    assert all(len(found) == 2 for found in twice.values())


def test_files_are_short():
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in FILES}
    assert not {name: length for name, length in lengths.items() if length > 500}
    assert statistics.median(lengths.values()) < 140


def test_no_six_lines_of_code_stand_twice():
    found = {frozenset(name for name, _ in places): places for places in runs(6).values()}
    assert not {" ".join(f"{name}:{line}" for name, line in found[files]) for files in found.keys() - ALIKE.keys()}
    assert ALIKE.keys() <= found.keys(), "what is alike no more needs no reason"
