"""Names: signatures whose inputs are called as the raw columns are, whatever characters these hold.

TensorFlow saves only inputs that could be Python parameters. So odd ones are saved under stand-ins, and their names put
back into the saved file: into what TensorFlow Serving reads (the signature's inputs) and what Python's loader goes by
(the keywords).
"""

from collections.abc import Mapping, Sequence
from keyword import iskeyword
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2


def saveable_names(columns: Sequence[str]) -> dict[str, str]:
    """A name that TensorFlow can save to each column, the column's own wherever it can.

    Example:
        >>> saveable_names(["age", "class", "Cost $"])
        {'age': 'age', 'column_1': 'class', 'column_2': 'Cost $'}
    """
    names: dict[str, str] = {}
    for position, column in enumerate(columns):
        plain = column.isascii() and column.isidentifier() and not iskeyword(column) and not column.startswith("_")
        safe = column if plain else f"column_{position}"
        while safe in names or (safe != column and safe in columns):
            safe += "_"
        names[safe] = column
    return names


def restore_names(path: Path, names: Mapping[str, str]) -> None:
    """Put the columns' own names into a SavedModel that was saved with stand-ins.

    Args:
        path: The SavedModel's folder.
        names: Stand-in to column.
    """
    odd = {safe: column for safe, column in names.items() if safe != column}
    if not odd:
        return
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        for signature in graph.signature_def.values():
            for safe in [name for name in signature.inputs if name in odd]:
                signature.inputs[odd[safe]].CopyFrom(signature.inputs[safe])
                del signature.inputs[safe]
        for node in graph.object_graph_def.nodes:
            if node.HasField("bare_concrete_function"):
                keywords = node.bare_concrete_function.argument_keywords
                keywords[:] = [odd.get(name, name) for name in keywords]
    file.write_bytes(saved.SerializeToString(deterministic=True))
