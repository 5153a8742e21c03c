"""Tuning: a search over settings of a model on a store that stays as it is; nothing here knows raw rows."""

from blocks.tuning.search import tune

__all__ = ["tune"]
