"""Poisson: the expected value of a count; a Tweedie regression at power 1."""

import keras

from blocks.block import Regressor
from blocks.regressors.deviance_regression import DevianceRegression


@keras.saving.register_keras_serializable(package="blocks")
class Poisson(DevianceRegression, Regressor):
    """The expected value of a count, or of several, by a dense unit each and the exponential: a Poisson regression.

    The loss is the deviance of the target in units of its mean; the metrics are errors and deviance in the target's
    unit. Numbers that are no integers are taken too.

    Args:
        target: Name of the target column, or of several.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing, infinite or negative.
        state: What an earlier `adapt` learned.

    Returns:
        `prediction`, float64 (float32 on JAX) of shape (batch,), or (batch, targets) where `target` names several;
        within e^50 times the mean.

    Raises:
        BadTarget: At `adapt`, when a target is no number, negative, 0 in every row, or no value of it is usable.

    Parameters: (width + 1) * targets.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import regressors
        >>> regressors.Poisson("visits").encode(pa.array([3, -1, None]))
        (array([ 3., -1., nan]), array([ True, False, False]))

    Source: McCullagh, Nelder, "Generalized Linear Models" (1989).
    """

    power = 1.0
