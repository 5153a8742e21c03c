"""Search spaces as plain data: checked, widened to hold what a model has now, and drawn from by Optuna."""

import json
import math
from collections.abc import Mapping
from typing import Any

from blocks.arguments import unknown_names
from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument

Dimension = tuple[Any, ...]
Space = dict[str, Dimension]

OF_OPTIMIZER = ("learning_rate", "weight_decay")


def checked_space(given: Mapping[str, Any], extractor: FeatureExtractor, current: Mapping[str, Any]) -> Space:
    """A search space that holds what the model has now, so that the default is one of its points.

    Args:
        given: By the name of an argument of the extractor, "learning_rate" or "weight_decay": ("float", low, high,
            log), ("int", low, high, log) or ("choice", [values]).
        extractor: Whose arguments may be meant.
        current: What there is now by name, the extractor's configuration and the optimizer's.

    Returns:
        The same, ranges and choices widened by what there is now.

    Raises:
        InvalidArgument: A name that is none, or a dimension of no such form.

    Example:
        >>> from blocks.feature_extractors import MLP
        >>> mlp = MLP([100], dropout=0.8)
        >>> given = {"units": ("choice", [[64], [128]]), "dropout": ("float", 0.0, 0.5, False)}
        >>> checked_space(given, mlp, mlp.get_config())
        {'units': ('choice', [[100], [64], [128]]), 'dropout': ('float', 0.0, 0.8, False)}
    """
    if not isinstance(given, Mapping) or not given:
        raise InvalidArgument(
            "A search space is a dict: {'dropout': ('float', 0.0, 0.5, False)}. "
            f"Received: {given!r} of {type(extractor).__name__}. Give one by space=."
        )
    apart = ("name", "dtype", "trainable", "spec", "autocast")
    known = [*(name for name in extractor.get_config() if name not in apart), *OF_OPTIMIZER]
    if unknown := [name for name in given if name not in known]:
        raise InvalidArgument(unknown_names(f"A search space of {type(extractor).__name__}", unknown, known))
    return {name: _widened(name, tuple(one), current.get(name)) for name, one in given.items()}


def _widened(name: str, dimension: Dimension, current: Any) -> Dimension:
    match dimension:
        case ("choice", list() | tuple() as options) if options and _is_json(options):
            options = json.loads(json.dumps(options))
            return ("choice", options if current in options else [current, *options])
        case ("float" | "int" as kind, int() | float() as low, int() | float() as high, bool() as log):
            whole = kind == "float" or all(float(end).is_integer() for end in (low, high))
            if math.isfinite(low) and math.isfinite(high) and low < high and whole and not (log and low <= 0):
                if isinstance(current, int | float) and not isinstance(current, bool) and (current > 0 or not log):
                    low, high = min(low, current), max(high, current)
                ends = (int(low), int(high)) if kind == "int" else (float(low), float(high))
                return (kind, *ends, log)
    raise InvalidArgument(
        "A dimension is ('float', low, high, log) or ('int', low, high, log) with low < high, 0 < low if log, or "
        f"('choice', [values]) of JSON. Received: {name!r}: {dimension!r}."
    )


def _is_json(values: Any) -> bool:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def is_point(space: Space, values: Mapping[str, Any]) -> bool:
    """Whether values by name lie in a space."""
    return all(
        values.get(name) in dimension[1]
        if dimension[0] == "choice"
        else isinstance(values.get(name), int | float) and dimension[1] <= values[name] <= dimension[2]
        for name, dimension in space.items()
    )


def as_drawn(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Optuna keeps them: of a choice the number of the option, since lists are none that it takes."""
    return {
        name: dimension[1].index(values[name]) if dimension[0] == "choice" else values[name]
        for name, dimension in space.items()
    }


def as_given(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `as_drawn`."""
    return {
        name: dimension[1][drawn[name]] if dimension[0] == "choice" else drawn[name]
        for name, dimension in space.items()
    }


def draw(space: Space, trial: Any) -> dict[str, Any]:
    """What Optuna draws for a trial; the same again where it was drawn before. See `as_drawn`."""
    found: dict[str, Any] = {}
    for name, (kind, *rest) in space.items():
        if kind == "choice":
            found[name] = trial.suggest_categorical(name, list(range(len(rest[0]))))
        else:
            suggest = trial.suggest_float if kind == "float" else trial.suggest_int
            found[name] = suggest(name, rest[0], rest[1], log=rest[2])
    return found
