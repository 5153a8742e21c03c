"""Model: all parts composed, and handed to adapt, store, export and evaluate. No mechanism lives here."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np

import blocks.classifiers
import blocks.postprocessors
import blocks.regressors  # noqa: F401  (load finds every block by the name under which it is registered)
from blocks.arguments import check_whole_number, checked, checked_methods
from blocks.block import FeatureExtractor, Head, Postprocessor, fingerprint
from blocks.data import Source, read
from blocks.errors import InvalidArgument, NotAdapted, warn
from blocks.evaluate import predict_table
from blocks.export import export
from blocks.export.keras_file import hidden_from_keras, read_keras_file, write_keras_file
from blocks.features.spec import FeatureSpec
from blocks.files.format_version import refuse_newer
from blocks.heads import as_head
from blocks.inference.chains import chains, check_chains, map_blocks
from blocks.inference.graph import InferenceGraph, raw_tensors
from blocks.inference.model_predictor import ModelPredictor
from blocks.inference.predictor import predict
from blocks.model_description import as_html, as_one_line, as_text, describe, parts_in_order
from blocks.offline.adapt import adapt, check_target, passes
from blocks.offline.precompute import precompute, split_plan
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.auto import AutoColumns, as_preprocessor
from blocks.progress import Verbose, announce, check_verbose
from blocks.statistics import Summary
from blocks.store import SplitPlan, Store
from blocks.training import defaults as auto
from blocks.training import loop
from blocks.training.argument_hints import ALSO, HINTS
from blocks.training.calibrate import calibrate
from blocks.training.compiling import checked_settings, compile_core
from blocks.training.core import build_core
from blocks.training.history import History, kept, whole_history
from blocks.training.learn import learn, weigh_classes
from blocks.training.resume import Resume
from blocks.training.training_batches import Batches, errors_of
from blocks.training.training_rows import BatchOrder, TrainingRows, training_rows
from blocks.training.untrained import digest_of_last

PREDICT_ROWS = 8192
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
class Model(keras.Model):
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
        preprocessor: Columns | str = auto.AUTO,
        feature_extractor: FeatureExtractor | str | None = auto.AUTO,
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
            "feature_extractor": feature_extractor is None or feature_extractor == auto.AUTO,
        }
        self.automatic = tuple(name for name, chosen in automatic.items() if chosen)
        feature_extractor = auto.feature_extractor() if automatic["feature_extractor"] else feature_extractor
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
        weights included, unless nothing that was learned has changed.

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
        source = read(data)
        if "preprocessor" in self.automatic and (initial is None or not isinstance(self.preprocessor, Columns)):
            self.preprocessor = AutoColumns().infer(source, self.head, memory)
            announce(f"auto: {self.preprocessor!r}; model.describe() says why", verbose)
        summary = adapt(self.preprocessor, self.head, source, initial=initial, memory=memory, verbose=verbose)
        self._bind()
        if before is None or before != self._learned():
            if self._parts.core is not None:
                self.feature_extractor, self.head = self.feature_extractor.copy(), self.head.copy()
                self.feature_extractor.forget()
            self._compose(self.preprocessor.spec)
        self._parts.graph = self._parts.transform = None
        return summary

    def _bind(self) -> None:
        for name, chain in chains(self.head, self.postprocessors).items():
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
        self.core = self._parts.core = build_core(spec, self.feature_extractor, self.head, seed=self.seed)
        self._parts.drawn, self._parts.warned = digest_of_last(self.core), set()
        check_chains(self.core, self.head, chains(self.head, self.postprocessors))
        self._trained_on = ()
        self.built = True
        self._compile_core()

    @property
    def spec(self) -> FeatureSpec:
        """The packed features' specification."""
        return self.preprocessor.spec

    # -- training ----------------------------------------------------------------------------------------------------

    def compile(self, optimizer: Any = None, loss: Any = None, metrics: Any = None, **kwargs: Any) -> None:
        """Choose how the core is trained. Optional: `fit` does this with its defaults.

        Args:
            optimizer: As of `keras.Model.compile`; AdamW with a rate that did well on several tables unless given.
            loss: The head's unless given; over (encoded target, the core's predictions).
            metrics: The head's unless given.
            kwargs: `weighted_metrics`, `jit_compile`, `steps_per_execution`, ... as of `keras.Model.compile`. Unless
                given, up to 32 steps run as one call, after which callbacks are told that a batch has ended: 1 tells
                them of each, and takes up to 1.9 times as long.
        """
        self._compiled_with = checked_settings(self.head, optimizer, loss, metrics, **kwargs)
        self._compile_core()

    def _compile_core(self) -> None:
        if self._parts.core is not None and self._compiled_with is not None:
            compile_core(self.core, self.head, self._compiled_with)

    def fit(
        self,
        data: Any,
        *,
        validation_data: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        verbose: Verbose = "auto",
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train the core by gradients.

        With nothing said but the data, the optimizer is AdamW, whose rate falls, and training ends when the loss on
        `validation_data` has not fallen for some epochs. Of more than 50,000 rows, without held-out ones, or with a
        `Resume` among the callbacks, it lasts 4 to 20 epochs. The best weights are restored, where rows are held out
        and there is no `Resume`. What is said is done: an optimizer of `compile`'s keeps its rate, and a number of
        epochs is that number.

        Args:
            data: A store's split, or rows (anything that `blocks.read` takes), which are transformed on the fly in a
                background thread.
            validation_data: The same, or None; never shuffled.
            epochs: Passes over the data; None for as long as it helps, see above.
            batch_size: Rows a step; None for about 128 steps an epoch, of 32 to 1,024 rows.
            shuffle: Whether to shuffle, anew each epoch.
            seed: Decides every order.
            verbose: As of Keras: 0, 1 or 2; "auto" is a bar on a terminal and silence elsewhere.
            kwargs: `callbacks`, `initial_epoch`, `steps_per_epoch`, ... as of `keras.Model.fit`. Each epoch's order is
                its own: training that goes on with `initial_epoch` sees what it would have seen. A callback's `model`
                is the core, but what it saves is this whole model: `ModelCheckpoint` writes what `blocks.load` reads.

        Returns:
            Keras' history of this call; `model.history` has that of before a kill or a reload too.

        Raises:
            NotAdapted: `adapt` was not called.
            StoreMismatch: The store was made by another preprocessor or target.
            BadTarget: A row's target is unusable.
        """
        self._require_core("fit")
        verbose = check_verbose(verbose)
        if epochs is not None:
            epochs = check_whole_number("epochs", epochs, otherwise="or None")
        for name, least in (("initial_epoch", 0), ("steps_per_epoch", 1), ("validation_steps", 1)):
            if kwargs.get(name) is not None:
                kwargs[name] = check_whole_number(name, kwargs[name], least)
        seed = check_whole_number("seed", seed)
        if isinstance(frequency := kwargs.get("validation_freq", 1), float | str):
            raise InvalidArgument(
                f"validation_freq is a whole number of epochs, or a list of epochs. Received: {frequency!r}."
            )
        if not self.core.compiled:
            self.compile()
        rows = training_rows(data)
        held_out = None if validation_data is None else training_rows(validation_data)
        valid = None if held_out is None else self._batches(held_out, batch_size or PREDICT_ROWS)
        batch_size = auto.batch_size(rows.count) if batch_size is None else batch_size
        callbacks = loop.callbacks(kwargs.pop("callbacks", None))
        if epochs is None:
            epochs, more = auto.length(self.core, rows.count, valid is not None, callbacks)
            callbacks += more
            stops = any(isinstance(one, keras.callbacks.EarlyStopping) for one in callbacks)
            told = f"up to {epochs} epochs, until val_loss no longer falls" if stops else f"{epochs} epochs"
            announce(f"fit: {told}", verbose)

        def train(epoch: int, batch: int) -> Batches:
            return self._batches(rows, batch_size, BatchOrder(shuffle, seed, epoch, batch), training=True)

        def prepare() -> None:
            learn(self.feature_extractor, rows, self.head, lambda: self.transform)
            weigh_classes(self.core, self.head, rows)

        if rows.fingerprint is not None and rows.fingerprint not in self._trained_on:
            self._trained_on = (*self._trained_on, rows.fingerprint)
        resume = next((c for c in callbacks if isinstance(c, Resume)), None)
        if resume is not None:
            if kwargs.get("steps_per_epoch") is not None:
                raise InvalidArgument(
                    "Resume counts the batches of whole epochs. Received: Resume and steps_per_epoch. Leave one of "
                    "them out; Resume(every=...) saves as often as you like."
                )
            order = BatchOrder(shuffle, seed)
            resume.batches = rows.identity(self.preprocessor, self.head, batch_size, order)
        with self._saved_whole():
            return loop.fit_from(
                self.core,
                resume,
                train,
                valid=valid,
                epochs=epochs,
                prepare=prepare,
                steps_per_execution=(self._compiled_with or {}).get("steps_per_execution"),
                verbose=verbose,
                callbacks=callbacks,
                **kwargs,
            )

    @contextmanager
    def _saved_whole(self) -> Iterator[None]:
        """Let whatever saves or loads the core meanwhile, a callback of any kind, do so with the whole model."""
        own = vars(self.core)
        names = ("save", "save_weights", "load_weights", "export")
        own.update({name: getattr(self, name) for name in names})
        try:
            yield
        finally:
            for name in names:
                own.pop(name, None)

    @property
    def history(self) -> keras.callbacks.History:
        """Loss and metrics by epoch of the last training, reloads and kills included; empty before the first."""
        return whole_history(getattr(self._parts.core, "history", None))

    def evaluate(
        self, data: Any, *, batch_size: int = 8192, verbose: Verbose = "auto", **kwargs: Any
    ) -> dict[str, float]:
        """Loss and metrics of the core's predictions on held-out rows, by name.

        Args:
            data: A store's split, or rows (anything that `blocks.read` takes).
            batch_size: Rows a step.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.
            kwargs: As of `keras.Model.evaluate`.

        Raises:
            NotAdapted, StoreMismatch, BadTarget: As they say.
        """
        self._require_core("evaluate")
        verbose = check_verbose(verbose)
        if not self.core.compiled:
            self.compile()
        held_out = self._batches(training_rows(data), batch_size)
        return loop.evaluate(self.core, held_out, verbose=verbose, **kwargs)

    def calibrate(self, data: Any, *, allow_training_rows: bool = False, verbose: Verbose = "auto") -> None:
        """Let the postprocessors learn from held-out rows, in their order.

        Args:
            data: A store's split, or rows, that were not trained on.
            allow_training_rows: Whether to go on with a split or source that `fit` was given. Other rows that hold
                some of those cannot be told.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

        Raises:
            InvalidArgument: `fit` was given the same rows.
            NotAdapted, StoreMismatch, BadTarget, EmptySource: As they say.
        """
        self._require_core("calibrate")
        verbose, rows = check_verbose(verbose), training_rows(data)
        if not allow_training_rows and self._trained_on and rows.fingerprint in self._trained_on:
            raise InvalidArgument(
                "calibrate takes rows that the model was not trained on, since it is surer of those than of new ones. "
                f"Received: {rows}, which fit was given. Give held-out rows, or "
                "allow_training_rows=True."
            )
        chained = chains(self.head, self.postprocessors)
        if not any(block.calibrates for chain in chained.values() for block in chain):
            warn("calibrate: no postprocessor of this model learns, nothing is done. Give it Temperature(), say.")
        for name, chain in chained.items():
            for block in chain:
                if block.calibrates:
                    held_out = self._batches(rows, PREDICT_ROWS)
                    with errors_of(held_out):
                        calibrate(self.core, self.head, chain, block, held_out.dataset, name=name, verbose=verbose)
        self._parts.graph = None

    def _batches(self, rows: TrainingRows, batch_size: int, *order: BatchOrder, training: bool = False) -> Batches:
        parts = self.preprocessor, self.head, lambda: self.transform
        return rows.batches(*parts, batch_size, *order, training=training)

    # -- the store ---------------------------------------------------------------------------------------------------

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
        return precompute(
            self.transform,
            self.preprocessor,
            self.head,
            splits,
            path,
            format=format,
            keys=keys,
            by_content=by_content,
            verbose=verbose,
            **options,
        )

    def plan(self, data: Any, keys: Sequence[str] = ()) -> SplitPlan:
        """How a split's rows are made of its source: for `store.repair(splits, planner=model.plan)`."""
        return split_plan(self.transform, self.head, data, keys)

    # -- from raw rows to answers --------------------------------------------------------------------------------------

    def __call__(self, rows: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Answers of a batch of raw rows, as tensors.

        Args:
            rows: A dict with exactly the model's columns, each of shape (batch,), or a table that has them.

        Raises:
            NotAdapted, SchemaMismatch: As they say.
        """
        self._require_core("call the model")
        if not any(isinstance(value, keras.KerasTensor) for value in keras.tree.flatten(rows)):
            rows = raw_tensors(rows, self.preprocessor)
        return super().__call__(rows, *args, **kwargs)

    def call(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The graph itself."""
        return self.graph(inputs)

    @property
    def graph(self) -> InferenceGraph:
        """The parts in order, ready to run."""
        hidden_from_keras("graph")
        self._require_core("use the model")
        if self._parts.graph is None:
            for chain in chains(self.head, self.postprocessors).values():
                for block in chain:
                    block.require_adapted()
            self._parts.graph = InferenceGraph(self.preprocessor, self.core, self.head, self.postprocessors)
        return self._parts.graph

    @property
    def transform(self) -> Transform:
        """The preprocessor's fast path over Arrow chunks."""
        hidden_from_keras("transform")
        if self._parts.transform is None:
            self._parts.transform = Transform(self.preprocessor)
        return self._parts.transform

    def predict(
        self,
        data: Any,
        *,
        batch_size: int = PREDICT_ROWS,
        verbose: Verbose = "auto",
    ) -> dict[str, np.ndarray]:
        """Answers of raw rows, in chunks; `predict_table` writes them to a file instead.

        Args:
            data: Anything that `blocks.read` takes. A dict holds the model's columns and, at most, its target and
                weights; a source may hold any others.
            batch_size: Rows that go through the core at once.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

        Returns:
            A dict of NumPy arrays, (rows, ...) each.

        Raises:
            NotAdapted, SchemaMismatch, EmptySource: As they say.
        """
        self._require_core("predict")
        batch_size = check_whole_number("batch_size", batch_size, 1)
        self._warn_untrained("predict")
        if isinstance(data, Mapping):
            beside = {*self.head.targets, self.head.sample_weight} - set(self.preprocessor.inputs)
            self.preprocessor.check_keys([name for name in data if name not in beside])
        return predict(self._predictor(batch_size), read(data), verbose=verbose)

    def predict_table(
        self,
        data: Any,
        path: str | os.PathLike[str],
        *,
        keys: Sequence[str] = (),
        targets: bool = True,
        split: str | None = None,
        overwrite: bool = False,
        verbose: Verbose = "auto",
    ) -> Source:
        """Write every row's keys, split, target and full answers to a file that `blocks.evaluate` judges.

        Args:
            data: Rows (anything that `blocks.read` takes), or a dict of splits.
            path: A Parquet file, or an SQLite database where it ends with .db, .sqlite or .sqlite3.
            keys: Columns to keep, to know rows by.
            targets: Whether to keep the target and weights.
            split: The name of the split that `data` is.
            overwrite: Replace a table of another model or source instead of refusing.
            verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

        Returns:
            The table, a Source again. Killed at any moment, the same call goes on where it was.

        Raises:
            NotAdapted, StoreMismatch, SchemaMismatch, EmptySource: As of `blocks.evaluate.predict_table`.
        """
        options: dict[str, Any] = {"keys": keys, "targets": targets, "split": split, "overwrite": overwrite}
        return predict_table(self.predictor, data, path, verbose=verbose, **options)

    @property
    def predictor(self) -> ModelPredictor:
        """The model as `blocks.evaluate` takes it: it answers chunks of raw rows."""
        hidden_from_keras("predictor")
        self._require_core("predict")
        self._warn_untrained("predict")
        return self._predictor(PREDICT_ROWS)

    def _predictor(self, batch_size: int) -> ModelPredictor:
        return ModelPredictor(self.graph, self.transform, batch_size)

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
        extractor = parts.get("feature_extractor")
        if extractor is None:
            extractor = self.feature_extractor.copy()
            if "preprocessor" in parts:
                extractor.forget()
        elif extractor == auto.AUTO:
            extractor = auto.feature_extractor()
        if isinstance(preprocessor, Columns) and preprocessor.adapted and head.adapted:
            extractor.bind(preprocessor.spec)
        postprocessors = parts.get("postprocessors")
        if postprocessors is None:
            postprocessors = map_blocks(lambda block: type(block).from_config(block.get_config()), self.postprocessors)
        model = Model(preprocessor, extractor, head, postprocessors, seed=parts.get("seed", self.seed))
        model.automatic = tuple(
            name
            for name in ("preprocessor", "feature_extractor")
            if (parts[name] == auto.AUTO if name in parts else name in self.automatic)
        )
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
        chained = zip(*(chains(one.head, one.postprocessors).values() for one in (self, other)), strict=True)
        for mine, its in ((a, b) for pair in chained for a, b in zip(*pair, strict=False)) if calibrated else ():
            if its.state:
                mine.restore(its.state)

    def load_weights(self, filepath: str | os.PathLike[str], **kwargs: Any) -> None:
        """Read what `save_weights` wrote of a model of the same parts: weights, and all that was learned.

        Args:
            filepath: Ends in `.weights.h5`.
            kwargs: As of `keras.Model.load_weights`.

        Raises:
            NotAdapted: The model has no weights yet.
        """
        self._require_core("load weights")
        super().load_weights(filepath, **kwargs)
        self._parts.graph = self._parts.transform = None

    def export(self, path: str | os.PathLike[str], *, golden: Any = None) -> None:
        """Write one SavedModel that needs TensorFlow alone, with what `blocks.verify` replays beside it.

        Args:
            path: The folder; TensorFlow Serving wants its name to be a number. It must not exist.
            golden: Rows to keep as examples with their expected features and answers; made up from what was learned
                unless given.

        Raises:
            NotAdapted, NotExportable, InvalidArgument: As they say.
        """
        self._require_core("export")
        self._warn_untrained("export")
        export(self.graph, path, golden=golden, fitted=self.fitted)

    def save(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """Write weights, learned state and the state of training into one `.keras` file, whole or not at all.

        Killed at any moment, or on a full disk, the file is what it was or what it was to be. `blocks.load` reads it.

        Args:
            filepath: The file; its name ends in `.keras`.
            overwrite: Whether to replace a file that is there without a question.
            zipped: As of `keras.Model.save`; not False.
            kwargs: As of `keras.Model.save`.

        Raises:
            InvalidArgument: Another ending, or a folder: those formats leave out what was learned from data.
            NotExportable: A part holds a Python lambda, which no file is loaded with.
            WriteError: The operating system keeps it from being written.
        """
        if self._parts.core is not None and self.core.compiled and not self.core.optimizer.built:
            # a reload builds it, and Keras then misses in the file what was not there yet
            self.core.optimizer.build(self.core.trainable_variables)
        write_keras_file(self, partial(super().save, **kwargs), filepath, overwrite, zipped)

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
        model._parts.drawn = config.get("drawn")  # files of before do not say: such a model counts as fitted
        if model._parts.core is not None and config.get("history"):
            model.core.history = History(config["history"])
        return model

    def get_compile_config(self) -> dict[str, Any] | None:
        """The core's, so that training goes on after a reload."""
        return None if self._parts.core is None else self.core.get_compile_config()

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the core as it was."""
        if self._parts.core is not None:
            self.core.compile_from_config(config)

    def describe(self) -> str:
        """The model in words: what happens to each column and why, the parts, and how it is trained, as text."""
        optimizer = self.core.optimizer if self._parts.core is not None and self.core.compiled else None
        return describe(self.preprocessor, self.feature_extractor, self.automatic, optimizer)

    def summary(self, print_fn: Any = print, **kwargs: Any) -> None:
        """Print the graph: each part, what enters it and what leaves it, then the core's layers.

        Args:
            print_fn: What to give the text to.
            kwargs: As of `keras.Model.summary`, for the core.
        """
        print_fn(as_text(parts_in_order(*self._in_order())))
        if self._parts.core is not None:
            self.core.summary(print_fn=print_fn, **kwargs)

    def __repr__(self) -> str:
        return as_one_line(*self._in_order(), self._state)

    def _repr_html_(self) -> str:
        return as_html(parts_in_order(*self._in_order()), self._state)

    def _in_order(self) -> tuple[Any, Any, Head, dict[str, list[Postprocessor]]]:
        return self.preprocessor, self.feature_extractor, self.head, chains(self.head, self.postprocessors)

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
