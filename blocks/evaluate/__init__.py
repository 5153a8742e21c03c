"""Evaluate: prediction tables, and what they say. Nothing is trained here; `blocks.compare` compares."""

from blocks.evaluate.curve_tables import confusion, curves
from blocks.evaluate.decisions import BestThreshold, best_threshold, gains, top_n
from blocks.evaluate.explanations.dependence import partial_dependence
from blocks.evaluate.explanations.explain import explain
from blocks.evaluate.explanations.explanation import Contribution, Explainer, Explanation
from blocks.evaluate.explanations.importance import permutation_importance
from blocks.evaluate.explanations.lime import Lime
from blocks.evaluate.metric_table import metrics
from blocks.evaluate.model_drift import drift
from blocks.evaluate.reliability import calibration, calibration_stages
from blocks.evaluate.residuals import quantile_coverage, residuals
from blocks.evaluate.step_errors import step_errors
from blocks.evaluate.tables.predict_table import predict_table
from blocks.evaluate.worth import cost_matrix, value

__all__ = [
    "BestThreshold",
    "Contribution",
    "Explainer",
    "Explanation",
    "Lime",
    "best_threshold",
    "calibration",
    "calibration_stages",
    "confusion",
    "cost_matrix",
    "curves",
    "drift",
    "explain",
    "gains",
    "metrics",
    "partial_dependence",
    "permutation_importance",
    "predict_table",
    "quantile_coverage",
    "residuals",
    "step_errors",
    "top_n",
    "value",
]
