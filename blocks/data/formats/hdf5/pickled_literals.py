"""What a pickle says, without doing it: lists, dicts, texts and numbers; objects stay names with their arguments.

PyTables pickles the attributes that pandas keeps its columns' names in. Nothing is imported and nothing is called here:
the standard library's `pickletools` takes the bytes apart, and what they say is put together as plain values.
Source: docs.python.org/3/library/pickletools.html.
"""

import pickletools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_MARK: Final = object()
_LEFT_OUT: Final = {"PROTO", "FRAME"}
_EMPTY: Final[dict[str, Callable[[], Any]]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_CONSTANT: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES: Final = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Foreign(NamedTuple):
    """An object that was not made.

    Args:
        name: Of its class or function, with its module before a space.
        arguments: What it would have been called with.
    """

    name: str
    arguments: Any = ()


def literal(pickled: bytes) -> Any:
    """The value of a pickle.

    Raises:
        ValueError: It is none, or does what none of plain values does.

    Example:
        >>> import datetime, pickle
        >>> literal(pickle.dumps({"names": ["a", None], "width": 3}))
        {'names': ['a', None], 'width': 3}
        >>> literal(pickle.dumps(datetime.timedelta(hours=2), protocol=0))
        Foreign(name='datetime timedelta', arguments=(0, 7200, 0))
    """
    try:
        return _put_together(pickled)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no pickle of plain values: {error}") from error


def _put_together(pickled: bytes) -> Any:
    stack: list[Any] = []
    memory: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(pickled):
        name = opcode.name
        if name == "STOP":
            if len(stack) != 1:
                raise ValueError("a pickle of one value leaves one")
            return stack[0]
        if name in _VALUES:
            stack.append(argument)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _CONSTANT:
            stack.append(_CONSTANT[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("LIST", "TUPLE", "DICT"):
            made = _to_mark(stack)
            stack.append(made if name == "LIST" else tuple(made) if name == "TUPLE" else _pairs(made))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name in ("APPEND", "APPENDS"):
            more = _to_mark(stack) if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(more)
        elif name in ("SETITEM", "SETITEMS"):
            more = _to_mark(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(_pairs(more))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memory[len(memory) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memory[argument])
        elif name not in _LEFT_OUT:
            _foreign(name, argument, stack)
    raise ValueError("a pickle ends with STOP")


def _foreign(name: str, argument: Any, stack: list[Any]) -> None:
    """The instructions that would import and call; any other is refused."""
    if name == "GLOBAL":
        stack.append(Foreign(argument))
    elif name == "STACK_GLOBAL":
        stack[-2:] = [Foreign(f"{stack[-2]} {stack[-1]}")]
    elif name in ("REDUCE", "NEWOBJ"):
        stack[-2:] = [Foreign(stack[-2].name, stack[-1])]
    elif name == "BUILD":
        stack.pop()
    else:
        raise ValueError(f"{name} stands in no pickle of plain values")


def _to_mark(stack: list[Any]) -> list[Any]:
    at = max(index for index, value in enumerate(stack) if value is _MARK)
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))
