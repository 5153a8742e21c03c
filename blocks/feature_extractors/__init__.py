"""Packed features to a representation, one block a file; free of any backend.

`numeric` holds the embeddings of numbers that are an option of all that take numbers.
"""

from blocks.feature_extractors.conv_net import ConvNet
from blocks.feature_extractors.d_linear import DLinear
from blocks.feature_extractors.dcn import DCN
from blocks.feature_extractors.embedding_bag import EmbeddingBag
from blocks.feature_extractors.ensemble import Ensemble
from blocks.feature_extractors.ft_transformer import FTTransformer
from blocks.feature_extractors.gru import GRU
from blocks.feature_extractors.joined import Joined
from blocks.feature_extractors.mlp import MLP
from blocks.feature_extractors.patch_transformer import PatchTransformer
from blocks.feature_extractors.periodic_embeddings import PeriodicEmbeddings
from blocks.feature_extractors.piecewise_linear_embeddings import PiecewiseLinearEmbeddings
from blocks.feature_extractors.resnet import ResNet
from blocks.feature_extractors.reversible_norm import ReversibleNorm
from blocks.feature_extractors.tabm import TabM
from blocks.feature_extractors.tcn import TCN
from blocks.feature_extractors.text_cnn import TextCNN
from blocks.feature_extractors.text_transformer import TextTransformer
from blocks.feature_extractors.tower import Tower
from blocks.feature_extractors.wide_deep import WideDeep
from blocks.feature_extractors.wrapped import Keras

__all__ = [
    "DCN",
    "GRU",
    "MLP",
    "TCN",
    "ConvNet",
    "DLinear",
    "EmbeddingBag",
    "Ensemble",
    "FTTransformer",
    "Joined",
    "Keras",
    "PatchTransformer",
    "PeriodicEmbeddings",
    "PiecewiseLinearEmbeddings",
    "ResNet",
    "ReversibleNorm",
    "TabM",
    "TextCNN",
    "TextTransformer",
    "Tower",
    "WideDeep",
]
