"""TensorFlow operations as ONNX ones, where tf2onnx has none or one that errs. No model is converted here.

Each handler is `(graph, node, name, arguments)`, as tf2onnx's `custom_op_handlers` takes them. Of the converter's own:
Log1p and Expm1 are missing; integers' FloorMod and FloorDiv truncate, so that times before 1970 and negative keys err;
strings are compared as integers; a choice between numbers is a sum of products, so that what was not chosen spoils it
where it is NaN or infinite; tables lead from strings to int64 and back alone.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from onnx import TensorProto
from tf2onnx import constants
from tf2onnx.utils import make_name, map_onnx_to_numpy_type

_FLOATS: Final = (TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE)


class _Expression:
    """One TensorFlow node, to be replaced by several of ONNX; holds what all of them need."""

    def __init__(self, graph: Any, node: Any) -> None:
        self.graph, self.node = graph, node
        self.dtype = graph.get_dtype(node.input[0])

    def __call__(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """The output of a new node."""
        made = self.graph.make_node(operation, list(inputs), attr=attributes, op_name_scope=self.node.name)
        return str(made.output[0])

    def constant(self, value: float) -> str:
        """A scalar of the first input's dtype."""
        array = np.array(value, map_onnx_to_numpy_type(self.dtype))
        return str(self.graph.make_const(make_name(self.node.name), array).output[0])

    def becomes(self, operation: str, *inputs: str, **attributes: Any) -> None:
        """Put the last node in the place of TensorFlow's."""
        node = self.node
        shapes, dtypes, outputs = node.output_shapes, node.output_dtypes, node.output
        self.graph.remove_node(node.name)
        self.graph.make_node(
            operation, list(inputs), attr=attributes, name=node.name, outputs=outputs, shapes=shapes, dtypes=dtypes
        )


def _log1p_of(new: _Expression, x: str) -> str:
    """`log(u) * x / (u - 1)`, u = 1 + x as rounded (Kahan's); of a u that is 1 or infinite, x."""
    one = new.constant(1.0)
    u = new("Add", x, one)
    exact = new("Or", new("Equal", u, one), new("Equal", u, new.constant(np.inf)))
    safe = new("Where", exact, new.constant(2.0), u)
    return new("Where", exact, x, new("Mul", new("Log", safe), new("Div", x, new("Sub", safe, one))))


def _log1p(graph: Any, node: Any, name: str, arguments: Any) -> None:
    new = _Expression(graph, node)
    new.becomes("Identity", _log1p_of(new, node.input[0]))


