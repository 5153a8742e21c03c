"""Raw columns to features, one block a file."""

from blocks.preprocessors.columns import Columns
from blocks.preprocessors.impute import Impute
from blocks.preprocessors.log1p import Log1p
from blocks.preprocessors.standardize import Standardize
from blocks.preprocessors.vocabulary import Vocabulary

__all__ = ["Columns", "Impute", "Log1p", "Standardize", "Vocabulary"]
