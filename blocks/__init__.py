"""blocks: composable Keras blocks. Adapt in one pass, precompute in chunks, train, export exactly what was trained.

Names are loaded when they are first used, so that `blocks --help` answers at once.
"""

from typing import TYPE_CHECKING

from blocks.arrow_memory import use_frugal_pool
from blocks.lazy import loader as _loader
from blocks.lazy import quiet_from_here

if TYPE_CHECKING:  # for type checkers, as `_HOMES` has it
    from blocks import baselines as baselines
    from blocks import classifiers as classifiers
    from blocks import data as data
    from blocks import errors as errors
    from blocks import evaluate as evaluate
    from blocks import feature_extractors as feature_extractors
    from blocks import postprocessors as postprocessors
    from blocks import preprocessors as preprocessors
    from blocks import regressors as regressors
    from blocks import runs as runs
    from blocks import serving as serving
    from blocks import statistics as statistics
    from blocks import store as store
    from blocks import testing as testing
    from blocks.comparing import compare as compare
    from blocks.data import Source as Source
    from blocks.data import read as read
    from blocks.data.windowing.windows import windows as windows
    from blocks.evaluate.explanations.explain import explain as explain
    from blocks.export import verify as verify
    from blocks.features import FeatureSpec as FeatureSpec
    from blocks.inspection.cleaning.clean import clean as clean
    from blocks.inspection.cleaning.join import join as join
    from blocks.inspection.profile.describe import describe as describe
    from blocks.inspection.profile.profile import Profile as Profile
    from blocks.inspection.schema.table_schema import Schema as Schema
    from blocks.model import Model as Model
    from blocks.model import load as load
    from blocks.reporting import report as report
    from blocks.statistics import Summary as Summary
    from blocks.store import open_store as open_store
    from blocks.training.resume import Resume as Resume
    from blocks.tuning import tune as tune

__version__ = "0.1.0"

_HOMES = {
    "FeatureSpec": "features",
    "Model": "model",
    "Profile": "inspection.profile.profile",
    "Resume": "training.resume",
    "Schema": "inspection.schema.table_schema",
    "Source": "data",
    "Summary": "statistics",
    "baselines": "",
    "classifiers": "",
    "clean": "inspection.cleaning.clean",
    "compare": "comparing",
    "data": "",
    "errors": "",
    "evaluate": "",
    "describe": "inspection.profile.describe",
    "explain": "evaluate.explanations.explain",
    "feature_extractors": "",
    "join": "inspection.cleaning.join",
    "load": "model",
    "open_store": "store",
    "postprocessors": "",
    "preprocessors": "",
    "read": "data",
    "regressors": "",
    "report": "reporting",
    "runs": "",
    "serving": "",
    "statistics": "",
    "store": "",
    "testing": "",
    "tune": "tuning",
    "verify": "export",
    "windows": "data.windowing.windows",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = _loader(__name__, _HOMES)

use_frugal_pool()
quiet_from_here()
