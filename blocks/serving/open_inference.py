"""The Open Inference Protocol, version 2, over HTTP with its binary extension: tensors in, tensors out.

Source: the protocol's `rest_predict_v2` specification, Triton's `extension_binary_data`. A raw column is an input of
shape [rows]; [rows, 1] is taken too, and so are datatypes that hold nothing which the column cannot.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from blocks.serving.answer import JSON_TYPE, Answer
from blocks.serving.batcher import Result
from blocks.serving.input_matrices import InputMatrices
from blocks.serving.json_bodies import dumps, loads
from blocks.serving.model_server import Prediction
from blocks.serving.request_error import RequestError, shown
from blocks.serving.request_keys import keys_of_columns
from blocks.serving.servable import Servable
from blocks.serving.tensorflow_serving import text_values

HEADER_LENGTH: Final = b"inference-header-content-length"
DTYPES: Final = {
    "BOOL": np.dtype(bool),
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    "BYTES": np.dtype(object),
}
NAMES: Final = {
    "bool": "BOOL", "uint8": "UINT8", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32",
    "float64": "FP64", "string": "BYTES", "object": "BYTES",
}  # fmt: skip
_MAX_RANK: Final = 8


def infer_request(
    body: bytes, header_length: bytes | None, servable: Servable, log_keys: Sequence[str] = ()
) -> tuple[dict[str, Any], Prediction]:
    """What a client asks for.

    Args:
        body: JSON, and after it the inputs that are sent as bytes.
        header_length: How many bytes of it are JSON, where not all are.
        servable: What will answer.
        log_keys: Inputs of texts that rows may have beside, to be known by in the prediction log.

    Returns:
        The request's JSON, and the inputs as matrices.

    Raises:
        RequestError: It is no request, or does not fit the model.
    """
    length = len(body)
    if header_length is not None:
        digits = header_length.lstrip(b"0") or header_length[:1]
        if not header_length.isdigit() or len(digits) > 18 or int(digits) > len(body):
            raise RequestError(400, f"Inference-Header-Content-Length is from 0 to {len(body)}, the body's length.")
        length = int(digits)
    content = loads(body[:length])
    inputs = content.get("inputs") if type(content) is dict else None
    if type(inputs) is not list or not inputs:
        raise RequestError(400, "A request is an object with 'inputs', a list of tensors.")
    if content.get("id") is not None and type(content["id"]) is not str:
        raise RequestError(400, f"A request's 'id' is text. Received: {shown(content['id'])}.")
    columns: dict[str, np.ndarray] = {}
    raw = servable.inputs.raw
    takes = servable.inputs.with_texts([key for key in log_keys if key not in raw])
    start = length
    for tensor in inputs:
        name, array, size = _tensor(tensor, body, start, takes)
        if name in columns:
            raise RequestError(400, f"Each input is given once. Received twice: {name!r:.60}.")
        columns[name] = array
        start += size
    if start != len(body):
        raise RequestError(400, f"The binary inputs have {start - length} bytes. Received: {len(body) - length}.")
    if missing := [name for name in raw if name not in columns]:
        raise RequestError(400, f"Missing inputs: {', '.join(missing[:10])}.")
    counts = {len(array) for array in columns.values()}
    if len(counts) != 1 or 0 in counts:
        raise RequestError(400, f"All inputs have the same number of rows, at least 1. Received: {sorted(counts)}.")
    beside = {name: text_values(columns[name].tolist(), False) for name in columns if name not in raw}
    keys = keys_of_columns(beside, log_keys, raw, counts.pop())
    return content, Prediction(servable.pack(columns), len(columns[next(iter(raw))]), keys=keys)


def _tensor(tensor: Any, body: bytes, start: int, inputs: InputMatrices) -> tuple[str, np.ndarray, int]:
    """An input's name, its column of shape (rows, *shape) as it enters the graph, and its bytes in the body's tail."""
    if type(tensor) is not dict or type(tensor.get("name")) is not str:
        raise RequestError(400, "An input is an object with 'name', 'shape', 'datatype' and 'data'.")
    name, datatype, shape = tensor["name"], tensor.get("datatype"), tensor.get("shape")
    if name not in inputs.raw:
        raise RequestError(400, f"Unknown input: {name!r:.60}. The model's: {', '.join(list(inputs.raw)[:10])}.")
    if type(datatype) is not str or datatype not in DTYPES:
        raise RequestError(400, f"Input {name!r}: 'datatype' is one of {', '.join(DTYPES)}.")
    if type(shape) is not list or len(shape) > _MAX_RANK or any(type(n) is not int or n < 0 for n in shape):
        raise RequestError(400, f"Input {name!r}: 'shape' is a list of whole numbers.")
    raw = inputs.raw[name]
    wanted = ["rows", *raw.shape]
    if not shape or tuple(shape[1:]) not in (raw.shape, (*raw.shape, 1)):
        raise RequestError(400, f"Input {name!r} has shape {wanted}. Received: {shape}.".replace("'rows'", "rows"))
    many = prod(shape)
    if many > len(body):
        raise RequestError(400, f"Input {name!r}: its shape has more values than the body has bytes.")
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if type(parameters) is dict else None
    if size is None:
        values = _from_json(name, tensor.get("data"), many, inputs)
        return name, values.reshape(shape[0], *raw.shape), 0
    if type(size) is not int or not 0 <= size <= len(body) - start:
        raise RequestError(400, f"Input {name!r}: 'binary_data_size' is more than what is left of the body.")
    values = _from_bytes(name, memoryview(body)[start : start + size], datatype, many)
    return name, _as_column(name, values, datatype, raw.dtype).reshape(shape[0], *raw.shape), size


def _from_json(name: str, data: Any, many: int, inputs: InputMatrices) -> np.ndarray:
    flat = _flat(data)
    if len(flat) != many:
        raise RequestError(400, f"Input {name!r}: 'data' has {many} values by its shape. Received: {len(flat)}.")
    raw = inputs.raw[name]
    scalars = [inputs.scalar(name, value) for value in flat]
    return np.array(scalars, object if raw.dtype == "string" else raw.dtype)


def _flat(data: Any) -> list[Any]:
    if type(data) is not list:
        raise RequestError(400, "'data' is a list of values, or 'parameters' say its 'binary_data_size'.")
    while data and type(data[0]) is list:
        if any(type(inner) is not list for inner in data):
            raise RequestError(400, "'data' is a list of values, or of lists of equal depth.")
        data = [value for inner in data for value in inner]
    return data


def _from_bytes(name: str, data: memoryview, datatype: str, many: int) -> np.ndarray:
    if datatype != "BYTES":
        dtype = DTYPES[datatype]
        if len(data) != many * dtype.itemsize:
            raise RequestError(
                400, f"Input {name!r}: {many} values of {datatype} have {many * dtype.itemsize} bytes. "
                f"Received: {len(data)}."
            )  # fmt: skip
        if datatype == "BOOL":
            return np.frombuffer(data, np.uint8) != 0
        return np.frombuffer(data, dtype)
    values: list[bytes] = []
    position = 0
    while position < len(data) and len(values) < many:
        end = position + 4 + int.from_bytes(data[position : position + 4], "little")
        if position + 4 > len(data) or end > len(data):
            break
        values.append(bytes(data[position + 4 : end]))
        position = end
    if len(values) != many or position != len(data):
        raise RequestError(400, f"Input {name!r}: BYTES are {many} times a length of 4 bytes and so many bytes.")
    out = np.empty(many, object)
    out[:] = values
    return out


def _as_column(name: str, values: np.ndarray, datatype: str, dtype: str) -> np.ndarray:
    kind = values.dtype.kind
    fits = {"string": "O", "int64": "iub"}.get(dtype, "iubf")
    if kind not in fits or (dtype == "int64" and datatype == "UINT64" and len(values) and values.max() > 2**63 - 1):
        raise RequestError(400, f"Input {name!r} takes {NAMES[dtype]}, or what it can hold. Received: {datatype}.")
    return values if dtype == "string" else values.astype(dtype)


def infer_answer(content: Mapping[str, Any], result: Result, model: str, servable: Servable) -> Answer:
    """The answers as tensors: those asked for, each as JSON or as bytes.

    Raises:
        RequestError: An output is asked for that is not there.
    """
    chosen = _chosen(content, result)
    head: dict[str, Any] = {"model_name": model, "model_version": str(servable.version)}
    if type(content.get("id")) is str:
        head["id"] = content["id"]
    if result.unexpected:
        head["parameters"] = {"warnings": "; ".join(result.unexpected)}
    outputs, tail = [], []
    for name, binary in chosen.items():
        values = result.answers[name]
        one: dict[str, Any] = {"name": name, "datatype": NAMES[values.dtype.name], "shape": list(values.shape)}
        if binary:
            data = _to_bytes(values)
            one["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        elif values.dtype == object:
            one["data"] = text_values(values.ravel().tolist(), False)
        else:
            one["data"] = values.ravel()
        outputs.append(one)
    text = dumps({**head, "outputs": outputs}, finite=result.finite)
    if not tail:
        return Answer(200, (JSON_TYPE,), text)
    headers = ((b"content-type", b"application/octet-stream"), (HEADER_LENGTH, str(len(text)).encode()))
    return Answer(200, headers, b"".join([text, *tail]))


def _chosen(content: Mapping[str, Any], result: Result) -> dict[str, bool]:
    """The outputs to send, each with whether as bytes."""
    parameters = content.get("parameters")
    usual = type(parameters) is dict and parameters.get("binary_data_output") is True
    asked = content.get("outputs")
    if not asked:
        return dict.fromkeys(result.answers, usual)
    if type(asked) is not list or any(type(one) is not dict for one in asked):
        raise RequestError(400, "'outputs' is a list of objects with 'name'.")
    chosen = {}
    for one in asked:
        name = one.get("name")
        if type(name) is not str or name not in result.answers:
            raise RequestError(400, f"Unknown output: {shown(name)}. The model's: {', '.join(result.answers)}.")
        of_one = one.get("parameters")
        binary = of_one.get("binary_data", usual) if type(of_one) is dict else usual
        chosen[name] = binary is True
    return chosen


def _to_bytes(values: np.ndarray) -> bytes:
    if values.dtype != object:
        return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return b"".join(len(one).to_bytes(4, "little") + one for one in values.ravel().tolist())


def model_metadata(model: str, versions: Sequence[int], servable: Servable) -> dict[str, Any]:
    """Inputs and outputs, with -1 for the rows."""
    outputs = servable.answer_specs
    return {
        "name": model,
        "versions": [str(number) for number in versions],
        "platform": "tensorflow_savedmodel",
        "inputs": [
            {"name": name, "datatype": NAMES[raw.dtype], "shape": [-1, *raw.shape]}
            for name, raw in servable.inputs.raw.items()
        ],
        "outputs": [
            {"name": name, "datatype": NAMES[dtype], "shape": [-1 if n is None else n for n in shape]}
            for name, (dtype, shape) in outputs.items()
        ],
    }


def model_config(model: str, servable: Servable) -> dict[str, Any]:
    """The same in the words of Triton's model configuration."""
    described = model_metadata(model, [servable.version], servable)

    def ports(kind: str) -> list[dict[str, Any]]:
        return [
            {
                "name": one["name"],
                "data_type": "TYPE_STRING" if one["datatype"] == "BYTES" else f"TYPE_{one['datatype']}",
                "dims": [str(size) for size in one["shape"]],
            }
            for one in described[kind]
        ]

    return {
        "name": model, "platform": "tensorflow_savedmodel", "max_batch_size": 0,
        "input": ports("inputs"), "output": ports("outputs"),
    }  # fmt: skip
