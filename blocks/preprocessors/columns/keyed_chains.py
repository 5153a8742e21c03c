"""Keyed chains: what `Columns` is given, from keys of any kind to one lane for each chain, and as a configuration."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

from blocks.block import Preprocessor
from blocks.data.encodings import natural_type
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features.names import aside, column_name, entry_name, is_entry_name
from blocks.preprocessors.columns.choice import Choice
from blocks.preprocessors.columns.lanes import Lane

Chain: TypeAlias = Preprocessor | Sequence[Preprocessor]
Key: TypeAlias = str | tuple[str, ...] | pa.DataType | re.Pattern[str]
Chains: TypeAlias = tuple[tuple[Preprocessor, ...], ...]


@dataclass
class KeyedChains:
    """What Columns is given: apart from it, since Keras tracks and wraps every dict and list of a layer."""

    chains: dict[str | tuple[str, ...], Chains] = field(default_factory=dict)
    selectors: list[tuple[pa.DataType | re.Pattern[str], Chains]] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    raw: dict[str, RawColumn] = field(default_factory=dict)
    made: Any = None
    """What Columns has made of the chains for its graph, with what they had learned then."""

    def lanes(self) -> list[Lane]:
        """One lane for each chain; the second and later ones of a column are named by their last block too."""
        named: list[tuple[str, tuple[str, ...], tuple[Preprocessor, ...]]] = []
        # a column's first chain has the column's name, from which all names that are made up step aside
        taken = {column for key in self.chains for column in ((key,) if isinstance(key, str) else key)}
        for key, chains in self.chains.items():
            columns = (key,) if isinstance(key, str) else tuple(key)
            for index, blocks in enumerate(chains):
                name = columns[0]
                if index or len(columns) > 1:
                    suffix = f"_{_snake(type(blocks[-1]).__name__)}" if index else ""
                    name = aside("_x_".join(columns) + suffix, taken)
                    taken.add(name)
                named.append((name, columns, blocks))
        entries = {name.lower() for name in taken if is_entry_name(name)}
        lanes = []
        for name, columns, blocks in named:
            entry = name
            if not is_entry_name(name):
                entry = entry_name(name, entries)
                entries.add(entry)
            shape = self.raw[columns[0]].shape if columns[0] in self.raw else ()
            lanes.append(Lane(name, columns, blocks, entry, shape))
        return lanes

    def tell_times_from_identifiers(self) -> None:
        """Name the kind of times in a configuration from before they had one, when all of int64 was one."""
        for lane in self.lanes():
            for column in lane.columns:
                if self.raw.get(column) == RawColumn("int64") and not _takes_identifiers(lane.blocks[0], column):
                    self.raw[column] = RawColumn("instant")

    def select(self, schema: pa.Schema) -> None:
        """Give every column that a type or pattern stands for a copy of its blocks.

        Raises:
            SchemaMismatch: One stands for no column.
        """
        for selector, chains in self.selectors:
            fits = [field.name for field in schema if field.name not in self.chains and _fits(selector, field)]
            if not fits:
                raise SchemaMismatch(
                    f"A type or pattern in Columns stands for one column at least that has no key of its own. "
                    f"Received: {selector_text(selector)}. The source has: {', '.join(schema.names)}."
                )
            for name in fits:
                column_name(name, "What a type or pattern in Columns stands for")
                self.chains[name] = tuple(tuple(block.copy() for block in chain) for chain in chains)
        self.selectors.clear()

    def add(self, key: Key, chains: Chains) -> None:
        """Take the chains of one key, for every column that it names."""
        if isinstance(key, pa.DataType | re.Pattern):
            self.selectors.append((key, chains))
            return
        one_each = isinstance(key, tuple) and not any(block.several for chain in chains for block in chain)
        names = list(key) if one_each else [key]
        for position, name in enumerate(names):
            if name in self.chains:
                raise InvalidArgument(
                    f"Columns names every column once; several chains of one go into a tuple. Received twice: {name!r}."
                )
            copied = chains if position == 0 else tuple(tuple(block.copy() for block in chain) for chain in chains)
            self.chains[name] = copied


def _fits(selector: pa.DataType | re.Pattern[str], field: pa.Field) -> bool:
    if isinstance(selector, re.Pattern):
        return selector.fullmatch(field.name) is not None
    return natural_type(field.type) == natural_type(selector)


def _takes_identifiers(block: Preprocessor, column: str) -> bool:
    try:
        return block.raw_column(pa.int64(), column) == RawColumn("int64")
    except SchemaMismatch:
        return False


def key_config(key: Key) -> Any:
    """A key as JSON holds it: a name, a list of names, a pattern with its flags, or a type.

    A type is kept as Arrow's own files keep it, since its name alone does not make it again (zones, widths, lists).
    """
    if isinstance(key, str):
        return key
    if isinstance(key, re.Pattern):
        return {"pattern": key.pattern, "flags": key.flags & ~re.DEBUG}
    if isinstance(key, pa.DataType):
        schema = pa.schema([pa.field("", key)]).serialize()
        return {"type": str(key), "schema": base64.b64encode(schema).decode()}
    return list(key)


def key_of_config(stored: Any) -> Key:
    """The key that `key_config` described."""
    if isinstance(stored, str):
        return stored
    if not isinstance(stored, Mapping):
        return tuple(stored)
    if "pattern" in stored:
        return re.compile(stored["pattern"], stored.get("flags", 0))
    if "schema" in stored:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored["schema"])))
        return schema.field(0).type
    return pa.type_for_alias(stored["type"])  # of files before the schema was kept


def selector_text(selector: pa.DataType | re.Pattern[str]) -> str:
    """A type or pattern, in words."""
    return f"the pattern {selector.pattern!r}" if isinstance(selector, re.Pattern) else f"the type {selector}"


def checked_chains(key: Key, value: Chain | tuple[Chain, ...]) -> Chains:
    """The chains of one key, each a tuple of blocks.

    Raises:
        InvalidArgument: The key is of no kind that names columns, or what stands at it is no chain of preprocessors.
    """
    names = isinstance(key, tuple) and key and all(isinstance(name, str) for name in key)
    if isinstance(key, re.Pattern) and not isinstance(key.pattern, str):
        raise InvalidArgument(
            f"A pattern among the keys of Columns is one of text, as columns' names are. Received: {key!r}. "
            "Compile it from a str."
        )
    for name in (key,) if isinstance(key, str) else key if isinstance(key, tuple) and names else ():
        column_name(name, "A key of Columns")
    if not names and not isinstance(key, str | pa.DataType | re.Pattern):
        raise InvalidArgument(
            "A key of Columns is a column's name, a tuple of names, an Arrow type or a compiled regular expression. "
            f"Received: {key!r}."
        )
    several = value if isinstance(value, tuple) else (value,)
    chains = tuple((chain,) if isinstance(chain, Preprocessor) else tuple(chain) for chain in several)
    for chain in chains:
        if chain and isinstance(chain[-1], Preprocessor) and not chain[-1].emits_features:
            raise InvalidArgument(
                f"A chain ends with a block that emits numbers or ids. Received for {key!r}: "
                f"{type(chain[-1]).__name__} at the end, whose output is for another block to use. Put one after it "
                "(Vocabulary(), OneHot() or Tokens() after text; DateParts(), Cyclical() or Elapsed() after instants)."
            )
        if not chain or not all(isinstance(block, Preprocessor) for block in chain):
            raise InvalidArgument(
                f"A column goes through preprocessors: one, a list (a chain), or a tuple of those. "
                f"Received for {key!r}: {value!r}."
            )
        joins = [place for place, block in enumerate(chain) if block.several]
        if joins and (len(joins) > 1 or any(block.learns for block in chain[: joins[0]])):
            raise InvalidArgument(
                "Before a block of several columns stand such as learn nothing, each column going through them alone, "
                f"and none of several columns. Received for {key!r}: "
                f"{' > '.join(type(block).__name__ for block in chain)}. Give what must be learned a lane of its own."
            )
        if len(several) > 1 and names and any(b.several for c in chains for b in c) and not joins:
            raise InvalidArgument(
                f"All chains of a tuple of columns take them together, or none does. Received for {key!r}: "
                f"{type(chain[-1]).__name__} beside a block of several columns. Give it a key of its own."
            )
        for block in chain[:-1]:
            if block.uses_target:
                raise InvalidArgument(
                    f"A block that uses the target stands at the end of its chain, since its rows are encoded out of "
                    f"fold. Received for {key!r}: {type(block).__name__} before {type(chain[-1]).__name__}. Move it to "
                    "the end."
                )
            if block.emits_features and len(block.outputs("x", ("x",))) > 1:
                raise InvalidArgument(
                    f"Only the last block of a chain emits several features. Received for {key!r}: "
                    f"{type(block).__name__} in the middle. Move it to the end, or turn its indicator off."
                )
    return chains


def key_text(key: str | tuple[str, ...]) -> str:
    """A column's name, or several with commas."""
    return key if isinstance(key, str) else ", ".join(key)


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() and i else char.lower() for i, char in enumerate(name))
