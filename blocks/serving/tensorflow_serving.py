"""TensorFlow Serving's REST: its requests and answers to the letter, and a superset where that is kinder.

Source: tensorflow/serving, `http_rest_api_handler.cc` and `json_tensor.cc`. Kinder here: null is a missing value, times
may be text, and messages name columns.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from blocks.serving.batcher import Result
from blocks.serving.json_bodies import dumps
from blocks.serving.model_server import Prediction
from blocks.serving.request_error import RequestError, shown
from blocks.serving.request_keys import keys_of_columns, keys_of_rows
from blocks.serving.servable import Servable
from blocks.targets.description import HeadDescription, with_head_prefix

PATH: Final = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<method>classify|regress|predict)|/(?P<metadata>metadata))?",
    re.IGNORECASE | re.ASCII,
)
DEFAULT_SIGNATURES: Final = ("serving_default", "serve")
TRANSFORM: Final = "transform_features"


def predict_request(body: Any, servable: Servable, log_keys: Sequence[str] = ()) -> Prediction:
    """What `:predict` asks for.

    Raises:
        RequestError: It is none, or does not fit the model.
    """
    if type(body) is not dict:
        raise RequestError(400, "Request body must be a JSON object with 'instances' or 'inputs'.")
    signature = body.get("signature_name")
    signature = DEFAULT_SIGNATURES[0] if signature in (None, "") else signature
    if type(signature) is not str or signature not in servable.signatures:
        known = ", ".join(sorted(servable.signatures))
        raise RequestError(
            400, f"Serving signature name: {shown(signature)} not found in signature def. Known: {known}."
        )
    columns: Mapping[str, Any]
    by_row = "instances" in body
    if by_row == ("inputs" in body):
        what = "both" if by_row else "neither"
        raise RequestError(400, f"Request JSON object must have either 'instances' or 'inputs'. Received: {what}.")
    if signature in (*DEFAULT_SIGNATURES, TRANSFORM):
        asked = TRANSFORM if signature == TRANSFORM else ""
        if by_row:
            rows, keys = keys_of_rows(_instances(body["instances"]), log_keys, servable.inputs.raw)
            return Prediction(servable.inputs.of_rows(rows), len(rows), asked, keys=keys)
        columns = _columns(body["inputs"], list(servable.inputs.raw))
        inputs = servable.inputs.of_columns(columns)
        count = len(next(iter(inputs.values())))
        keys = keys_of_columns(columns, log_keys, servable.inputs.raw, count)
        return Prediction(inputs, count, asked, by_row=False, keys=keys)
    specs = servable.signatures[signature].structured_input_signature[1]
    if by_row:
        rows = _instances(body["instances"])
        columns = _transposed(rows, list(specs))
    else:
        columns = _columns(body["inputs"], list(specs))
    arrays = {name: _tensor(name, columns[name], spec) for name, spec in _present(specs, columns).items()}
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1:
        raise RequestError(400, f"All inputs have the same number of rows. Received: {sorted(counts)}.")
    return Prediction(arrays, counts.pop(), signature, by_row)


def _instances(rows: Any) -> list[Any]:
    if type(rows) is not list or not rows:
        raise RequestError(400, "'instances' is a list of at least one row. Received: another value, or none.")
    return rows


def _columns(inputs: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Columns by name; a bare list is the only input's."""
    if type(inputs) is dict and set(inputs) != {"b64"} - set(names):
        return inputs
    if len(names) == 1:
        return {names[0]: inputs if type(inputs) is list else [inputs]}
    raise RequestError(400, f"'inputs' is an object of the {len(names)} inputs' names and values.")


def _present(specs: Mapping[str, Any], columns: Mapping[str, Any]) -> Mapping[str, Any]:
    if missing := [name for name in specs if name not in columns]:
        raise RequestError(400, f"Missing inputs: {', '.join(missing[:10])}.")
    return specs


