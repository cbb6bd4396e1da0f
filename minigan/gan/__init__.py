"""Generative adversarial networks: losses, the game, the trainer."""

from .files import SavedGenerator, load_generator, save_generator
from .game import Game
from .latent import Latent, Normal, Uniform
from .losses import (
    LOSSES,
    BinaryCrossEntropy,
    Hinge,
    LeastSquares,
    Loss,
    Minimax,
    NonSaturating,
    Wasserstein,
)
from .records import Batch, Draw, Output, Report
from .sampling import sample
from .trainer import Trainer

__all__ = [
    "Batch",
    "BinaryCrossEntropy",
    "Draw",
    "Game",
    "Hinge",
    "LOSSES",
    "Latent",
    "LeastSquares",
    "Loss",
    "Minimax",
    "NonSaturating",
    "Normal",
    "Output",
    "Report",
    "SavedGenerator",
    "Trainer",
    "Uniform",
    "Wasserstein",
    "load_generator",
    "sample",
    "save_generator",
]
