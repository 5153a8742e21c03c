"""Compiling: the losses, metrics and weights that `compile` is given, checked, and put into effect on a core."""

from collections.abc import Mapping
from typing import Any

import keras

from blocks.block import Head
from blocks.errors import InvalidArgument
from blocks.training.defaults import optimizer as default_optimizer


def checked_settings(
    head: Head, optimizer: Any = None, loss: Any = None, metrics: Any = None, **settings: Any
) -> dict[str, Any]:
    """What `compile` was told, in a form that can be put into effect on one core after another.

    Args:
        head: Names the losses, where it is several.
        optimizer: As of `keras.Model.compile`; ours unless given.
        loss: The head's unless given.
        metrics: The head's unless given.
        settings: As of `keras.Model.compile`.

    Raises:
        InvalidArgument: Keras does not know one of them, or a head is meant that is not there.
    """
    try:
        chosen = default_optimizer() if optimizer is None else keras.optimizers.get(optimizer)
    except (ValueError, TypeError) as error:
        raise InvalidArgument(
            f"compile's optimizer is one of keras.optimizers, or its name. Received: {optimizer!r}."
        ) from error
    for what, given in (("losses", loss), ("metrics", metrics)):
        for name in keras.tree.flatten(given):
            _require_known(what, name)
    if "loss_weights" in settings:
        settings["loss_weights"] = _by_head(head, "loss_weights", settings["loss_weights"])
    loss = _by_head(head, "loss", loss)
    return {"optimizer": keras.optimizers.serialize(chosen), "loss": loss, "metrics": metrics, **settings}


def compile_core(core: keras.Model, head: Head, settings: Mapping[str, Any]) -> None:
    """Compile a core by what `checked_settings` gave, and by the head where nothing was said."""
    loss = head.default_loss() if settings["loss"] is None else settings["loss"]
    metrics = _row_metrics(head, settings["metrics"], settings.get("weighted_metrics"))
    # XLA is 6-19% slower than TensorFlow's own kernels on a CPU
    chosen = {"loss_weights": head.loss_weights, "jit_compile": bool(_accelerators()), **settings, **metrics}
    core.compile(**{**chosen, "loss": loss, "optimizer": keras.optimizers.deserialize(settings["optimizer"])})


def _require_known(what: str, name: Any) -> None:
    """Refuse the name of a loss or metric that Keras does not know, before it is looked up in the midst of training."""
    if isinstance(name, str) and name not in ("accuracy", "acc", "crossentropy", "ce"):
        try:
            getattr(keras, what).get(name)
        except ValueError as error:
            raise InvalidArgument(f"compile takes names of keras.{what}. Received: {name!r}.") from error


def _by_head(head: Head, what: str, given: Any) -> Any:
    """`compile`'s losses or their weights as the core takes them: one for a single head, a dict by name of several."""
    several = [name for name in head.heads if name]
    if given is None:
        return None
    if isinstance(given, list | tuple) and len(given) == len(head.heads):
        given = dict(zip(several, given, strict=True)) if several else given[0]
    by_name = isinstance(given, Mapping)
    fits = set(given) <= set(several) if by_name else not several and not isinstance(given, list | tuple)
    weights = keras.tree.flatten(given) if what == "loss_weights" else ()
    if not fits or not all(isinstance(weight, int | float) for weight in weights):
        kind = "numbers" if what == "loss_weights" else "losses"
        wanted = f"a dict of {kind} by head: {', '.join(several)}" if several else f"a single one of {kind}"
        raise InvalidArgument(f"compile's {what} is {wanted}. Received: {given!r}.")
    return given


def _row_metrics(head: Head, metrics: Any, weighted: Any) -> dict[str, Any]:
    """Metrics as `compile` takes them: the head's are weighted; of several heads all are, as gaps weigh 0."""
    default = head.default_metrics()
    if not isinstance(default, Mapping):
        return {"metrics": metrics, "weighted_metrics": [*(default if metrics is None else ()), *_list(weighted)]}
    by_name = all(given is None or isinstance(given, Mapping) for given in (metrics, weighted))
    if not by_name or {*(metrics or ()), *(weighted or ())} - set(default):
        raise InvalidArgument(
            f"Metrics of several heads are a dict of lists by head: {', '.join(head.heads)}. "
            f"Received: metrics={metrics!r}, weighted_metrics={weighted!r}."
        )
    parts = [default if metrics is None else metrics, weighted or {}]
    by_head = {name: [metric for part in parts for metric in _list(part.get(name))] for name in default}
    return {"metrics": None, "weighted_metrics": by_head}


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values) if isinstance(values, list | tuple) else [values]


def _accelerators() -> list[Any]:
    import tensorflow as tf

    return list(tf.config.list_logical_devices("GPU"))
