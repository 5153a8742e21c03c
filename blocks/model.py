"""Model: all parts composed, and handed to adapt, store and evaluate. No mechanism lives here.

How it is trained, answers and is saved stand where that is done: `training.trainer`, `inference.answerer` and
`export.saver`.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras

import blocks.classifiers
import blocks.postprocessors
import blocks.regressors  # noqa: F401  (load finds every block by the name under which it is registered)
from blocks.arguments import check_whole_number, checked, checked_methods
from blocks.block import FeatureExtractor, Head, Postprocessor, fingerprint
from blocks.data import read
from blocks.errors import InvalidArgument, NotAdapted, warn
from blocks.evaluate import predict_table
from blocks.evaluate.tables.prediction_table import PredictionTable
from blocks.export.keras_file import read_keras_file
from blocks.export.saver import Saver
from blocks.features.spec import FeatureSpec
from blocks.files.format_version import refuse_newer
from blocks.heads import as_head
from blocks.inference.answerer import Answerer
from blocks.inference.chains import chains, check_chains, map_blocks
from blocks.inference.graph import InferenceGraph
from blocks.inspection.adapted_rows import AdaptedRows
from blocks.model_description import ModelParts, as_html, as_one_line, as_text, describe, roles_and_parts
from blocks.offline.adapt import adapt, check_target, passes
from blocks.offline.precompute import precompute, split_plan
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.auto import AutoColumns, as_preprocessor
from blocks.preprocessors.columns.straight_line import bind_unit
from blocks.progress import Verbose, announce, check_verbose
from blocks.statistics import Summary
from blocks.store import SplitPlan, Store
from blocks.training import defaults
from blocks.training.argument_hints import ALSO, HINTS
from blocks.training.core import build_core
from blocks.training.history import History, kept
from blocks.training.initial_weights import digest_of_last
from blocks.training.observers import tell_rows, told
from blocks.training.trainer import Trainer

FORMAT_VERSION = 1
"""Of a .keras file's configuration; files of before it was said are of the first."""

_ROLES: dict[str, tuple[Any, str, str]] = {
    "preprocessor": (Columns | AutoColumns, "Columns", 'Give preprocessors.Columns({"age": ...}), or "auto".'),
    "feature_extractor": (
        FeatureExtractor,
        "FeatureExtractor",
        'Give one of feature_extractors (any layer as feature_extractors.Keras(...)), or "auto".',
    ),
    "head": (Head, "Head", 'Give classifiers.Softmax("label"), regressors.Mean("price") or another head: head=...'),
}


