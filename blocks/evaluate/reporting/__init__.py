"""Reporting: everything that is known of a model, as one page. Numbers come from `blocks.evaluate`; here is their form."""

from blocks.evaluate.reporting.writing import report

__all__ = ["report"]
