"""Heads that tell classes apart, one block a file; free of any backend."""

from blocks.classifiers.ordinal import Ordinal
from blocks.classifiers.sigmoid import Sigmoid
from blocks.classifiers.softmax import Softmax

__all__ = ["Ordinal", "Sigmoid", "Softmax"]
