"""blocks: composable Keras blocks. Adapt in one pass, precompute in chunks, train, export exactly what was trained.

Names are loaded when they are first used, so that `blocks --help` answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blocks.arrow_memory import use_frugal_pool
from blocks.lazy import quiet_from_here, quiet_import

if TYPE_CHECKING:
    from blocks import (
        baselines,
        classifiers,
        data,
        errors,
        evaluate,
        feature_extractors,
        postprocessors,
        preprocessors,
        regressors,
        statistics,
        store,
        testing,
    )
    from blocks.comparing import compare
    from blocks.data import Source, read
    from blocks.evaluate.explanations.explain import explain
    from blocks.export import verify
    from blocks.features import FeatureSpec
    from blocks.model import Model, load
    from blocks.reporting import report
    from blocks.statistics import Summary
    from blocks.store import open_store
    from blocks.training.resume import Resume

__version__ = "0.1.0"

_HOMES = {
    "FeatureSpec": "blocks.features",
    "Model": "blocks.model",
    "Resume": "blocks.training.resume",
    "Source": "blocks.data",
    "Summary": "blocks.statistics",
    "compare": "blocks.comparing",
    "explain": "blocks.evaluate.explanations.explain",
    "report": "blocks.reporting",
    "load": "blocks.model",
    "open_store": "blocks.store",
    "read": "blocks.data",
    "verify": "blocks.export",
}
_MODULES = (
    "baselines",
    "classifiers",
    "data",
    "errors",
    "evaluate",
    "feature_extractors",
    "postprocessors",
    "preprocessors",
    "regressors",
    "statistics",
    "store",
    "testing",
)

__all__ = [
    "FeatureSpec",
    "Model",
    "Resume",
    "Source",
    "Summary",
    "baselines",
    "classifiers",
    "compare",
    "data",
    "errors",
    "evaluate",
    "explain",
    "feature_extractors",
    "load",
    "open_store",
    "postprocessors",
    "preprocessors",
    "read",
    "regressors",
    "report",
    "statistics",
    "store",
    "testing",
    "verify",
]


use_frugal_pool()
quiet_from_here()


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module 'blocks' has no attribute {name!r}")
    with quiet_import():
        module = import_module(_HOMES.get(name, f"blocks.{name}"))
    value = getattr(module, name) if name in _HOMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})
