"""What a notebook shows of answers; what IPython gets to know where it runs."""

import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest

from blocks.evaluate import metrics
from blocks.evaluate.explanations.explanation import Contribution, Explanation
from blocks.evaluate.paired_differences import compare_tables
from blocks.pages.content import Table
from blocks.pages.html_table import html_table

HOSTILE = "<script>alert(1)</script>"
ROWS = {"price": [1.0, 2.0, 3.0, 4.0] * 9, "prediction": [2.0, 3.0, 4.0, 5.0] * 9, "city": [HOSTILE, "Bern"] * 18}


@pytest.fixture
def formatters(monkeypatch):
    """The formatters of a stand-in for IPython, by type."""
    found = {}
    display = SimpleNamespace(formatters={"text/html": SimpleNamespace(for_type=found.__setitem__)})
    shell = SimpleNamespace(display_formatter=display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return found


def test_metrics_and_comparisons_are_shown_as_html_and_other_tables_are_not(formatters):
    judged = metrics(pa.table(ROWS), by="city", target="price", bootstrap=9)
    assert type(judged) is pa.Table
    html = formatters[pa.Table](judged)
    assert "<caption>Metrics of 36 rows, with 95% intervals" in html
    assert html.count("<tr>") == 1 + min(len(judged), 60)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html.replace("<wbr>", "")
    assert HOSTILE not in html
    compared = compare_tables({"old": ROWS, "new": ROWS}, metrics=["mean_absolute_error"], target="price")
    assert "on the same rows" in formatters[pa.Table](compared)
    assert formatters[pa.Table](pa.table(ROWS)) is None


def test_without_ipython_nothing_is_registered_nor_imported():
    assert (
        metrics(pa.table(ROWS), target="price", bootstrap=0).schema.metadata[b"blocks.caption"] == b"Metrics of 36 rows"
    )
    assert "IPython" not in sys.modules


def test_an_explanation_is_escaped():
    found = Explanation((Contribution("age", 39, 0.25), Contribution(HOSTILE, None, -0.5)), 0.5, 0.25, 0.3, 0.2)
    html = found._repr_html_()
    assert "caution: together the contributions" in html
    assert '<th scope="row" class="text">age</th>' in html
    assert HOSTILE not in html


def test_a_table_of_no_rows_and_of_numbers_and_text():
    assert "<tbody>\n</tbody>" in html_table(Table("none", ["a", "b"], []))
    html = html_table(Table("some", ["a", "b", "c"], [["x", 1.5, None], ["y", 2, "z" * 50]]))
    assert '<th scope="col" class="number">b</th><th scope="col" class="long">c</th>' in html
