"""What the model is: its parts, sizes, versions and fingerprints."""

import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from blocks.block import fingerprint
from blocks.export.replay import ASSETS
from blocks.features.spec import FeatureSpec
from blocks.pages.content import Section, Table
from blocks.reporting.report_input import ReportInput

LIBRARIES = ("ml-blocks", "tensorflow", "keras", "numpy", "pyarrow", "scikit-learn")


def model_section(report_input: ReportInput) -> Section:
    """The section on the model."""
    return _of_export(report_input) if report_input.exported else _of_model(report_input)


def _of_model(report_input: ReportInput) -> Section:
    graph, extractor = report_input.graph, report_input.model.feature_extractor
    columns, core, spec = graph.preprocessor, graph.core, graph.preprocessor.spec
    steps = [
        ("raw rows", f"{len(columns.inputs)} columns"),
        (type(columns).__name__, f"{sum(len(lane.blocks) for lane in columns.lanes)} blocks"),
        ("features", _entries(spec)),
        (type(extractor).__name__, f"{core.count_params():,} parameters with the heads"),
    ]
    for name, head in graph.head.heads.items():
        called = f"{name}: " if name else ""
        steps.append((called + type(head).__name__, "of " + ", ".join(head.targets)))
        steps += [(called + type(block).__name__, "postprocessor") for block in graph.chains[name]]
    steps.append(("answers", ", ".join(report_input.answers)))
    prints = {
        "preprocessor": fingerprint(columns),
        "head": fingerprint(graph.head),
        "model": report_input.predictor.describe()["model"],
    }
    trainable = sum(math.prod(weight.shape) for weight in core.trainable_weights)
    sizes = [
        ("raw columns", len(columns.inputs)),
        ("features", sum(entry.columns for entry in spec.values())),
        ("parameters", int(core.count_params())),
        ("trainable parameters", trainable),
        ("layers of the core", len(core.layers)),
    ]
    section = Section("model", "Model", numbers={"parts": [list(step) for step in steps]})
    section.tables = [
        Table(
            "What becomes of each raw column",
            ("column", "blocks", "features"),
            [
                (
                    ", ".join(lane.columns),
                    " > ".join(type(block).__name__ for block in lane.blocks),
                    len(lane.outputs()),
                )
                for lane in columns.lanes
            ],
        ),
        Table("Sizes", ("what", "number"), sizes),
        _versions({name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}),
        Table("Fingerprints", ("of", "digest"), list(prints.items())),
    ]
    return section


def _of_export(report_input: ReportInput) -> Section:
    manifest: dict[str, Any] = json.loads((Path(report_input.model) / ASSETS / "manifest.json").read_text())
    spec = FeatureSpec.from_json(manifest["spec"])
    steps = [("raw rows", f"{len(manifest['schema'])} columns"), ("features", _entries(spec))]
    for head in report_input.heads:
        steps.append((f"{head.name}: {head.kind}" if head.name else head.kind, "of " + ", ".join(head.targets)))
    steps.append(("answers", ", ".join(report_input.answers)))
    section = Section("model", "Model", ["An exported SavedModel: its own graph gave every answer of this report."])
    section.numbers = {"parts": [list(step) for step in steps]}
    prints = {**manifest["fingerprints"], "model": report_input.predictor.describe()["model"]}
    section.tables = [
        Table("Raw columns, as they enter", ("column", "type"), list(manifest["schema"].items())),
        _versions(manifest["versions"]),
        Table("Fingerprints", ("of", "digest"), list(prints.items())),
    ]
    return section


def _entries(spec: FeatureSpec) -> str:
    return ", ".join(f"{entry.columns} {name}" for name, entry in spec.items())


def _versions(found: dict[str, str]) -> Table:
    return Table("Versions that it was made with", ("library", "version"), sorted(found.items()))
