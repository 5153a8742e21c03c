"""Baselines in one line each: what a model must beat, by the same metrics.

    blocks.baselines.boosted(splits["train"], classifiers.Softmax("label")).evaluate(splits["test"])

`constant`, `linear` and `boosted` are scikit-learn's estimators on a model's features; `naive` and `seasonal_naive`
repeat what a series was, on raw windows.
"""

from blocks.baselines.estimators import Baseline, boosted, constant, linear
from blocks.baselines.naive import NaiveForecast, naive, seasonal_naive

__all__ = ["Baseline", "NaiveForecast", "boosted", "constant", "linear", "naive", "seasonal_naive"]
