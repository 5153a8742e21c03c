"""LIME on raw rows: a linear model of an answer over rows that share some of this row's values.

The algorithm is Ribeiro et al.'s and the regression the `lime` package's. How rows are drawn is ours, in `neighbours`:
the package's explainer of tables takes numbers alone, and NaN breaks its bins.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.evaluate.explanations.explanation import Contribution, Explanation, Predict
from blocks.evaluate.explanations.perturbed_rows import neighbours


@dataclass(frozen=True)
class Lime:
    """Local interpretable model-agnostic explanations, of raw columns.

    Rows are drawn that keep some of the row's values, and predicted; a ridge regression on what each kept, weighted by
    how much that was, gives the contributions. Columns are drawn independently of each other, so some of the drawn
    rows are of a kind that never occurs. A column that never varies is left out.

    A text is explained by its words, an encoded picture by about 40 regions of neighbouring pixels of like colour
    (SLIC), a window by twelve stretches.

    Args:
        n_samples: Rows that are drawn and predicted, rounded up to a power of two; of pictures, so many that they have
            268 million pixels at most.
        seed: Another seed, other rows.
        kernel_width: Weights are exp(-changed / (2 kernel_width^2 columns)), where `changed` counts the columns that
            differ (of a text, picture or window, the share of its parts). 0.75 is the `lime` package's.

    Example:
        >>> import pyarrow as pa
        >>> background = pa.table({"x": list(range(100)), "city": ["Oslo", "Rome"] * 50})
        >>> row = pa.table({"x": [99], "city": ["Rome"]})
        >>> found = Lime().explain(lambda rows: rows["x"].to_numpy() / 10.0, row, background)
        >>> found.contributions[0].column, found.fidelity > 0.5
        ('x', True)

    Source: Ribeiro, Singh, Guestrin, "Why Should I Trust You?" (KDD 2016).
    """

    n_samples: int = 4096
    seed: int = 0
    kernel_width: float = 0.75

    def __post_init__(self) -> None:
        if self.n_samples < 10:
            raise InvalidArgument(f"LIME draws at least 10 rows. Received: n_samples={self.n_samples!r}.")
        if not self.kernel_width > 0:
            raise InvalidArgument(f"kernel_width is positive. Received: {self.kernel_width!r}.")

    def explain(self, predict: Predict, row: pa.Table, background: pa.Table) -> Explanation:
        """Explain the answer of one row; as `Explainer.explain`.

        Raises:
            InvalidArgument: The model's answers are not all finite.
        """
        from lime.lime_base import LimeBase

        drawn = neighbours(row, background, self.n_samples, self.seed)
        answers = np.concatenate([np.asarray(predict(rows), np.float64) for rows in drawn.tables()])
        lost = int(np.count_nonzero(~np.isfinite(answers)))
        if lost:
            raise InvalidArgument(
                f"Answers must be finite to be explained. Received: {lost:,} of {len(answers):,} that are not, for "
                "rows with some values of this row and others of the background."
            )
        answer = float(answers[0])
        if (answers == answer).all():
            nothing = tuple(Contribution(name, value, 0.0) for name, value in drawn.features)
            return Explanation(nothing, answer, answer, answer, 1.0, regions=drawn.regions)
        width = self.kernel_width * np.sqrt(len(row.schema))

        def kernel(distance: np.ndarray) -> np.ndarray:
            return np.exp(-(distance**2) / (2 * width**2))

        kept = drawn.kept.astype(np.float64)
        intercept, weights, fidelity, local = LimeBase(kernel).explain_instance_with_data(
            kept, answers[:, None], np.sqrt(drawn.changed), 0, kept.shape[1], feature_selection="none"
        )
        of_feature = [(*drawn.features[place], float(weight)) for place, weight in weights]
        contributions = tuple(Contribution(name, value, weight) for name, value, weight in of_feature)
        of_row = float(intercept), float(local[0]), answer, float(fidelity)
        return Explanation(contributions, *of_row, regions=drawn.regions)
