"""Raw columns to features, one block a file."""

from blocks.preprocessors.categorical.boolean import Boolean
from blocks.preprocessors.categorical.cross import Cross
from blocks.preprocessors.categorical.frequency import Frequency
from blocks.preprocessors.categorical.hashing import Hashing
from blocks.preprocessors.categorical.map import Map
from blocks.preprocessors.categorical.one_hot import OneHot
from blocks.preprocessors.categorical.ordinal import Ordinal
from blocks.preprocessors.categorical.target_encode import TargetEncode
from blocks.preprocessors.categorical.vocabulary import Vocabulary
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.function import Function
from blocks.preprocessors.geo.distance import Distance
from blocks.preprocessors.geo.geo_grid import GeoGrid
from blocks.preprocessors.image.image import Image
from blocks.preprocessors.image.image_missing import ImageMissing
from blocks.preprocessors.numeric.bucketize import Bucketize
from blocks.preprocessors.numeric.clip import Clip
from blocks.preprocessors.numeric.impute import Impute
from blocks.preprocessors.numeric.log1p import Log1p
from blocks.preprocessors.numeric.max_abs import MaxAbs
from blocks.preprocessors.numeric.min_max import MinMax
from blocks.preprocessors.numeric.missing_indicator import MissingIndicator
from blocks.preprocessors.numeric.number import Number
from blocks.preprocessors.numeric.piecewise_linear import PiecewiseLinear
from blocks.preprocessors.numeric.power_transform import PowerTransform
from blocks.preprocessors.numeric.quantile_transform import QuantileTransform
from blocks.preprocessors.numeric.robust_scale import RobustScale
from blocks.preprocessors.numeric.round import Round
from blocks.preprocessors.numeric.standardize import Standardize
from blocks.preprocessors.text.email_domain import EmailDomain
from blocks.preprocessors.text.extract import Extract
from blocks.preprocessors.text.hashed_n_grams import HashedNGrams
from blocks.preprocessors.text.length import Length
from blocks.preprocessors.text.multi_hot import MultiHot
from blocks.preprocessors.text.normalize import Normalize
from blocks.preprocessors.text.subword import Subword
from blocks.preprocessors.text.tf_idf import TfIdf
from blocks.preprocessors.text.tokens import Tokens
from blocks.preprocessors.text.vectors import Vectors
from blocks.preprocessors.time.cyclical import Cyclical
from blocks.preprocessors.time.date_parts import DateParts
from blocks.preprocessors.time.difference import Difference
from blocks.preprocessors.time.duration import Duration
from blocks.preprocessors.time.elapsed import Elapsed
from blocks.preprocessors.time.timestamp import Timestamp

__all__ = [
    "Boolean",
    "Bucketize",
    "Clip",
    "Columns",
    "Cross",
    "Cyclical",
    "DateParts",
    "Difference",
    "Distance",
    "Duration",
    "Elapsed",
    "EmailDomain",
    "Extract",
    "Frequency",
    "Function",
    "GeoGrid",
    "HashedNGrams",
    "Hashing",
    "Image",
    "ImageMissing",
    "Impute",
    "Length",
    "Log1p",
    "Map",
    "MaxAbs",
    "MinMax",
    "MissingIndicator",
    "MultiHot",
    "Normalize",
    "Number",
    "OneHot",
    "Ordinal",
    "PiecewiseLinear",
    "PowerTransform",
    "QuantileTransform",
    "RobustScale",
    "Round",
    "Standardize",
    "Subword",
    "TargetEncode",
    "TfIdf",
    "Timestamp",
    "Tokens",
    "Vectors",
    "Vocabulary",
]
