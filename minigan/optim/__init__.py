"""Optimisers, learning-rate schedules, gradient clipping and weight averaging."""

from .average import MovingAverage
from .clipping import clip_by_norm, clip_by_value, norm
from .optimizer import Optimizer
from .optimizers import SGD, Adam, RMSprop
from .schedules import Cosine, Exponential, Linear, Schedule, Steps, Warmup

__all__ = [
    "Adam",
    "Cosine",
    "Exponential",
    "Linear",
    "MovingAverage",
    "Optimizer",
    "RMSprop",
    "SGD",
    "Schedule",
    "Steps",
    "Warmup",
    "clip_by_norm",
    "clip_by_value",
    "norm",
]
