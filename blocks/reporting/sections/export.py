"""The export: whether it gives the bits that were computed offline, by `blocks.verify`."""

import os
from pathlib import Path

from blocks.data import read
from blocks.export import verify
from blocks.pages.content import Section, Table
from blocks.reporting.report_input import ReportInput

ROWS = 1000
SMALL_BATCH_ROWS = 100
"""Rows that are replayed; `blocks.verify` takes all that it is given."""


def export_section(report_input: ReportInput, path: str | os.PathLike[str] | None) -> Section:
    """The section on the export.

    Args:
        report_input: What the report is of.
        path: The SavedModel; the model itself where that is one; None where there is none.
    """
    section = Section("export", "Export")
    path = report_input.model if path is None and report_input.exported else path
    if path is None:
        section.text = ["Left out: no export was given (export=)."]
        return section
    rows = None if report_input.store is not None else read(report_input.judged_sample(ROWS))
    found = verify(path, rows, small_batch_rows=SMALL_BATCH_ROWS, verbose=0)
    outcome = "equal, bit for bit" if found.ok else "DIFFERENT"
    sizes = ", ".join("all" if size == 0 else str(size) for size in found.batch_sizes)
    section.text = [
        f"{Path(path).name}: features are {outcome}, in a process that cannot import blocks, at batch sizes {sizes}.",
        f"Answers may differ by {found.tolerance:.3g} of their largest: they are computed in {found.compute_dtype}.",
        *found.notes,
    ]
    section.tables = [
        Table("Rows replayed", ("rows", "number"), list(found.rows.items())),
        Table("Features", ("feature", "rows whose bits differ"), list(found.features.items())),
        Table("Answers", ("answer", "largest relative difference"), list(found.answers.items())),
    ]
    section.numbers = {"ok": found.ok, "tolerance": found.tolerance, "compute_dtype": found.compute_dtype}
    return section
