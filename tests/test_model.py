"""Model: one road on every path, training that resumes, parts that are replaced, errors that say the rule."""

import json

import keras
import numpy as np
import polars
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import BadTarget, EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from tests_conftest import hard_model, hard_table  # type: ignore[import-not-found]
