"""The roles and the contract of a block; no block lives here.

    keras.layers.Layer
    +-- Block
        +-- Preprocessor        raw values -> features                      learns statistics
        +-- FeatureExtractor    packed features -> a representation         trained; may learn from features
        +-- Head                a representation -> predictions             knows target, loss, metrics, answers
        |   +-- Classifier
        |   +-- Regressor
        +-- Postprocessor       answers -> more answers                     calibrated

A block is a final class directly below one of the five roles. What it learns from data is *state*: a dict of NumPy
arrays that `learn` computes from statistics, without touching the block, and `restore` puts into effect. The same dict
is what `.keras` files, fingerprints and copies hold, so nothing learned can be forgotten by a reload.
"""

from blocks.block.base import Block, State, fingerprint, usable, without_names
from blocks.block.classifier import Classifier
from blocks.block.column_chunk import ColumnChunk, observations
from blocks.block.feature_extractor import FeatureExtractor, number_names
from blocks.block.head import Head
from blocks.block.postprocessor import AnswerChunk, Postprocessor
from blocks.block.preprocessor import Preprocessor, emit
from blocks.block.regressor import Regressor

__all__ = [
    "AnswerChunk",
    "Block",
    "Classifier",
    "ColumnChunk",
    "FeatureExtractor",
    "Head",
    "Postprocessor",
    "Preprocessor",
    "Regressor",
    "State",
    "emit",
    "fingerprint",
    "number_names",
    "observations",
    "usable",
    "without_names",
]