def _transposed(rows: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    if len(names) == 1 and not (type(rows[0]) is dict and set(rows[0]) == {names[0]}):
        return {names[0]: list(rows)}
    for row in rows:
        if type(row) is not dict or set(row) != set(names):
            raise RequestError(400, f"A row is an object of exactly these inputs: {', '.join(names[:20])}.")
    return {name: [row[name] for row in rows] for name in names}


def _tensor(name: str, values: Any, spec: Any) -> np.ndarray:
    """A signature's input from JSON, as TensorFlow Serving takes it."""
    dtype = spec.dtype.as_numpy_dtype
    try:
        if spec.dtype.name == "string":
            array = np.array(_decoded(values), object)
            if any(type(value) is not bytes for value in array.flat):  # of unequal lengths
                raise ValueError
        else:
            array = np.array(values)
            kinds = "b" if spec.dtype.is_bool else "iu" if spec.dtype.is_integer else "iuf"
            if array.size and array.dtype.kind not in kinds:
                raise ValueError
            if (
                spec.dtype.is_integer
                and array.size
                and not spec.dtype.min <= array.min() <= array.max() <= spec.dtype.max
            ):
                raise OverflowError
            with np.errstate(over="ignore"):  # beyond float32 is infinite, as in the graph
                array = array.astype(dtype)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise RequestError(400, f"Input {name!r} takes {spec.dtype.name} of equal shapes. Received another.") from None
    shape = spec.shape.as_list()
    fits = len(shape) == array.ndim and all(want in (None, is_) for want, is_ in zip(shape, array.shape, strict=True))
    if not fits or not array.size:
        shown = str(tuple(shape)).replace("None", "rows")
        raise RequestError(400, f"Input {name!r} has shape {shown}, of at least one row. Received: {array.shape}.")
    return array


def _decoded(values: Any) -> Any:
    if type(values) is list:
        return [_decoded(value) for value in values]
    if type(values) is dict and set(values) == {"b64"}:
        return base64.b64decode(values["b64"], validate=True)
    if type(values) is str:
        return values.encode()
    raise TypeError(values)


def predict_answer(result: Result, by_row: bool) -> bytes:
    """The body of a `:predict` answer: `predictions` of rows, `outputs` of columns; a single output loses its name."""
    more = with_warnings(result)
    if by_row:
        return dumps({"predictions": answer_rows(result), **more}, finite=result.finite)
    answers = {name: _sendable(name, values) for name, values in result.answers.items()}
    outputs: Any = answers if len(answers) > 1 else next(iter(answers.values()))
    return dumps({"outputs": outputs, **more}, finite=result.finite)


def with_warnings(result: Result) -> dict[str, Any]:
    """The field `warnings` of an answer to values that training rows did not have; nothing where there are none."""
    return {"warnings": list(result.unexpected)} if result.unexpected else {}


def answer_rows(result: Result, *, keep_names: bool = False) -> Any:
    """Answers row by row: objects by name, or the values where there is one answer alone.

    Args:
        result: The answers.
        keep_names: Give a single answer its name too.
    """
    answers = {name: _sendable(name, values) for name, values in result.answers.items()}
    if len(answers) == 1 and not keep_names:
        return next(iter(answers.values()))
    names = list(answers)
    return [dict(zip(names, row, strict=True)) for row in zip(*answers.values(), strict=True)]


def _sendable(name: str, values: np.ndarray) -> Any:
    """An answer's values as JSON takes them: an array, or texts."""
    if values.dtype != object:
        return values if values.ndim != 1 or values.dtype.kind in "iub" else list(values)
    return text_values(values.tolist(), name.endswith("_bytes"))


def text_values(values: Any, as_bytes: bool) -> Any:
    r"""Bytes as text; as {"b64": ...} where they are no text, or are asked for as bytes.

    Example:
        >>> text_values([b"yes", b"\xff"], False)
        ['yes', {'b64': '/w=='}]
    """
    if isinstance(values, list):
        return [text_values(value, as_bytes) for value in values]
    if isinstance(values, str):
        return values
    if not as_bytes:
        try:
            return values.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(values).decode()}


def examples_request(body: Any, servable: Servable, log_keys: Sequence[str] = ()) -> Prediction:
    """What `:classify` and `:regress` ask for: `examples`, a list of objects, and what they share in `context`."""
    if type(body) is not dict or type(body.get("examples")) is not list or not body["examples"]:
        raise RequestError(400, "Request JSON object must have 'examples', a list of at least one object.")
    context = body.get("context", {})
    if type(context) is not dict or any(type(row) is not dict for row in body["examples"]):
        raise RequestError(400, "'context' and each of 'examples' are objects of columns' names and values.")
    # a feature of an Example is a list; a list of one value is that value
    rows = [
        {name: _single(servable, name, value) for name, value in {**context, **row}.items()} for row in body["examples"]
    ]
    left, keys = keys_of_rows(rows, log_keys, servable.inputs.raw)
    return Prediction(servable.inputs.of_rows(left), len(rows), keys=keys)