@keras.saving.register_keras_serializable(package="blocks")
@checked_methods(also=ALSO, hints=HINTS)
class Model(Trainer, Answerer, Saver):
    """Preprocessor, feature extractor, head and postprocessors, from raw rows to answers.

    Calling the model, `predict`, the reloaded `.keras` file and the exported SavedModel mean raw rows to answers.
    `fit`, `evaluate` and `compile` work on `core`, a plain functional `keras.Model` from features to predictions.

    Args:
        preprocessor: A `Columns`; "auto" for `Columns.infer` of the rows that `adapt` is given, without the targets and
            the weights.
        feature_extractor: Any of `blocks.feature_extractors`; "auto" for what did best on several tables, a `TabM`.
            `describe()` says what was chosen.
        head: Any of `blocks.classifiers` or `blocks.regressors`; several as a dict by name, which then leads the names
            of their answers: `price_prediction`.
        postprocessors: Any of `blocks.postprocessors`, applied in order; with several heads, a dict of lists by head.
        loss_weights: What the loss of each of several heads weighs in their sum, by head; 1.0 unless given.
        seed: Fixes initial weights and dropout; with the `seed` of `fit`, a run is repeatable.

    Raises:
        InvalidArgument: A part is not of its role.
        BadTarget: The head's target stands among the preprocessor's columns.

    Example:
        >>> import numpy as np, blocks
        >>> from blocks import classifiers, feature_extractors, preprocessors
        >>> rows = {"x": np.linspace(-1, 1, 64), "label": np.repeat(["no", "yes"], 32)}
        >>> model = blocks.Model(
        ...     preprocessor=preprocessors.Columns({"x": preprocessors.Standardize()}),
        ...     feature_extractor=feature_extractors.MLP([4]),
        ...     head=classifiers.Softmax("label"),
        ...     seed=0,
        ... )
        >>> summary = model.adapt(rows)
        >>> history = model.fit(rows, epochs=2, verbose=0)
        >>> model.predict({"x": np.array([0.5])})["probabilities"].shape
        (1, 2)
    """

    def __init__(
        self,
        preprocessor: Columns | str = defaults.AUTO,
        feature_extractor: FeatureExtractor | str | None = defaults.AUTO,
        head: Head | Mapping[str, Head] | None = None,
        postprocessors: Sequence[Postprocessor] | Mapping[str, Sequence[Postprocessor]] = (),
        *,
        loss_weights: Mapping[str, float] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        preprocessor, head = as_preprocessor(preprocessor), as_head(head, loss_weights)
        automatic = {
            "preprocessor": isinstance(preprocessor, AutoColumns),
            "feature_extractor": feature_extractor is None or feature_extractor == defaults.AUTO,
        }
        self.automatic = tuple(name for name, chosen in automatic.items() if chosen)
        feature_extractor = defaults.feature_extractor() if automatic["feature_extractor"] else feature_extractor
        for name, part in (("preprocessor", preprocessor), ("feature_extractor", feature_extractor), ("head", head)):
            role, called, fix = _ROLES[name]
            if not isinstance(part, role):
                received = repr(part) if isinstance(part, str) else type(part).__name__
                raise InvalidArgument(f"Model's {name} is a {called}. Received: {received}. {fix}")
        assert isinstance(head, Head)
        assert isinstance(feature_extractor, FeatureExtractor)
        self.preprocessor: Any = preprocessor
        self.feature_extractor: Any = feature_extractor
        self.head = head
        of_heads = chains(head, postprocessors)
        self.postprocessors: Any = of_heads.get("", of_heads)
        if "" not in of_heads:  # a list of its own, since Keras saves no layers of lists in a dict
            self._of_heads = [block for chain in of_heads.values() for block in chain]
        self.seed = None if seed is None else check_whole_number("seed", seed, otherwise="or None")
        self._compiled_with: dict[str, Any] | None = None
        self._trained_on: tuple[str, ...] = ()
        self._parts = _Parts()
        if isinstance(preprocessor, Columns):
            check_target(preprocessor, head, None)
        self._bind()
        if head.adapted and feature_extractor.spec is not None:
            self._compose(feature_extractor.spec)

    # -- learning from data ------------------------------------------------------------------------------------------

    @told
    def adapt(
        self,
        data: Any,
        *,
        initial: Summary | None = None,
        memory: int | str | None = None,
        verbose: Verbose = "auto",
    ) -> Summary:
        """Learn statistics and the target's classes or scale from training rows, which alone are read.

        All independent blocks share one pass; chains of k blocks that learn take k passes. A second call starts over,
        weights included, unless nothing that was learned has changed. What the rows look like is kept in the same pass:
        see `schema`, `splits` and `drift_reference`.

        Args:
            data: Anything that `blocks.read` takes.
            initial: Statistics of an earlier call to continue from, with `data` as the new rows.
            memory: What the statistics of all columns together may take: bytes, or text ("1GiB"); None for 512 MiB.
                Vocabularies of many columns share it: with less each they are exact up to fewer distinct tokens.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

        Returns:
            The statistics: `save` them to continue later.

        Raises:
            SchemaMismatch, BadTarget, EmptySource: As they say.
            InvalidArgument: `memory` is no memory, or too little.
        """
        before, verbose = self._learned(), check_verbose(verbose)
        source = tell_rows(read(data))
        if "preprocessor" in self.automatic and (initial is None or not isinstance(self.preprocessor, Columns)):
            self.preprocessor = AutoColumns().infer(source, self.head, memory)
            announce(f"auto: {self.preprocessor!r}; model.describe() says why", verbose)
        rows = AdaptedRows(splits=source.divisions)
        told: dict[str, Any] = {"memory": memory, "keep": rows, "verbose": verbose}
        summary = adapt(self.preprocessor, self.head, source, initial=initial, **told)
        self._parts.rows = rows
        self._bind()
        if before is None or before != self._learned():
            if self._parts.core is not None:
                self.feature_extractor, self.head = self.feature_extractor.copy(), self.head.copy()
                self.feature_extractor.forget()
            if "feature_extractor" in self.automatic:
                self.feature_extractor = defaults.chosen_anew(self.feature_extractor, self.preprocessor.spec)
            self._compose(self.preprocessor.spec)
        self._parts.graph = self._parts.transform = None
        return summary

    @property
    def _adapted_rows(self) -> AdaptedRows:
        return self._parts.rows

    def _bind(self) -> None:
        for name, chain in self._chains().items():
            head = self.head.heads[name]
            for block in chain:
                block.bind(head)

    @property
    def passes(self) -> int:
        """How many passes over the source `adapt` takes.

        Raises:
            NotAdapted: The preprocessor is yet to be chosen.
        """
        return passes(self.preprocessor)

    def _learned(self) -> str | None:
        return fingerprint(self.preprocessor, self.head) if self._parts.core is not None else None

    def _compose(self, spec: FeatureSpec) -> None:
        self._parts.core = None
        bind_unit(self.preprocessor, self.feature_extractor, self.head)
        self.core = self._parts.core = build_core(spec, self.feature_extractor, self.head, seed=self.seed)
        self._parts.drawn, self._parts.warned = digest_of_last(self.core), set()
        check_chains(self.core, self.head, self._chains())
        self._trained_on = ()
        self.built = True
        self._compile_core()

    @property
    def spec(self) -> FeatureSpec:
        """The packed features' specification."""
        return self.preprocessor.spec

    # -- the store ---------------------------------------------------------------------------------------------------

    @told
    def precompute(
        self,
        splits: Mapping[str, Any],
        path: str | os.PathLike[str],
        *,
        format: str = "hdf5",
        keys: Sequence[str] = (),
        by_content: bool = False,
        verbose: Verbose = "auto",
        **options: Any,
    ) -> Store:
        """Write every split's features, targets, weights and keys into a store, once.

        Killed at any moment, the same call resumes and ends with the same bytes. A store that fits is left as it is,
        which is said; what its files hold is verified by `store.check()`, and as it is read.

        Args:
            splits: Split name to rows (anything that `blocks.read` takes).
            path: The store's folder; for TFRecord also a URL, see `blocks.files.place`.
            format: "hdf5" or "tfrecord".
            keys: Columns that travel along, to know rows by; dates and times as int64 microseconds since 1970 UTC.
            by_content: Whether to know sources by their content, which takes a pass, rather than by their files' sizes
                and times.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.
            options: `layout`, `compression`, `rows_per_shard`, `rows_per_chunk`, `workers`, `overwrite`, as of
                `blocks.store.writing.write.write`.

        Returns:
            The store.

        Raises:
            NotAdapted, BadTarget, StoreMismatch, StoreLocked, StoreError: As they say.
        """
        self._require_core("precompute")
        how: dict[str, Any] = {"format": format, "keys": keys, "by_content": by_content, "verbose": verbose}
        return precompute(self.transform, self.preprocessor, self.head, splits, path, **how, **options)

    def plan(self, data: Any, keys: Sequence[str] = ()) -> SplitPlan:
        """How a split's rows are made of its source: for `store.repair(splits, planner=model.plan)`."""
        return split_plan(self.transform, self.head, data, keys)

    # -- from raw rows to answers --------------------------------------------------------------------------------------

    def predict_table(
        self,
        data: Any,
        path: str | os.PathLike[str],
        *,
        keys: Sequence[str] = (),
        verbose: Verbose = "auto",
        **options: Any,
    ) -> PredictionTable:
        """Write every row's keys, split, target and full answers to a file that `blocks.evaluate` judges.

        Args:
            data: Rows (anything that `blocks.read` takes), or a dict of splits.
            path: A Parquet file, or an SQLite database where it ends with .db, .sqlite or .sqlite3.
            keys: Columns to keep, to know rows by.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.
            options: `targets` (False to leave out the target and weights), `split` (the name of the split that `data`
                is), `overwrite` (True to replace a table of another model or source), as of
                `blocks.evaluate.predict_table`.

        Returns:
            The table, a Source again. Killed at any moment, the same call goes on where it was.

        Raises:
            NotAdapted, StoreMismatch, SchemaMismatch: As of `blocks.evaluate.predict_table`.
        """
        return predict_table(self.predictor, data, path, keys=keys, verbose=verbose, **options)

    # -- variations, files -------------------------------------------------------------------------------------------

    def replace(self, **parts: Any) -> "Model":
        """A new model with some parts replaced and the others as they are, learned state included.

        A new feature extractor or postprocessor needs no `adapt`, and stores made before stay valid. The core keeps its
        weights where the extractor, the head and the features stay; it starts with fresh ones where any of them, or the
        seed, is given anew.

        Args:
            parts: `preprocessor`, `feature_extractor`, `head`, `postprocessors`, `loss_weights` or `seed`.

        Raises:
            InvalidArgument: An unknown part.
        """
        known = ("preprocessor", "feature_extractor", "head", "postprocessors", "loss_weights", "seed")
        unknown = sorted(set(parts) - set(known))
        if unknown:
            raise InvalidArgument(f"replace takes {', '.join(known)}. Received: {', '.join(unknown)}.")
        head = as_head(parts.get("head") or self.head.copy(), parts.get("loss_weights"))
        for name, one in head.heads.items():
            other = self.head.heads.get(name)
            if not one.adapted and other is not None and other.adapted and one.learns_as(other):
                one.restore(other.state)
        preprocessor = as_preprocessor(parts["preprocessor"]) if "preprocessor" in parts else self.preprocessor.copy()
        extractor = defaults.replaced(parts.get("feature_extractor"), self.feature_extractor, "preprocessor" in parts)
        names = ("preprocessor", "feature_extractor")
        automatic = [one for one in names if (parts[one] == defaults.AUTO if one in parts else one in self.automatic)]
        if isinstance(preprocessor, Columns) and preprocessor.adapted and head.adapted:
            if "feature_extractor" in automatic and set(names) & set(parts):
                extractor = defaults.chosen_anew(extractor, preprocessor.spec)
            extractor.bind(preprocessor.spec)
        elif isinstance(preprocessor, AutoColumns):
            extractor.spec = None
        postprocessors = parts.get("postprocessors")
        if postprocessors is None:
            postprocessors = map_blocks(lambda block: type(block).from_config(block.get_config()), self.postprocessors)
        model = Model(preprocessor, extractor, head, postprocessors, seed=parts.get("seed", self.seed))
        model.automatic = tuple(automatic)
        if "preprocessor" not in parts:
            model._parts.rows = self._parts.rows.copy()
        model._compiled_with = self._compiled_with
        if model._parts.core is not None:
            model._compile_core()
            if self._parts.core is not None and not {"feature_extractor", "head", "seed"} & set(parts):
                model._continue(self, calibrated="postprocessors" not in parts)
        return model

    def _continue(self, other: "Model", calibrated: bool) -> None:
        """Take over what another model of an equal core was trained to, if the features are the same."""
        if fingerprint(self.preprocessor) != fingerprint(other.preprocessor):
            return
        for mine, its in zip(self.core.variables, other.core.variables, strict=True):
            mine.assign(its)
        if other.feature_extractor.adapted and other.feature_extractor.learns:
            self.feature_extractor.restore(other.feature_extractor.state)
        self._trained_on, self._parts.drawn = other._trained_on, other._parts.drawn
        if other.history.epoch:
            self.core.history = History(kept(other.core.history))
        chained = zip(*(one._chains().values() for one in (self, other)), strict=True)
        for mine, its in ((a, b) for pair in chained for a, b in zip(*pair, strict=False)) if calibrated else ():
            if its.state:
                mine.restore(its.state)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        serialize = keras.saving.serialize_keras_object
        return {
            "format_version": FORMAT_VERSION,
            "preprocessor": serialize(self.preprocessor),
            "feature_extractor": serialize(self.feature_extractor),
            "head": serialize(self.head),
            "postprocessors": map_blocks(serialize, self.postprocessors),
            "seed": self.seed,
            "automatic": list(self.automatic),
            "trained_on": list(self._trained_on),
            "drawn": self._parts.drawn,
            "adapted_rows": self._parts.rows.get_config(),
            "history": kept(getattr(self._parts.core, "history", None)),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "Model":
        """The model that `get_config` described."""
        refuse_newer("The model", config.get("format_version", 1), FORMAT_VERSION)
        deserialize = keras.saving.deserialize_keras_object

        def unbuilt(name: str) -> Any:
            # the core builds these by the model's seed, so that dropout of a reloaded model is repeatable too
            return deserialize({key: value for key, value in config[name].items() if key != "build_config"})

        model = cls(
            deserialize(config["preprocessor"]),  # "auto" in files of before
            unbuilt("feature_extractor"),
            unbuilt("head"),
            map_blocks(deserialize, config["postprocessors"]),
            seed=config["seed"],
            name=config["name"],
        )
        model.automatic = tuple(config.get("automatic", ()))
        model._trained_on = tuple(config.get("trained_on", ()))
        model._parts.rows = AdaptedRows.from_config(config.get("adapted_rows"))
        model._parts.drawn = config.get("drawn")  # files of before do not say: such a model counts as fitted
        if model._parts.core is not None and config.get("history"):
            model.core.history = History(config["history"])
        return model

    def describe(self) -> str:
        """The model in words: what happens to each column and why, the parts, and how it is trained, as text."""
        optimizer = self.core.optimizer if self._parts.core is not None and self.core.compiled else None
        return describe(self.preprocessor, self.feature_extractor, self.automatic, optimizer, self._adapted_rows)

    def summary(self, print_fn: Any = print, **kwargs: Any) -> None:
        """Print the graph: each part, what enters it and what leaves it, then the core's layers.

        Args:
            print_fn: What to give the text to.
            kwargs: As of `keras.Model.summary`, for the core.
        """
        print_fn(as_text(roles_and_parts(self._in_order())))
        if self._parts.core is not None:
            self.core.summary(print_fn=print_fn, **kwargs)

    def __repr__(self) -> str:
        return as_one_line(self._in_order(), self._state)

    def _repr_html_(self) -> str:
        return as_html(roles_and_parts(self._in_order()), self._state)

    def _in_order(self) -> ModelParts:
        return ModelParts(self.preprocessor, self.feature_extractor, self.head, self._chains())

    def _chains(self) -> dict[str, list[Postprocessor]]:
        return chains(self.head, self.postprocessors)

    @property
    def _state(self) -> str:
        if self._parts.core is None:
            return "not adapted"
        return "fitted" if self.fitted else "adapted, not fitted"

    def _require_core(self, what: str) -> None:
        if self._parts.core is None or not self.preprocessor.adapted:
            raise NotAdapted(f"Cannot {what}: the model has not been adapted. Call model.adapt(source) first.")

    @property
    def fitted(self) -> bool:
        """Whether the core's weights are others than those that it was drawn with; True where it has none to train."""
        self._require_core("say whether it is fitted")
        return self._parts.drawn is None or self._parts.drawn != digest_of_last(self.core)

    def _warn_untrained(self, what: str) -> None:
        if what not in self._parts.warned and not self.fitted:
            self._parts.warned = {*self._parts.warned, what}
            warn(f"{what}: this model was never fitted, its weights are random. Call model.fit(...) first.")


class _Parts:
    """What is made from the parts when needed; held apart, since Keras tracks and wraps what a model holds."""

    core: keras.Model | None = None
    drawn: str | None = None
    warned: frozenset[str] | set[str] = frozenset()
    graph: InferenceGraph | None = None
    transform: Transform | None = None

    def __init__(self) -> None:
        self.rows = AdaptedRows()


@checked(hints={"custom_objects": "Register it: @keras.saving.register_keras_serializable()."})
def load(path: str | os.PathLike[str]) -> Model:
    """A model as `model.save(path)` wrote it: weights, learned state, and the state of training.

    Raises:
        InvalidArgument: The file holds no blocks.Model.
        NewerFormat: A newer blocks saved it.
        MalformedData: It is damaged, or holds what is not known here; Keras' error is the cause.
    """
    model = read_keras_file(path)
    if not isinstance(model, Model):
        raise InvalidArgument(f"load reads what Model.save wrote. Received: {path}, a {type(model).__name__}.")
    return model
