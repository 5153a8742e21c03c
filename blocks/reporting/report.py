"""`blocks.report`: gathers the sections, writes the page and its JSON."""

import json
import os
import tempfile
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.worth import Worth
from blocks.files import durable
from blocks.files.write_errors import explained
from blocks.pages.content import Section, format_value, plain
from blocks.pages.page import page
from blocks.progress import Progress, Verbose
from blocks.reporting.report_input import ReportInput
from blocks.reporting.sections.calibration import calibration_section
from blocks.reporting.sections.data import data_section
from blocks.reporting.sections.explanations import explanations_section
from blocks.reporting.sections.export import export_section
from blocks.reporting.sections.importance import importance_section
from blocks.reporting.sections.metrics import HEADLINES, metrics_section
from blocks.reporting.sections.model import model_section
from blocks.reporting.sections.prediction_errors import errors_section
from blocks.reporting.sections.training import training_section
from blocks.reporting.sections.worth import worth_section

SECTIONS = (
    model_section,
    data_section,
    training_section,
    metrics_section,
    errors_section,
    calibration_section,
    importance_section,
    explanations_section,
)
"""In the order of the page; those on worth and export, which take arguments, come last."""

DRAWN_ROWS = 10_000


@checked()
def report(
    model: Any,
    data: Any,
    path: str | os.PathLike[str] = "report.html",
    *,
    title: str | None = None,
    by: By = None,
    worth: Worth | None = None,
    positive: Any = None,
    export: str | os.PathLike[str] | None = None,
    rows: int | bool = DRAWN_ROWS,
    date: str | None = None,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> Path:
    """Write what is to be known of a model as one HTML page that needs no network, and its numbers as JSON beside it.

    On the page: the model, the data, the training, metrics with intervals and by group, errors, calibration, importance
    of the raw columns, five explained rows, worth, and whether the export gives the same bits. What cannot be told is
    said to be left out. The same arguments give the same page, as far as statistics are exact (262,144 rows).

    Args:
        model: A `blocks.Model`, or the folder of an exported SavedModel.
        data: A dict of splits' raw rows (anything that `blocks.read` takes), or rows alone, or a `Store`; of a store,
            all that needs raw rows is left out. Judged is the split "test", else "valid", else the last.
        path: The page; the JSON has its name and the ending .json.
        title: The page's title.
        by: Columns of groups, as of `blocks.evaluate.metrics`.
        worth: What a decision is worth, as of `blocks.evaluate.value`.
        positive: The class to act on, where there are more than two.
        export: The model's SavedModel, to be verified on the rows.
        rows: Raw rows that are drawn where not all are needed: for importance, explanations and verification. False
            to leave out what tells of single rows: the explained ones, and values that fewer than 5 rows have, the
            least and the largest among them. Classes and groups are named whatever they hold.
        date: When it was made, as it is to stand on the page; today in UTC unless given.
        seed: Decides which.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Returns:
        The page's path.

    Raises:
        SchemaMismatch, InvalidArgument, EmptySource, NotAdapted, WriteError: As they say.

    Example:
        >>> import blocks, numpy as np, tempfile
        >>> from blocks import classifiers, preprocessors
        >>> rows = {"x": np.linspace(-1, 1, 64), "sold": np.repeat(["no", "yes"], 32)}
        >>> columns = preprocessors.Columns({"x": preprocessors.Standardize()})
        >>> model = blocks.Model(columns, head=classifiers.Softmax("sold"), seed=0)
        >>> _ = model.adapt(rows)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = blocks.report(model, rows, f"{folder}/report.html")
        ...     page.name, page.with_suffix(".json").exists()
        ('report.html', True)
    """
    final = Path(path)
    if final.is_dir() or final.suffix == ".json":
        why = "a folder" if final.is_dir() else "the name of its numbers"
        raise InvalidArgument(f"path names the page, report.html say. Received: {str(path)!r}, {why}.")
    report_input = ReportInput.of(
        model, data, by, DRAWN_ROWS if isinstance(rows, bool) else rows, seed, rows is not False
    )
    with (
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory() as folder,
        Progress("report", 10, verbose, unit="sections") as progress,
    ):
        # the page says it, once
        warnings.filterwarnings("ignore", message=".*some are in no metric")
        report_input.predict(Path(folder))
        sections: list[Section] = []
        for make in SECTIONS:
            sections.append(make(report_input))
            progress.advance(1)
        sections += [worth_section(report_input, worth, positive), export_section(report_input, export)]
        progress.advance(2)
        date = datetime.now(UTC).date().isoformat() if date is None else date
        title = title or "Report on " + ", ".join(_of(report_input))
        html = page(title, f"{_subtitle(report_input)} {date}.", _highlights(sections), sections)
    content = {
        "title": title,
        "date": date,
        "judged": report_input.judged,
        "sections": {section.id: section.to_json() for section in sections},
    }
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        durable.write_text(final.with_suffix(".json"), json.dumps(plain(content), indent=1))
        durable.write_text(final, html)
    return final


def _of(report_input: ReportInput) -> Sequence[str]:
    return list(dict.fromkeys(name for head in report_input.heads for name in head.targets))


def _subtitle(report_input: ReportInput) -> str:
    heads = ", ".join(f"{head.kind} of {', '.join(head.targets)}" for head in report_input.heads)
    return f"{heads}, judged on the split {report_input.judged!r}."


def _highlights(sections: Sequence[Section]) -> list[tuple[str, str, str]]:
    """The first metrics with their intervals."""
    judged = next(section for section in sections if section.id == "metrics")
    found = [("rows judged", format_value(judged.numbers["rows"]), "")]
    for name, value, low, high, _ in judged.tables[0].rows:
        if any(name.endswith(headline) for headline in HEADLINES) and value is not None and len(found) < 6:
            found.append(
                (name, format_value(value), f"{format_value(low)} to {format_value(high)}" if low is not None else "")
            )
    return found
