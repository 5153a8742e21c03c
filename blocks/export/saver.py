"""Saver: a model into files: its `.keras` file, its weights, its SavedModel."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import keras

from blocks.arguments import checked_methods
from blocks.errors import InvalidArgument
from blocks.export.adapted_rows_files import stored_reference, write_reference
from blocks.export.keras_file import write_keras_file
from blocks.export.onnx_packages import onnx_module
from blocks.export.savedmodel import export
from blocks.inspection.adapted_rows import AdaptedRows, KeepsAdaptedRows
from blocks.training.observers import told


@checked_methods()
class Saver(KeepsAdaptedRows, keras.Model):
    """What a `blocks.Model` is saved by; of its parts it uses `core`, `graph` and what is kept of the rows."""

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

    @told
    def export(self, path: str | os.PathLike[str], *, format: str = "savedmodel", golden: Any = None) -> None:
        """Write one SavedModel that needs TensorFlow alone, with what `blocks.verify` replays beside it; or ONNX.

        An ONNX file is what plain onnxruntime runs, raw columns to answers by their own names. It is kept if it gives
        the golden rows' answers: labels are equal, probabilities within 1e-6, a regressor's numbers within 1e-5 of its
        target's standard deviation. Blocks that compute what ONNX has no operation for are refused by its name.

        Args:
            path: The folder; TensorFlow Serving wants its name to be a number. Of ONNX, the file. It must not exist.
            format: "savedmodel", or "onnx", which needs `pip install 'ml-blocks[onnx]'`.
            golden: Rows to keep as examples with their expected features and answers, or to compare an ONNX file on;
                made up from what was learned unless given.

        Raises:
            ImportError: The packages that ONNX needs are not installed.
            NotAdapted, NotExportable, InvalidArgument: As they say.
        """
        if format not in ("savedmodel", "onnx"):
            raise InvalidArgument(f"The format of an export is 'savedmodel' or 'onnx'. Received: {format!r}.")
        self._require_core("export")
        self._warn_untrained("export")
        rows = AdaptedRows(self.schema, self.splits, self.drift_reference)
        write = export if format == "savedmodel" else onnx_module("onnx_file").write_onnx
        write(self.graph, path, golden=golden, fitted=self.fitted, rows=rows)

    @told
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

    def save_assets(self, path: str | os.PathLike[str]) -> None:
        """Write what drift is told from; Keras calls this as it saves."""
        write_reference(AdaptedRows(reference=self.drift_reference), Path(path))

    def load_assets(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_assets` wrote."""
        self._adapted_rows.stored = stored_reference(Path(path))

    def get_compile_config(self) -> dict[str, Any] | None:
        """The core's, so that training goes on after a reload."""
        return None if self._parts.core is None else self.core.get_compile_config()

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the core as it was."""
        if self._parts.core is not None:
            self.core.compile_from_config(config)
