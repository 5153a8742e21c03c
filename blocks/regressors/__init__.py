"""Heads that predict numbers, one block a file; free of any backend."""

from blocks.regressors.mean import Mean

__all__ = ["Mean"]