def _softplus(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`max(x, 0) + log1p(exp(-|x|))`: onnxruntime's is of float32 alone."""
    new, (x,) = _Expression(graph, node), node.input
    new.becomes("Add", new("Max", x, new.constant(0.0)), _log1p_of(new, new("Exp", new("Neg", new("Abs", x)))))


def _expm1(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`(u - 1) * x / log(u)`, u = exp(x) as rounded (Kahan's); of a u that is 1, x; of 0 or infinity, u - 1."""
    new, (x,) = _Expression(graph, node), node.input
    one = new.constant(1.0)
    u = new("Exp", x)
    less = new("Sub", u, one)
    same = new("Equal", u, one)
    ends = new("Or", new("Equal", less, new.constant(-1.0)), new("Equal", u, new.constant(np.inf)))
    safe = new("Where", new("Or", same, ends), new.constant(2.0), u)
    exact = new("Mul", less, new("Div", x, new("Log", safe)))
    new.becomes("Where", same, x, new("Where", ends, less, exact))


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`1 - erf(x)`: as exact as float32 beside 1, which is what GELU adds it to."""
    new, (x,) = _Expression(graph, node), node.input
    new.becomes("Sub", new.constant(1.0), new("Erf", x))


def _floor_mod(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """The rest that has the divisor's sign: ONNX's own of integers; of floats C's, and the divisor where signs part."""
    new, (x, y) = _Expression(graph, node), node.input
    if new.dtype not in _FLOATS:
        new.becomes("Mod", x, y)
        return
    rest, zero = new("Mod", x, y, fmod=1), new.constant(0.0)
    apart = new("Xor", new("Less", rest, zero), new("Less", y, zero))
    new.becomes("Where", new("And", apart, new("Not", new("Equal", rest, zero))), new("Add", rest, y), rest)


def _floor_div(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """The quotient rounded down: ONNX's of integers is cut, so 1 less where a rest has the other sign."""
    new, (x, y) = _Expression(graph, node), node.input
    if new.dtype in _FLOATS:
        new.becomes("Floor", new("Div", x, y))
        return
    cut, zero = new("Div", x, y), new.constant(0)
    rest = new("Sub", x, new("Mul", cut, y))
    apart = new("Xor", new("Less", rest, zero), new("Less", y, zero))
    below = new("And", apart, new("Not", new("Equal", rest, zero)))
    new.becomes("Sub", cut, new("Cast", below, to=new.dtype))


def _of_float32(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """What onnxruntime computes in float32 alone: refused in float64."""
    new = _Expression(graph, node)
    if new.dtype == TensorProto.DOUBLE:
        raise NotImplementedError(f"{node.type} in float64")
    new.becomes(node.type, *node.input)


def _equal(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Equality of any one dtype: opset 19 compares strings."""
    _Expression(graph, node).becomes("Equal", *node.input)


def _not_equal(graph: Any, node: Any, name: str, arguments: Any) -> None:
    new = _Expression(graph, node)
    new.becomes("Not", new("Equal", *node.input))


def _select(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """A choice that never computes with what was not chosen; onnxruntime has none between booleans."""
    new, (condition, true, false) = _Expression(graph, node), node.input
    if graph.get_dtype(true) == TensorProto.BOOL:
        new.becomes("Or", new("And", condition, true), new("And", new("Not", condition), false))
    else:
        new.becomes("Where", condition, true, false)


def _one_hot(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Where each of the last axis' places is the index; of an index that is none of them, nowhere."""
    new, (indices, _, on, off) = _Expression(graph, node), node.input
    if node.get_attr_value("axis", -1) != -1:
        raise NotImplementedError("another axis than the last")
    depth = int(node.inputs[1].get_tensor_value(as_list=False))
    dtype = map_onnx_to_numpy_type(new.dtype)
    places = graph.make_const(make_name(node.name), np.arange(depth).astype(dtype)).output[0]
    last = graph.make_const(make_name(node.name), np.array([-1], np.int64)).output[0]
    new.becomes("Where", new("Equal", new("Unsqueeze", indices, last), places), on, off)


def _bound(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """How many of a sorted row's values are less than a value (LowerBound), or not more (UpperBound): a binary search.

    Rows are filled up to a power of two less 1 with the largest number there is, and each step halves what is left. NaN
    is less than nothing, so of UpperBound at the end.
    """
    upper = node.type == "UpperBound"
    new, (_, values) = _Expression(graph, node), node.input
    borders = node.inputs[0].get_tensor_value(as_list=False)
    rows, count = borders.shape
    steps = int(count).bit_length()
    width = (1 << steps) - 1
    largest = np.inf if borders.dtype.kind == "f" else np.iinfo(borders.dtype).max
    filled = np.concatenate([borders, np.full((rows, width - count), largest, borders.dtype)], axis=1)

    def whole(array: Any) -> str:
        return str(graph.make_const(make_name(node.name), np.asarray(array, np.int64)).output[0])

    flat = str(graph.make_const(make_name(node.name), filled.reshape(-1)).output[0])
    first = whole(np.arange(rows)[:, np.newaxis] * width)
    found = new("Mul", new("Cast", new("Equal", values, values), to=TensorProto.INT64), whole(0))
    for step in (1 << place for place in reversed(range(steps))):
        border = new("Gather", flat, new("Add", new("Add", found, whole(step - 1)), first))
        within = new("Not", new("Less", values, border)) if upper else new("Less", border, values)
        found = new("Where", within, new("Add", found, whole(step)), found)
    new.becomes("Cast", new("Min", found, whole(count)), to=graph.get_dtype(node.output[0]))


def table_lookups(tables: Mapping[bytes, tuple[np.ndarray, np.ndarray]]) -> Callable[..., None]:
    """The handler of look-ups in tables from strings or int64 to int64.

    Args:
        tables: Keys and values by the tables' shared names.
    """

    def look_up(graph: Any, node: Any, name: str, arguments: Any) -> None:
        table = node.inputs[0]
        while table.type == "Identity":
            table = table.inputs[0]
        keys, values = tables[table.get_attr_value("shared_name")]
        default = node.inputs[2].get_tensor_value(as_list=False)
        if values.dtype != np.int64:
            raise NotImplementedError(f"a table to {values.dtype}")
        attributes: dict[str, Any] = {"values_int64s": values.tolist(), "default_int64": int(default)}
        if keys.dtype == np.int64:
            attributes["keys_int64s"] = keys.tolist()
        else:
            attributes["keys_strings"] = keys.tolist()
        shapes, outputs = node.output_shapes, node.output
        asked = node.input[1]
        graph.remove_node(node.name)
        graph.make_node(
            "LabelEncoder",
            [asked],
            domain=constants.AI_ONNX_ML_DOMAIN,
            name=node.name,
            outputs=outputs,
            attr=attributes,
            shapes=shapes,
            dtypes=[TensorProto.INT64],
        )
        if not graph.find_output_consumers(table.output[0]):
            graph.remove_node(table.name)

    return look_up


def handlers(
    tables: Mapping[bytes, tuple[np.ndarray, np.ndarray]],
) -> dict[str, tuple[Callable[..., None], list[Any]]]:
    """Every handler by TensorFlow's name of the operation."""
    of_operations = {
        "Acos": _of_float32,
        "Asin": _of_float32,
        "Equal": _equal,
        "Erfc": _erfc,
        "Expm1": _expm1,
        "FloorDiv": _floor_div,
        "FloorMod": _floor_mod,
        "Log1p": _log1p,
        "LookupTableFindV2": table_lookups(tables),
        "LowerBound": _bound,
        "NotEqual": _not_equal,
        "OneHot": _one_hot,
        "SelectV2": _select,
        "Softplus": _softplus,
        "UpperBound": _bound,
    }
    return {operation: (handler, []) for operation, handler in of_operations.items()}
