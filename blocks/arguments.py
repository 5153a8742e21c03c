"""Arguments: a call that Python itself would refuse is refused by our error, which says what to write instead."""

import functools
import inspect
import operator
import reprlib
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from blocks.errors import BlocksError, InvalidArgument

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

# what only a reload gives
INNER = ("self", "cls", "spec", "state", "raw")

KERAS_CALLS = ("call", "build", "get_config", "from_config", "get_compile_config", "compile_from_config")
"""Methods that Keras calls, and traces."""

# names of one thing in Keras, scikit-learn and elsewhere
ALIKE: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "hidden hidden_units hidden_layers hidden_layer_sizes hidden_sizes layers units widths width dims n_units",
        "dropout dropout_rate p_dropout rate",
        "depth n_layers num_layers n_blocks num_blocks blocks",
        "heads n_heads num_heads",
        "activation act activation_fn",
        "bins n_bins num_bins",
        "bin_boundaries boundaries edges bins",
        "max_tokens vocab_size vocabulary_size max_features num_tokens top_k",
        "min_count min_frequency min_df frequency_threshold",
        "n_quantiles num_quantiles quantiles",
        "seed random_state random_seed",
        "epochs n_epochs num_epochs max_epochs max_iter nb_epoch",
        "batch_size batch batchsize",
        "validation_data valid validation val valid_data val_data eval_set",
        "data x X dataset rows source",
        "target label labels y column",
        "sample_weight weights weight sample_weights",
        "path filepath filename file",
        "optimizer learning_rate lr",
        "feature_extractor extractor backbone encoder",
        "preprocessor preprocessing columns",
        "postprocessors postprocessor postprocessing",
        "head classifier regressor output",
        "lower low minimum min min_value",
        "upper high maximum max max_value",
        "indicator add_indicator",
        "strategy method statistic",
        "num_oov_indices num_oov oov_buckets num_oov_buckets",
    )
)


def checked(
    *, also: Collection[str] | None = None, hints: Mapping[str, str] | None = None, values: bool = False
) -> Callable[[F], F]:
    """Refuse arguments that a function does not take, too many or too few, as `InvalidArgument`.

    Args:
        values: Whether to refuse, where the function itself does not, what is no number at an argument annotated so,
            and to tell Python's own TypeError and ValueError as ours.
        also: Names that its `**kwargs` may hold; None for any.
        hints: Argument to what to do instead; "*" for one by position too many.

    Example:
        >>> @checked(hints={"y": "The target is a column of the rows."})
        ... def fit(rows, *, epochs=1): ...
        >>> fit([], epoch=2)
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: fit takes rows, epochs. Received: epoch (did you mean epochs?).
        >>> fit([], y=[])
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: fit takes rows, epochs. Received: y. The target is a column of the rows.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        called = function.__qualname__.rpartition("<locals>.")[2]
        takes_any = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
        closed = takes_any and also is not None

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            name = called
            if "." in called and args:  # a method may be its parent's
                owner = args[0] if isinstance(args[0], type) else type(args[0])
                name = owner.__name__ + ("" if function.__name__ == "__init__" else f".{function.__name__}")
            try:
                signature.bind(*args, **kwargs)
                fits = not closed or kwargs.keys() <= {*signature.parameters, *(also or ())}
            except TypeError:
                fits = False
            if not fits:
                raise InvalidArgument(_refusal(name, signature, args, kwargs, [*(also or ())], hints or {}))
            if not values:
                return function(*args, **kwargs)
            try:
                made = function(*args, **kwargs)
            except (TypeError, ValueError) as error:
                if isinstance(error, BlocksError):
                    raise
                _check_numbers(name, signature, args, kwargs)
                given = [reprlib.repr(one) for one in args[1:]] + [f"{k}={reprlib.repr(v)}" for k, v in kwargs.items()]
                raise InvalidArgument(
                    f"{name} cannot be made of its arguments: {error}. Received: {', '.join(given)}."
                ) from error
            _check_numbers(name, signature, args, kwargs)
            return made

        call.__signature__ = signature  # type: ignore[attr-defined]  # Keras reads it without looking behind a wrapper
        return call  # type: ignore[return-value]

    return decorate


def checked_methods(
    *, also: Mapping[str, Collection[str]] | None = None, hints: Mapping[str, Mapping[str, str]] | None = None
) -> Callable[[C], C]:
    """`checked` for how a class is made and for each of its own public methods.

    Args:
        also: Method to the names that its `**kwargs` may hold.
        hints: Method to its hints.
    """

    def decorate(cls: C) -> C:
        for name, value in list(vars(cls).items()):
            if (name.startswith("_") and name != "__init__") or name in KERAS_CALLS:
                continue
            check = checked(also=(also or {}).get(name), hints=(hints or {}).get(name))
            if inspect.isfunction(value):
                setattr(cls, name, check(value))
            elif isinstance(value, classmethod):
                setattr(cls, name, classmethod(check(value.__func__)))
        return cls

    return decorate


def check_whole_number(name: str, value: Any, least: int = 0, otherwise: str = "", most: int | None = None) -> int:
    """A whole number as an `int`.

    Args:
        name: The argument's, for the message.
        value: What was given.
        least: The smallest number that will do.
        otherwise: What else the argument may be, for the message: "or None".
        most: The largest number that will do; None for any.

    Raises:
        InvalidArgument: It is none, or not within these.

    Example:
        >>> check_whole_number("batch_size", 32, least=1)
        32
        >>> check_whole_number("batch_size", 32.0, least=1)
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: batch_size must be a whole number, at least 1. Received: 32.0.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least or (most is not None and number > most):
        ends = f"at least {least}" if most is None else f"from {least} to {most}"
        also = f", {otherwise}" if otherwise else ""
        raise InvalidArgument(f"{name} must be a whole number, {ends}{also}. Received: {value!r}.")
    return number


