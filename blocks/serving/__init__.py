"""Serve: answers from exported SavedModels over HTTP, without the training code. Extra `serve`."""

from blocks.serving.application import Application, Limits, app

__all__ = ["Application", "Limits", "app"]
