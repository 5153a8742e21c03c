"""Answers to more answers, inside the exported graph, one block a file."""

from blocks.postprocessors.labels import Labels
from blocks.postprocessors.temperature import Temperature

__all__ = ["Labels", "Temperature"]
