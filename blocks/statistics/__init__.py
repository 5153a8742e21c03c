"""Mergeable summaries of columns, by NumPy, Arrow and DataSketches; no Keras, no TensorFlow, no reading of files.

Each statistic takes chunks by `update`, joins others by `merge`, and gives a frozen `result`. See `Statistic`.
"""

from blocks.statistics.budget import Budget, memory_bytes
from blocks.statistics.column_updates import update_columns
from blocks.statistics.counts import Counts, CountsResult
from blocks.statistics.distinct_count import Distinct, DistinctResult
from blocks.statistics.distinct_values import DistinctValues, DistinctValuesResult
from blocks.statistics.few_counts import FewCounts, FewCountsResult
from blocks.statistics.hashing import hash64, hash_rows
from blocks.statistics.histogram import Histogram, HistogramResult
from blocks.statistics.missing import Missing, MissingResult
from blocks.statistics.moments import Moments, MomentsResult
from blocks.statistics.number_shape import NumberShape, NumberShapeResult
from blocks.statistics.power_exponents import Power, PowerResult
from blocks.statistics.quantiles import Quantiles, QuantilesResult
from blocks.statistics.row_sample import RowSample, RowSampleResult
from blocks.statistics.sampled_quantiles import SampledQuantiles, SampledQuantilesResult
from blocks.statistics.statistic import Statistic
from blocks.statistics.summary import Summary
from blocks.statistics.text_forms import TextForms, TextFormsResult
from blocks.statistics.totals import Totals, TotalsResult

__all__ = [
    "Budget",
    "Counts",
    "CountsResult",
    "Distinct",
    "DistinctResult",
    "DistinctValues",
    "DistinctValuesResult",
    "FewCounts",
    "FewCountsResult",
    "Histogram",
    "HistogramResult",
    "Missing",
    "MissingResult",
    "Moments",
    "MomentsResult",
    "NumberShape",
    "NumberShapeResult",
    "Power",
    "PowerResult",
    "Quantiles",
    "QuantilesResult",
    "RowSample",
    "RowSampleResult",
    "SampledQuantiles",
    "SampledQuantilesResult",
    "Statistic",
    "Summary",
    "TextForms",
    "TextFormsResult",
    "Totals",
    "TotalsResult",
    "hash64",
    "hash_rows",
    "memory_bytes",
    "update_columns",
]
