"""Raw columns to features, one block a file."""

from blocks.preprocessors.bucketize import Bucketize
from blocks.preprocessors.clip import Clip
from blocks.preprocessors.columns import Columns
from blocks.preprocessors.impute import Impute
from blocks.preprocessors.log1p import Log1p
from blocks.preprocessors.max_abs import MaxAbs
from blocks.preprocessors.min_max import MinMax
from blocks.preprocessors.missing_indicator import MissingIndicator
from blocks.preprocessors.piecewise_linear import PiecewiseLinear
from blocks.preprocessors.power_transform import PowerTransform
from blocks.preprocessors.quantile_transform import QuantileTransform
from blocks.preprocessors.robust_scale import RobustScale
from blocks.preprocessors.round import Round
from blocks.preprocessors.standardize import Standardize
from blocks.preprocessors.vocabulary import Vocabulary

__all__ = [
    "Bucketize",
    "Clip",
    "Columns",
    "Impute",
    "Log1p",
    "MaxAbs",
    "MinMax",
    "MissingIndicator",
    "PiecewiseLinear",
    "PowerTransform",
    "QuantileTransform",
    "RobustScale",
    "Round",
    "Standardize",
    "Vocabulary",
]
