"""Serve: answers from exported SavedModels over HTTP, without the training code. Extra `serve`."""

from blocks.serving.application import Application, app
from blocks.serving.model_server import Limits

__all__ = ["Application", "Limits", "app"]
