"""Columns: one chain of preprocessors a column, packed into a few dense arrays. What `infer` chooses is in infer."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.arguments import checked
from blocks.block import Preprocessor, State, emit
from blocks.data import read
from blocks.data.raw_columns import RawColumn
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument, NotAdapted, SchemaMismatch
from blocks.features.spec import CATEGORICAL, NUMERIC, Entry, Feature, FeatureSpec, distinct
from blocks.preprocessors.columns.choice import warn_of_choices
from blocks.preprocessors.columns.column_checks import require_batch, require_one_kind_of_time, require_windows
from blocks.preprocessors.columns.columns_description import text_of_choices, text_of_state
from blocks.preprocessors.columns.infer import infer_choices
from blocks.preprocessors.columns.keyed_chains import (
    Chain,
    Key,
    KeyedChains,
    checked_chains,
    key_config,
    key_of_config,
)
from blocks.preprocessors.columns.lanes import Lane, places_of
from blocks.preprocessors.columns.stacking import Packing, stacked
from blocks.statistics import memory_bytes


@keras.saving.register_keras_serializable(package="blocks")
class Columns(Preprocessor):
    """A table's columns to packed features, each column through its own chain of blocks.

    Args:
        columns: For each column (or, for blocks that take several, tuple of columns): a block, a list of blocks (a
            chain, applied in order), or a tuple of those (several features of one column). A tuple of columns for a
            block of one column gives each a copy; before a block of several, blocks that learn nothing work on each
            column. An Arrow type, or a compiled regular expression, stands for all columns of that type, or whose whole
            name matches, that have no key of their own; which these are is settled at `adapt`. Columns that are not
            named are left out.
        raw: Column to its `RawColumn` or the configuration of one, where `bind` has been done already (a reload does
            this).

    Returns:
        A dict: "numeric" float32 (batch, n), "categorical" int32 (batch, m), and one more for each output of higher
        rank: called as its column wherever that can be an entry's name ("main text" is "main_text"; a window "numeric"
        is "column_numeric"). Entries without a column are absent. `spec` names every column.

        A window (a list of n numbers in every row, as `blocks.windows` makes them) goes through blocks of numbers value
        by value: what a block learns is learned of all values of all rows, one mean and scale for the column, and a
        value gives the bits that it gives as a number. Its entry is float32 (batch, n), int32 for ids, or (batch, n, k)
        of a block that emits k features, a missing-indicator among them.

    Example:
        >>> import blocks
        >>> from blocks import preprocessors
        >>> columns = preprocessors.Columns({
        ...     "age": preprocessors.Standardize(),
        ...     "income": [preprocessors.Log1p(), preprocessors.Standardize()],
        ...     "city": preprocessors.Vocabulary(),
        ... })
        >>> print(columns)
        age     Standardize
        income  Log1p > Standardize
        city    Vocabulary
    """

    def __init__(
        self,
        columns: Mapping[Key, Chain | tuple[Chain, ...]],
        *,
        raw: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(columns, Mapping) or not columns:
            raise InvalidArgument(
                f"Columns takes a dict of column names to blocks, one at least. Received: {columns!r}."
            )
        self._keyed = KeyedChains(raw={name: RawColumn.from_config(column) for name, column in (raw or {}).items()})
        for key, value in columns.items():
            self._keyed.add(key, checked_chains(key, value))
        self._track_blocks()

    @classmethod
    @checked()
    def infer(
        cls,
        source: Any,
        exclude: Sequence[str] = (),
        *,
        rows: int = 1_000_000,
        memory: int | str | None = None,
    ) -> "Columns":
        """A sensible choice for every column, from its type and its statistics; print it, then edit it.

        Numbers, and the values of windows (lists of so many numbers in every row), are standardised (heavy right tails
        after `Log1p`), with a missing-indicator where values are missing;
        strings get a vocabulary, where they do not say numbers or dates;
        constant and empty columns and identifiers are left out. What storing left behind,
        pandas' index, the key of a split, row numbers, an unnamed first column, is left out with a warning.
        `print(columns)` says why for each; `columns["age"] = ...` and `del columns["age"]` change the choice before
        `adapt`.

        No word, string or item that stands in fewer than 5 rows is learned, so that names in notes go into no file of
        the model. Of numbers and times blocks learn means, quantiles, minima and maxima, which are values of rows;
        statistics that are saved to be continued (`Summary.save`) hold every string.

        Args:
            source: Anything that `blocks.read` takes.
            exclude: Columns to leave out: the target, and what would leak it or identify the row.
            rows: How many of the first rows to look at.
            memory: What the statistics of all columns together may take, as of `Model.adapt`.

        Raises:
            SchemaMismatch: `exclude` names an unknown column.
            EmptySource: The source has no rows.
            InvalidArgument: `memory` is no memory, or too little.
        """
        source = read(source)
        require_columns(exclude, source.schema.names, "exclude")
        choices = infer_choices(source, frozenset(exclude), rows, memory_bytes(memory))
        chosen: dict[Key, Any] = {choice.column: choice.blocks for choice in choices if choice.blocks}
        if not chosen:
            raise SchemaMismatch(
                "No column is of use: " + "; ".join(f"{choice.column}: {choice.reason}" for choice in choices)
            )
        warn_of_choices(choices)
        columns = cls(chosen)
        columns._keyed.choices.extend(choices)
        return columns

    # -- editing -----------------------------------------------------------------------------------------------------

    def __getitem__(self, column: str | tuple[str, ...]) -> tuple[tuple[Preprocessor, ...], ...]:
        return self._keyed.chains[column]

    def __setitem__(self, column: str | tuple[str, ...], chain: Chain | tuple[Chain, ...]) -> None:
        self._editable()
        chains = checked_chains(column, chain)
        if column in self._keyed.chains:
            self._keyed.chains[column] = chains
        else:
            self._keyed.add(column, chains)
        self._keyed.choices[:] = [choice for choice in self._keyed.choices if choice.column != column]
        self._track_blocks()

    def __delitem__(self, column: str | tuple[str, ...]) -> None:
        self._editable()
        if len(self._keyed.chains) == 1:
            raise InvalidArgument(f"Columns keeps one column at least. Received: del of the last, {column!r}.")
        del self._keyed.chains[column]
        self._keyed.choices[:] = [choice for choice in self._keyed.choices if choice.column != column]
        self._track_blocks()

    def _editable(self) -> None:
        if self.built or self._keyed.raw:
            raise InvalidArgument("Columns can be edited until it is adapted. Build a new one from the same blocks.")

    def _track_blocks(self) -> None:
        # Keras follows flat lists of layers only, when it saves and when it collects what to export
        self._blocks = [block for lane in self.lanes for block in lane.blocks]

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def lanes(self) -> list[Lane]:
        """The chains, each with its columns and the name of its output."""
        return self._keyed.lanes()

    @property
    def inputs(self) -> dict[str, RawColumn]:
        """Each raw column by its name, and as what it enters: kind and shape.

        Raises:
            NotAdapted: The columns' types are not known yet.
        """
        if not self._keyed.raw:
            raise NotAdapted(f"Columns {self.name!r} does not know its columns' types yet. Call adapt(source) first.")
        return dict(self._keyed.raw)

    @property
    def columns(self) -> list[str]:
        """The raw columns that are read, each once."""
        return list(dict.fromkeys(column for lane in self.lanes for column in lane.columns))

    @property
    def spec(self) -> FeatureSpec:
        """The packed features' specification.

        Raises:
            NotAdapted: Cardinalities are not known yet.
        """
        self.require_adapted()
        return self._spec()

    def _spec(self) -> FeatureSpec:
        """The specification as far as it is known; names, shapes and dtypes are before anything is learned."""
        features, others = [], {}
        for lane, entry, named in self.outputs_of_lanes():
            if entry is None:
                features += named
            else:
                others[lane.entry_name] = replace(entry, features=tuple(named))
        return FeatureSpec.pack(features, others)

    def outputs_of_lanes(self) -> list[tuple[Lane, Entry | None, list[Feature]]]:
        """Each lane with its entry of higher rank, if it has one, and its features as they are named in `spec`."""
        lanes = [(lane, lane.entry()) for lane in self.lanes]
        outputs = [lane.outputs() if entry is None else list(entry.features) for lane, entry in lanes]
        named = iter(distinct([feature for features in outputs for feature in features]))
        return [(*lane, [next(named) for _ in features]) for lane, features in zip(lanes, outputs, strict=True)]

    def get_feature_names_out(self) -> list[str]:
        """Every feature's name, entry by entry."""
        return [name for entry in self.spec.values() for name in entry.names]

    @property
    def learns(self) -> bool:
        """Whether any block does; types always are."""
        return True

    @property
    def adapted(self) -> bool:
        """Whether types are known and every block has learned what it needs."""
        return bool(self._keyed.raw) and all(block.adapted for block in self._blocks)

    @property
    def state(self) -> State:
        """All blocks' state, each name led by the block's position."""
        return {f"{i}/{name}": value for i, block in enumerate(self._blocks) for name, value in block.state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Hand every block its part of `state`."""
        parts: dict[int, dict[str, np.ndarray]] = {}
        for name, value in state.items():
            place, _, rest = name.partition("/")
            parts.setdefault(int(place), {})[rest] = value
        for i, block in enumerate(self._blocks):
            if i in parts:
                block.restore(parts[i])

    def copy(self) -> Self:
        """A new one of the same configuration and state, sharing nothing with this one."""
        twin = type(self).from_config(self.get_config())
        twin.restore(self.state)
        return twin

    def save_own_variables(self, store: Any) -> None:
        """Nothing: every block writes its own."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing: every block reads its own."""

    def bind(self, schema: pa.Schema) -> None:
        """Settle as what every column enters, from the source's schema.

        Raises:
            SchemaMismatch: A column is unknown, or of a type that its block has no use for.
        """
        self._keyed.select(schema)
        self._track_blocks()
        require_columns(self.columns, schema.names, "Columns")
        raw: dict[str, RawColumn] = {}
        for lane in self.lanes:
            for column in lane.columns:
                wanted = lane.blocks[0].raw_column(schema.field(column).type, column)
                if raw.setdefault(column, wanted) != wanted:
                    raise SchemaMismatch(
                        f"All blocks of a column read it alike. Received: column {column!r}, wanted as {raw[column]} "
                        f"and as {wanted}. Give one of them a copy of the column under another name."
                    )
            require_one_kind_of_time(lane, raw)
            require_windows(lane, raw)
        self._keyed.raw.clear()
        self._keyed.raw.update(raw)

    def adapt(self, data: Any) -> Self:
        """Refused: the passes over all columns are `blocks.offline.adapt`'s, which a model's `adapt` makes.

        Raises:
            InvalidArgument: Always, saying so.
        """
        raise InvalidArgument(
            "Columns learns column by column in shared passes, with a model: blocks.Model(preprocessor=columns, ...)"
            ".adapt(source); or without one: blocks.offline.adapt.adapt(columns, None, blocks.read(data)). "
            f"Received: Columns.adapt of {type(data).__name__}."
        )

    # -- the graph ---------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Nothing to build: state comes with `restore`."""
        self.built = True

    def compute(self, values: Any) -> Any:
        """Not of use: columns emit several arrays; call the block instead."""
        raise InvalidArgument("Columns is not part of a chain: it is what chains are parts of.")

    def check_keys(self, names: Sequence[str]) -> None:
        """Refuse a batch that lacks a column or has one more.

        Raises:
            SchemaMismatch: Naming them.
        """
        require_batch(list(self.inputs), names)

    def call(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Packed features of raw columns of shape (batch,), or (batch, n) of windows."""
        self.check_keys(list(inputs))
        lengths = {name: values.shape[0] for name, values in inputs.items() if values.shape and values.shape[0]}
        if len(set(lengths.values())) > 1:
            raise SchemaMismatch(f"All raw columns of a batch have the same number of rows. Received: {lengths}.")
        packing, others = self._graph()
        stacks = [tf.stack([inputs[column] for column in stack.columns]) for stack in packing.stacks]
        packed = packing(stacks, [lane.inputs_from(inputs) for lane in packing.singles])
        scalars: dict[str, Any] = {name: packed[name] for name in (NUMERIC, CATEGORICAL) if name in packed}
        return {**scalars, **{lane.entry_name: emit(lane.compute(lane.inputs_from(inputs))) for lane in others}}

    def _graph(self) -> tuple[Packing, list[Lane]]:
        """What works out the scalar features, and the lanes of higher rank; made anew when a block has learned."""
        learned = tuple(block._state for block in self._blocks)
        made = self._keyed.made
        if made is None or len(made[0]) != len(learned) or not all(map(operator.is_, made[0], learned)):
            lanes = self.lanes
            places = places_of(lanes)
            scalars = [lane for lane in lanes if places[lane.name][1] is not None]
            # a few rows at a time: operations cost more than values
            stacks, _ = stacked(scalars, self.inputs, indicators=True)
            others = [lane for lane in lanes if places[lane.name][1] is None]
            self._keyed.made = made = learned, (Packing(scalars, stacks, places), others)
        return made[1]

    def resources(self) -> list[Any]:
        """What the graph holds on to: each block, or what works in place of several."""
        # no property: Keras would look there for what a file holds of the blocks
        packing, others = self._graph()
        stacks = [block for stack in packing.stacks for block in stack.blocks]
        return [*stacks, *(block for lane in [*packing.singles, *others] for block in lane.blocks)]

    def compute_output_spec(self, inputs: Any) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of the entries."""
        # a reload rebuilds the graph before it reads what was learned
        return {name: keras.KerasTensor((None, *entry.shape), entry.dtype) for name, entry in self._spec().items()}

    # -- configuration -----------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        columns: list[Any] = [
            [
                key_config(key),
                [[keras.saving.serialize_keras_object(block) for block in chain] for chain in chains],
            ]
            for key, chains in [*self._keyed.chains.items(), *self._keyed.selectors]
        ]
        return {
            **super().get_config(),
            "columns": columns,
            "raw": {name: column.get_config() for name, column in self._keyed.raw.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Columns":
        """The block that `get_config` described."""
        columns = {
            key_of_config(key): tuple(
                [keras.saving.deserialize_keras_object(block) for block in chain] for chain in chains
            )
            for key, chains in config["columns"]
        }
        made = cls(**{**config, "columns": columns})
        made._keyed.tell_times_from_identifiers()
        return made

    def __str__(self) -> str:
        return text_of_choices(self._keyed)

    def __repr__(self) -> str:
        return f"<Columns of {', '.join(self.columns)}>"

    def describe(self) -> str:
        """The learned state, a line for each block, as text."""
        return text_of_state(self.lanes)