def unknown_names(name: str, unknown: Collection[str], known: Collection[str], hints: Mapping[str, str] = {}) -> str:
    """A message on arguments by names that are not there.

    Args:
        name: Of what was called.
        unknown: Names that it was given.
        known: Those that it takes.
        hints: Argument to what to do instead.
    """
    told = [f"{one}{'' if one in hints else _meant(one, known)}" for one in unknown]
    advice = "".join(dict.fromkeys(f" {hints[one]}" for one in unknown if one in hints))
    takes = ", ".join(known) or "no argument"
    return f"{name} takes {takes}. Received: {', '.join(told)}.{advice}"


def _check_numbers(name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for key, value in signature.bind(*args, **kwargs).arguments.items():
        if wanted := _misfit(signature.parameters[key].annotation, value):
            raise InvalidArgument(f"{name}'s {key} is {wanted}. Received: {value!r}.")


def _misfit(annotation: Any, value: Any) -> str | None:
    """What was wanted where a number, or some, is annotated and something else was given."""
    options = set(get_args(annotation)) if isinstance(annotation, types.UnionType) else {annotation}
    if value is None and types.NoneType in options:
        return None
    also = " or None" if types.NoneType in options else ""
    options -= {types.NoneType}
    if options == {int}:
        return None if _is_whole(value) else f"a whole number{also}"
    if options in ({float}, {int, float}):
        return None if _is_number(value) else f"a number{also}"
    if options == {Sequence[int]}:
        fits = isinstance(value, Iterable) and not isinstance(value, str) and all(map(_is_whole, value))
        return None if fits else f"a list of whole numbers{also}"
    return None


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)


def _meant(name: str, known: Collection[str]) -> str:
    alike = [one for names in ALIKE if name in names for one in known if one in names]
    close = alike[:1] or get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _refusal(
    name: str,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    also: list[str],
    hints: Mapping[str, str],
) -> str:
    parameters = {key: one for key, one in signature.parameters.items() if one.kind is not one.VAR_KEYWORD}
    takes_any = len(parameters) < len(signature.parameters)
    named = [key for key, one in parameters.items() if key not in INNER and one.kind is not one.VAR_POSITIONAL]
    unknown = [key for key in kwargs if key not in parameters and (not takes_any or (also and key not in also))]
    if unknown:
        return unknown_names(name, unknown, [*named, *also], hints)
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [key for key, one in parameters.items() if one.kind in by_place]
    own = len(positional) - len([key for key in positional if key not in ("self", "cls")])
    if len(args) > len(positional):
        by_name = ", ".join(key for key in named if key not in positional)
        return (
            f"{name} takes {', '.join(positional[own:]) or 'nothing'} by position"
            f"{f', and by name {by_name}' if by_name else ''}. Received: {len(args) - own} by position. "
            f"{hints.get('*', 'Give the others by their names.' if by_name else 'Leave the others out.')}"
        )
    missing = [
        key
        for place, (key, one) in enumerate(parameters.items())
        if one.default is one.empty and one.kind is not one.VAR_POSITIONAL and place >= len(args) and key not in kwargs
    ]
    if missing:
        return f"{name} needs {', '.join(missing)}. Received: {', '.join(kwargs) or 'nothing'} besides. Give it."
    twice = [key for key in positional[: len(args)] if key in kwargs]
    return f"{name} takes each argument once. Received twice: {', '.join(twice)}."
