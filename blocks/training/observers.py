"""Observers: who wants to know what a model is doing, by a context variable. What is told here knows of no record.

Whoever records runs, tunes or shows a dashboard registers here; `fit`, `adapt`, `precompute`, `calibrate`, `evaluate`,
`save` and `export` tell. Where nobody listens, that costs the look at one variable.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import keras

_Rows = TypeVar("_Rows")
_Method = TypeVar("_Method", bound=Callable[..., Any])


class Observer:
    """What is told of a model's work; each method does nothing unless overridden."""

    def begins(self, step: str, model: Any, arguments: Mapping[str, Any]) -> None:
        """A step begins.

        Args:
            step: "adapt", "precompute", "fit", "calibrate", "evaluate", "save" or "export".
            model: Whose step it is.
            arguments: What the method was given, by name.
        """

    def reads(self, rows: Any) -> None:
        """A step reads rows.

        Args:
            rows: A `Source`, or a store's split.
        """

    def progresses(self, epoch: int, batch: int, metrics: Mapping[str, Any] | None) -> None:
        """Training goes on.

        Args:
            epoch: Counted from 0.
            batch: Batches of this call's epoch that are done; 0 at an epoch's end.
            metrics: At an epoch's end its loss and metrics; else None.
        """

    def ends(self, step: str, model: Any, result: Any, error: BaseException | None) -> None:
        """A step ends, with what it returned or raised."""


_OBSERVERS: ContextVar[tuple[Observer, ...]] = ContextVar("blocks_observers", default=())


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Tell an observer of what is done in the block; those from outside are told too.

    Example:
        >>> import blocks
        >>> class Steps(Observer):
        ...     def begins(self, step, model, arguments):
        ...         print(step, sorted(arguments))
        >>> rows = {"x": [1.0, 2.0], "y": [1.0, 2.0]}
        >>> columns = blocks.preprocessors.Columns({"x": blocks.preprocessors.Standardize()})
        >>> with observed_by(Steps()):
        ...     summary = blocks.Model(columns, head=blocks.regressors.Mean("y")).adapt(rows)
        adapt ['data']
    """
    token = _OBSERVERS.set((*_OBSERVERS.get(), observer))
    try:
        yield
    finally:
        _OBSERVERS.reset(token)


def told(method: _Method) -> _Method:
    """Have a model's method tell the observers that it begins and ends."""
    step, signature = method.__name__, inspect.signature(method)

    @functools.wraps(method)
    def telling(self: Any, *args: Any, **kwargs: Any) -> Any:
        observers = _OBSERVERS.get()
        if not observers:
            return method(self, *args, **kwargs)
        arguments = dict(signature.bind_partial(self, *args, **kwargs).arguments)
        arguments.pop("self", None)
        arguments |= arguments.pop("kwargs", {})
        for observer in observers:
            observer.begins(step, self, arguments)
        result: Any = None
        error: BaseException | None = None
        try:
            result = method(self, *args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            for observer in observers:
                observer.ends(step, self, result, error)
        return result

    return telling  # type: ignore[return-value]


def tell_rows(rows: _Rows) -> _Rows:
    """Tell the observers which rows are read; the rows."""
    for observer in _OBSERVERS.get():
        observer.reads(rows)
    return rows


def with_observers(callbacks: list[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """Callbacks with one that tells the observers, where there are any.

    It stands before those that save a position to go on from: an epoch that is told of twice, before a kill and after,
    is told of; one that was saved before it was told of never would be.
    """
    observers = _OBSERVERS.get()
    if not observers:
        return callbacks
    at = next((i for i, one in enumerate(callbacks) if hasattr(one, "restore")), len(callbacks))
    return [*callbacks[:at], _Telling(observers), *callbacks[at:]]


class _Telling(keras.callbacks.Callback):
    """A Keras callback that tells observers."""

    def __init__(self, observers: tuple[Observer, ...]) -> None:
        super().__init__()
        self._observers, self._epoch = observers, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for observer in self._observers:
            observer.progresses(self._epoch, batch + 1, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for observer in self._observers:
            observer.progresses(epoch, 0, dict(logs or {}))
