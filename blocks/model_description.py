"""What a model says of itself: its parts and what goes between them, as text for a terminal and HTML for a notebook."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from blocks.block import FeatureExtractor, Head, Postprocessor
from blocks.inspection.adapted_rows import AdaptedRows
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.auto import AutoColumns
from blocks.training import defaults

FEATURES = "features"


class ModelParts(NamedTuple):
    """The parts of a model, in order; postprocessors by head."""

    preprocessor: Columns | AutoColumns
    feature_extractor: FeatureExtractor
    head: Head
    chains: Mapping[str, Sequence[Postprocessor]]


def describe(
    preprocessor: Columns | AutoColumns,
    extractor: FeatureExtractor,
    automatic: Sequence[str],
    optimizer: keras.optimizers.Optimizer | None,
    rows: AdaptedRows,
) -> str:
    """What a model is made of and how it is trained, as text; what was chosen for the user says so.

    Args:
        preprocessor: Chosen or not.
        extractor: The feature extractor.
        automatic: Names of the parts that were chosen for the user.
        optimizer: The core's, or None where it is not compiled yet.
        rows: What is kept of the rows that it was adapted on.
    """
    chosen = {name: " (auto)" if name in automatic else "" for name in ("preprocessor", "feature_extractor")}
    lines = [f"preprocessor{chosen['preprocessor']}", *(f"  {line}" for line in str(preprocessor).splitlines())]
    lines.append(f"feature extractor{chosen['feature_extractor']}")
    arguments = {k: v for k, v in extractor.get_config().items() if k not in ("name", "trainable", "dtype", "spec")}
    lines += [
        f"  {type(extractor).__name__}",
        *(f"    {name} = {_as_call(value)}" for name, value in arguments.items()),
    ]
    lines.append("training")
    if optimizer is not None and optimizer.name != defaults.AUTO:
        lines.append(f"  {type(optimizer).__name__}, as compile was told")
    else:
        lines.append(f"  AdamW (auto): rate {defaults.LEARNING_RATE:g}, weight decay {defaults.WEIGHT_DECAY:g}")
    lines.append(
        "  unless fit is told otherwise: batches of 32 to 1,024 rows, about 128 an epoch; until the loss on held-out "
        f"rows no longer falls, or {defaults.LEAST_FIXED} to {defaults.MOST_FIXED} epochs where there are none or more "
        f"than {defaults.MANY_ROWS:,} rows to train on; the best weights are restored"
    )
    return "\n".join([*lines, *rows.describe()])


def _as_call(value: Any) -> str:
    """A part's configuration as the call that makes it."""
    if not isinstance(value, Mapping):
        return repr(value)
    config = value.get("config", {})
    arguments = {name: one for name, one in config.items() if name not in ("name", "trainable", "dtype", "names")}
    return f"{value.get('class_name')}({', '.join(f'{name}={one!r}' for name, one in arguments.items())})"


def roles_and_parts(model: ModelParts) -> list[tuple[str, str]]:
    """What a raw row goes through: the role of each part, and what it is; `FEATURES` for what the preprocessor gives.

    Example:
        >>> from blocks import classifiers, feature_extractors, postprocessors
        >>> head, chains = classifiers.Softmax("sold"), {"": [postprocessors.Labels()]}
        >>> for part in roles_and_parts(ModelParts(AutoColumns(), feature_extractors.MLP([4]), head, chains)):
        ...     print(part)
        ('preprocessor', 'auto')
        ('feature extractor', 'MLP')
        ('head', "Softmax of 'sold'")
        ('postprocessor', 'Labels')
    """
    preprocessor, extractor, head, chains = model
    columns = f"Columns of {len(preprocessor.columns)} columns" if isinstance(preprocessor, Columns) else "auto"
    parts = [("preprocessor", columns)]
    if preprocessor.adapted:
        for name, entry in preprocessor.spec.items():
            width = f"{entry.columns} sparse" if entry.sparse else ", ".join(map(str, entry.shape))
            parts.append((FEATURES, f"{name}: {entry.dtype} (batch, {width})"))
    parts.append(("feature extractor", type(extractor).__name__))
    for name, chain in chains.items():
        of_head = f"{name}: " if name else ""
        parts.append(("head", f"{of_head}{_head_of_targets(head.heads[name])}"))
        parts += [("postprocessor", f"{of_head}{type(block).__name__}") for block in chain]
    return parts


def as_text(parts: Sequence[tuple[str, str]]) -> str:
    """The parts, a line each."""
    lines = [f"      {what}" if role == FEATURES else f"  > {role:<19}{what}" for role, what in parts]
    return "\n".join(["raw rows", *lines, "answers"])


def as_html(parts: Sequence[tuple[str, str]], state: str) -> str:
    """The parts as a table, for a notebook."""
    rows = [f"<tr><th>{role}</th><td>{html.escape(what)}</td></tr>" for role, what in parts]
    return f"<table><caption>Model, {state}</caption>{''.join(rows)}</table>"


def as_one_line(model: ModelParts, state: str) -> str:
    """The parts on one line, of the columns all."""
    preprocessor, extractor, head, chains = model
    parts = [repr(preprocessor).strip("<>"), type(extractor).__name__]
    for name, chain in chains.items():
        of_head = f"{name}: " if name else ""
        blocks = [of_head + _head_of_targets(head.heads[name]), *(type(one).__name__ for one in chain)]
        parts.append(" > ".join(blocks))
    return f"<Model: {' > '.join(parts)}; {state}>"


def _head_of_targets(head: Head) -> str:
    return f"{type(head).__name__} of {', '.join(map(repr, head.targets))}"
