"""The answers of a regressor that are numbers in its target's unit; no block lives here."""

POINTS = ("prediction", "quantiles", "low", "high")
"""Answers that are points on the target's axis."""

NEEDS = (POINTS,)
