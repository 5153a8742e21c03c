"""Reporting: everything that is known of a model, as one page. Numbers are made by `blocks.evaluate`, not here."""

from blocks.reporting.report import report

__all__ = ["report"]
