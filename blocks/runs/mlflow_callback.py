"""A Keras callback that logs a run to MLflow as well; loaded when it is asked for, and needs `mlflow`."""

from collections.abc import Mapping
from typing import Any

import keras

from blocks.runs.recording import Recording


class MLflow(keras.callbacks.Callback):
    """Log a run's configuration and each epoch's metrics to an MLflow server or database.

    `run.json` and `events.jsonl` stay the record; this is for those who look at MLflow's pages. The MLflow run carries
    the id of ours in the tag `blocks.run`, and the state of its commit in `mlflow.source.git.commit`.

    Args:
        run: What `blocks.runs.record` gave.
        tracking_uri: As of `mlflow.set_tracking_uri`: "sqlite:///mlflow.db", say.
        experiment: Its name.

    Raises:
        ImportError: mlflow is not installed: `pip install 'ml-blocks[mlflow]'`.
    """

    def __init__(self, run: Recording, tracking_uri: str, experiment: str = "blocks") -> None:
        super().__init__()
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise ImportError("Logging to MLflow needs its package: pip install 'ml-blocks[mlflow]'.") from error
        self._client = MlflowClient(tracking_uri)
        found = self._client.get_experiment_by_name(experiment)
        number = self._client.create_experiment(experiment) if found is None else found.experiment_id
        about = run.about()
        tags = {"blocks.run": run.id, "mlflow.source.git.commit": str(about["code"]["commit"] or "")}
        self._id = self._client.create_run(number, run_name=about["name"] or run.id, tags=tags).info.run_id
        for name, value in _flat(about["configuration"] or {}):
            self._client.log_param(self._id, name, str(value)[:6000])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log an epoch's metrics."""
        for name, value in (logs or {}).items():
            self._client.log_metric(self._id, name, float(value), step=epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Say that it has ended."""
        self._client.set_terminated(self._id)


def _flat(values: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, value in values.items():
        found += _flat(value, f"{path}{name}.") if isinstance(value, Mapping) else [(f"{path}{name}", value)]
    return found
