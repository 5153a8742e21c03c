"""Packed features to a representation, one block a file; free of any backend."""

from blocks.feature_extractors.mlp import MLP
from blocks.feature_extractors.wrapped import Keras

__all__ = ["MLP", "Keras"]