def _single(servable: Servable, name: str, value: Any) -> Any:
    raw = servable.inputs.raw.get(name)
    listed = type(value) is list and len(value) == 1 and raw is not None and not raw.shape and raw.kind != "list"
    return value[0] if listed else value


def classify_answer(result: Result, servable: Servable) -> bytes:
    """`results`: of each row, pairs of class and probability."""
    head = _head(servable, classes=True)
    scores = result.answers[with_head_prefix(head.name, "probabilities")]
    labels = [str(one) for one in head.classes or ()]
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise _wrong_method("classify")
    results = [[[label, score] for label, score in zip(labels, row, strict=True)] for row in scores]
    return dumps({"results": results, **with_warnings(result)}, finite=result.finite)


def regress_answer(result: Result, servable: Servable) -> bytes:
    """`results`: one number a row."""
    head = _head(servable, classes=False)
    values = result.answers.get(with_head_prefix(head.name, "prediction"))
    if values is None or values.ndim != 1:
        raise _wrong_method("regress")
    return dumps({"results": list(values), **with_warnings(result)}, finite=result.finite)


def _head(servable: Servable, *, classes: bool) -> HeadDescription:
    fitting = [head for head in servable.heads if (head.classes is not None) == classes]
    if len(servable.heads) != 1 or not fitting:
        raise _wrong_method("classify" if classes else "regress")
    return fitting[0]


def _wrong_method(method: str) -> RequestError:
    return RequestError(
        400,
        f"Expected {method} signature method_name to be tensorflow/serving/{method}. "
        "Was: tensorflow/serving/predict. Ask the model by :predict.",
    )


def check_method(method: str, servable: Servable) -> None:
    """Refuse a method that the model's head does not have, before anything runs."""
    if method != "predict":
        _head(servable, classes=method == "classify")


def status(versions: Mapping[int, str]) -> dict[str, Any]:
    """The answer to a question for a model's status.

    Args:
        versions: Number to "" where it serves, or to what failed.
    """
    return {
        "model_version_status": [
            {
                "version": str(number),
                "state": "AVAILABLE" if not failed else "END",
                "status": {"error_code": "OK" if not failed else "FAILED_PRECONDITION", "error_message": failed},
            }
            for number, failed in sorted(versions.items(), reverse=True)
        ]
    }


_DTYPES: Final = {
    "float16": "DT_HALF", "bfloat16": "DT_BFLOAT16", "float32": "DT_FLOAT", "float64": "DT_DOUBLE",
    "int32": "DT_INT32", "int64": "DT_INT64", "uint8": "DT_UINT8", "bool": "DT_BOOL", "string": "DT_STRING",
}  # fmt: skip


def metadata(model: str, servable: Servable) -> dict[str, Any]:
    """The answer to a question for a model's metadata: its signatures."""
    signatures = {}
    for name, function in servable.signatures.items():
        given = function.structured_input_signature[1].values()
        inputs = {spec.name: (spec.dtype.name, spec.shape.as_list()) for spec in given}
        if name in (*DEFAULT_SIGNATURES, TRANSFORM):  # by the columns' own names, whatever Python calls them
            inputs = {key: (raw.dtype, list(raw.batch_shape)) for key, raw in servable.inputs.raw.items()}
        outputs = {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in function.structured_outputs.items()}
        signatures[name] = {
            "inputs": {key: _tensor_info(key, *inputs[key]) for key in sorted(inputs)},
            "outputs": {key: _tensor_info(key, *outputs[key]) for key in sorted(outputs)},
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
    return {
        "model_spec": {"name": model, "signature_name": "", "version": str(servable.version)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _tensor_info(name: str, dtype: str, shape: Sequence[int | None]) -> dict[str, Any]:
    sizes = [{"size": str(-1 if size is None else size), "name": ""} for size in shape]
    return {
        "dtype": _DTYPES.get(dtype, "DT_INVALID"),
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": name,
    }
