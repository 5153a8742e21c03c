"""A Keras callback that writes a run's metrics as TensorBoard reads them; TensorFlow alone is needed to write them."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

_SCALARS = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
)


class TensorBoard(keras.callbacks.Callback):
    """Write each epoch's metrics, as Keras' own callback does, which needs TensorBoard itself to be installed.

    Args:
        folder: The metrics of training go to `train` in it, those of held-out rows to `validation`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write an epoch's metrics."""
        for name, value in (logs or {}).items():
            part = "validation" if name.startswith("val_") else "train"
            if part not in self._writers:
                self._writers[part] = tf.summary.create_file_writer(str(self._folder / part))
            with self._writers[part].as_default():
                tag = f"epoch_{name.removeprefix('val_')}"
                tf.summary.write(tag, tf.constant(float(value), tf.float32), step=epoch, metadata=_SCALARS)
        for writer in self._writers.values():  # what a kill leaves is whole
            writer.flush()
