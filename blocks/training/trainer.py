"""Trainer: the verbs of training of a model, over its core: compile, fit, evaluate, calibrate."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from blocks.arguments import check_whole_number, checked_methods
from blocks.block import fingerprint
from blocks.errors import InvalidArgument, warn
from blocks.inspection.drift.kept_answers import kept_answers
from blocks.progress import Verbose, announce, check_verbose
from blocks.training import defaults, loop
from blocks.training.argument_hints import ALSO, HINTS
from blocks.training.calibrate import calibrate
from blocks.training.compiling import checked_settings, compile_core
from blocks.training.history import whole_history
from blocks.training.initial_weights import digest_of_last
from blocks.training.learn import learn, weigh_classes
from blocks.training.observers import told, with_observers
from blocks.training.resume import Resume
from blocks.training.training_batches import Batches, errors_of
from blocks.training.training_rows import BatchOrder, TrainingRows, training_rows

HELD_OUT_ROWS = 8192

HELD_OUT_IMAGE_BYTES = 2 << 20
"""Pixels of a batch that is not trained on: a network over images makes some fifty times as much of them."""


@checked_methods(also=ALSO, hints=HINTS)
class Trainer(keras.Model):
    """What a `blocks.Model` is trained by, as Keras' own model has a trainer.

    Of the model's parts it uses `preprocessor`, `transform`, `feature_extractor`, `head`, `core` and the chains of
    postprocessors.
    """

    core: Any
    _trained_on: tuple[str, ...]
    _compiled_with: dict[str, Any] | None

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

    @told
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
        valid = None if held_out is None else self._batches(held_out, batch_size or HELD_OUT_ROWS)
        batch_size = defaults.batch_size(rows.count) if batch_size is None else batch_size
        callbacks = loop.callbacks(kwargs.pop("callbacks", None))
        if epochs is None:
            epochs, more = defaults.length(self.core, rows.count, valid is not None, callbacks)
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
                callbacks=with_observers(callbacks),
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

    @told
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

    @told
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
        chained = self._chains()
        if not any(block.calibrates for chain in chained.values() for block in chain):
            warn("calibrate: no postprocessor of this model learns, nothing is done. Give it Temperature(), say.")
        for name, chain in chained.items():
            for block in chain:
                if block.calibrates:
                    held_out = self._batches(rows, HELD_OUT_ROWS)
                    with errors_of(held_out):
                        calibrate(self.core, self.head, chain, block, held_out.dataset, name=name, verbose=verbose)
        self._parts.graph = None
        self._keep_answers(rows)

    def keep_answers(self, data: Any) -> None:
        """Keep how the model answers rows that it was not trained on, for `blocks.evaluate.drift(model, rows)`.

        `calibrate` does so too. What is kept are means, distributions and labels that 5 rows have; training goes on
        without them.

        Args:
            data: A store's split, or rows.

        Raises:
            NotAdapted, StoreMismatch, BadTarget: As they say.
        """
        self._require_core("keep answers")
        self._keep_answers(training_rows(data))

    def _keep_answers(self, rows: TrainingRows) -> None:
        kept = self._adapted_rows
        kept.read_stored()
        if kept.reference is None:
            return
        batches = self._batches(rows, HELD_OUT_ROWS)
        with errors_of(batches):
            answers = kept_answers(
                {name: value.numpy() for name, value in self.graph.answers(features).items()}
                for features, *_ in batches.dataset
            )
        kept.reference = kept.reference.with_answers(answers, self._answering())

    def _answering(self) -> str:
        chained = [block for chain in self._chains().values() for block in chain]
        return f"{digest_of_last(self.core)} {fingerprint(*chained)}"

    def _batches(self, rows: TrainingRows, batch_size: int, *order: BatchOrder, training: bool = False) -> Batches:
        parts = self.preprocessor, self.head, lambda: self.transform
        if not training:
            batch_size = min(batch_size, self.preprocessor.spec.rows_of_images(HELD_OUT_IMAGE_BYTES) or batch_size)
        return rows.batches(*parts, batch_size, *order, training=training)
