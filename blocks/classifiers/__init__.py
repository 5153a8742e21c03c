"""Heads that tell classes apart, one block a file; free of any backend."""

from blocks.classifiers.softmax import Softmax

__all__ = ["Softmax"]
