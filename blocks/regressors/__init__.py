"""Heads that predict numbers, one block a file; free of any backend."""

from blocks.regressors.gaussian import Gaussian
from blocks.regressors.horizons import Horizons
from blocks.regressors.mean import Mean
from blocks.regressors.poisson import Poisson
from blocks.regressors.quantiles import Quantiles
from blocks.regressors.tweedie import Tweedie

__all__ = ["Gaussian", "Horizons", "Mean", "Poisson", "Quantiles", "Tweedie"]
