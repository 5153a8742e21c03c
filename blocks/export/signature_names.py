"""Names: signatures whose inputs are called as the raw columns are, whatever characters these hold.

TensorFlow saves only inputs that could be Python parameters, and tells those apart by letters, digits and "_" alone.
So all are saved under stand-ins, and their names put back into the saved file, at three places: what TensorFlow Serving
and all other languages read (the signature's inputs), where every name can stand; what Python's loader takes as
keywords, where all can but "self", "", and those that differ in other characters alone; and what
`structured_input_signature` shows, where Python's own words and names of no letters cannot stand either. What cannot is
called `column_<place>` there. The functions themselves, beside the signatures, take a dict of columns by their names.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from blocks.features.names import aside


@dataclass(frozen=True)
class Inputs:
    """What the inputs of a signature are called, by their stand-ins.

    Args:
        names: The columns' own.
        keywords: What they are called by in Python.
        shown: What `structured_input_signature` shows.
    """

    names: Mapping[str, str]
    keywords: Mapping[str, str]
    shown: Mapping[str, str]

    @property
    def stand_ins(self) -> dict[str, str]:
        """Each name's stand-in."""
        return {name: stand_in for stand_in, name in self.names.items()}

    @property
    def renamed(self) -> dict[str, str]:
        """The keywords, by name, of those that Python cannot be given by their own."""
        return {name: self.keywords[safe] for safe, name in self.names.items() if self.keywords[safe] != name}


def inputs(names: Sequence[str], kind: str) -> Inputs:
    """What inputs are called in a file of TensorFlow's.

    Args:
        names: The inputs', each otherwise.
        kind: What stand-ins begin with.

    Example:
        >>> made = inputs(["age", "class", "a b", "a.b"], "column")
        >>> made.renamed
        {'a b': 'column_2', 'a.b': 'column_3'}
        >>> sorted(made.shown.values())
        ['age', 'column_1', 'column_2', 'column_3']
    """
    parameters = {name: parameter(name) for name in names}
    times = Counter(parameters.values())
    taken = set(parameters.values())
    keywords, shown = {}, {}
    for position, name in enumerate(names):
        place = aside(f"{kind}_{position}", taken)
        one = parameters[name]
        keywords[name] = name if name not in ("", "self") and times[one] == 1 else place
        shown[name] = keywords[name] if one.isidentifier() and not iskeyword(one) else place
    # TensorFlow sorts the inputs by what it shows of them: so do the stand-ins
    order = sorted(names, key=lambda name: parameter(shown[name]))
    stand_ins = {f"{kind}_{rank:0{len(str(len(order)))}d}": name for rank, name in enumerate(order)}
    return Inputs(
        stand_ins,
        {stand_in: keywords[name] for stand_in, name in stand_ins.items()},
        {stand_in: shown[name] for stand_in, name in stand_ins.items()},
    )


def parameter(name: str) -> str:
    """The Python parameter that TensorFlow makes of a name.

    Example:
        >>> parameter("main text"), parameter("_text"), parameter("größe")
        ('main_text', 'arg__text', 'größe')
    """
    plain = "".join(character if character.isalnum() else "_" for character in name)
    return plain if plain[:1].isalpha() else f"arg_{plain}"


def restore_names(path: Path, signatures: Sequence[Inputs]) -> None:
    """Put the columns' own names into a SavedModel that was saved with stand-ins.

    Args:
        path: The SavedModel's folder.
        signatures: Of the inputs of all signatures, with different stand-ins.
    """
    names: dict[str, str] = {}
    keywords: dict[str, str] = {}
    shown: dict[str, str] = {}
    for part in signatures:
        names.update(part.names)
        keywords.update(part.keywords)
        shown.update(part.shown)
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        for signature in graph.signature_def.values():
            _rename_keys(signature.inputs, names)
        for node in graph.object_graph_def.nodes:
            # other functions than signatures take a dict, and no keywords
            bare = node.bare_concrete_function
            if not (parameters := _parameters(bare.function_spec)):
                continue
            for one in parameters:
                one.string_value = parameter(shown.get(one.string_value, one.string_value))
            bare.argument_keywords[:] = [keywords.get(name, name) for name in bare.argument_keywords]
            function = graph.object_graph_def.concrete_functions[bare.concrete_function_name]
            fields = function.canonicalized_input_signature.tuple_value.values[1].dict_value.fields
            for name, spec in fields.items():
                spec.tensor_spec_value.name = shown.get(name, name)
            _rename_keys(fields, shown)
    file.write_bytes(saved.SerializeToString(deterministic=True))


def _rename_keys(fields: Any, names: Mapping[str, str]) -> None:
    """Give the values of a protobuf's map other keys, all at once: one's new key may be another's old one."""
    values = {names.get(key, key): fields[key].SerializeToString(deterministic=True) for key in fields}
    fields.clear()
    for key, value in values.items():
        fields[key].ParseFromString(value)


def _parameters(spec: Any) -> list[Any]:
    """The strings that are the parameters of a function of keywords alone."""
    return [
        value
        for pair in spec.fullargspec.named_tuple_value.values
        if pair.key == "kwonlyargs"
        for value in pair.value.list_value.values
    ]
