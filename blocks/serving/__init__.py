"""Serve: answers from exported SavedModels over HTTP, without the training code. Extra `serve`."""

from blocks.serving.application import Application, app
from blocks.serving.model_server import Limits
from blocks.serving.prediction_log import PredictionLog

__all__ = ["Application", "Limits", "PredictionLog", "app"]
