"""Answers to more answers, inside the exported graph, one block a file."""

from blocks.postprocessors.abstain import Abstain
from blocks.postprocessors.clip import Clip
from blocks.postprocessors.conformal_interval import ConformalInterval
from blocks.postprocessors.conformal_set import ConformalSet
from blocks.postprocessors.isotonic import Isotonic
from blocks.postprocessors.labels import Labels
from blocks.postprocessors.round import Round
from blocks.postprocessors.temperature import Temperature
from blocks.postprocessors.threshold import Threshold
from blocks.postprocessors.top_k import TopK
from blocks.postprocessors.units import Units
from blocks.postprocessors.vector_scaling import VectorScaling

__all__ = [
    "Abstain",
    "Clip",
    "ConformalInterval",
    "ConformalSet",
    "Isotonic",
    "Labels",
    "Round",
    "Temperature",
    "Threshold",
    "TopK",
    "Units",
    "VectorScaling",
]
