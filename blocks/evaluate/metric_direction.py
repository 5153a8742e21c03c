"""Which way each metric is better: the one table that comparisons, importance and rankings ask."""

from typing import Literal

from blocks.errors import InvalidArgument

Direction = Literal["higher", "lower", "neither"]

DIRECTIONS: dict[str, Direction] = {
    "loss": "lower",
    "accuracy": "higher",
    "precision": "higher",
    "recall": "higher",
    "f1": "higher",
    "roc_auc": "higher",
    "average_precision": "higher",
    "log_loss": "lower",
    "brier_score": "lower",
    "expected_calibration_error": "lower",
    "rank_error": "lower",
    "r2": "higher",
    "mean_absolute_error": "lower",
    "median_absolute_error": "lower",
    "mean_squared_error": "lower",
    "mean_poisson_deviance": "lower",
    "deviance": "lower",
    "mean_pinball_loss": "lower",
    "negative_log_likelihood": "lower",
    "smape": "lower",
    "mase": "lower",
    "weighted_quantile_loss": "lower",
    # best at 0, at their level, or as narrow as they may be for it: more is not better, nor is less
    "mean_error": "neither",
    "share_below": "neither",
    "coverage": "neither",
    "mean_width": "neither",
}
_AVERAGES = ("_weighted", "_macro", "_ovr")


def direction(metric: str) -> Direction:
    """Which way a metric is better.

    Args:
        metric: A name of `blocks.evaluate.metrics` or of a head's metrics in training. What precedes the metric's own
            name (a head, a column, `top_3`, `root`), the class or label in brackets, and how it is averaged over
            classes change nothing.

    Raises:
        InvalidArgument: The metric has no entry in `DIRECTIONS`.

    Example:
        >>> direction("price_root_mean_squared_error"), direction("recall[cat]"), direction("mean_error[price]")
        ('lower', 'higher', 'neither')
    """
    name = metric.partition("[")[0]
    for average in _AVERAGES:
        name = name.removesuffix(average)
    words = name.split("_")
    for start in range(len(words)):
        if (found := DIRECTIONS.get("_".join(words[start:]))) is not None:
            return found
    raise InvalidArgument(
        f"Which way a metric is better is known of those that blocks reports: {', '.join(DIRECTIONS)}. "
        f"Received: {metric!r}. Name one of them, or give yours an entry in blocks.evaluate.metric_direction."
    )
