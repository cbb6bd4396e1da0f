"""Generative adversarial networks: losses, cures, conditioning, the game, the trainer."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from .conditioning import Codes, Labels
from .cures import Cure, Turn
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
    RelativisticAverage,
    RelativisticPaired,
    Wasserstein,
)
from .records import Batch, Draw, Finding, Output, Report
from .sampling import sample
from .trainer import Trainer

if TYPE_CHECKING:
    from .augmentation import (
        AdaptiveAugment,
        Augmentation,
        Consistency,
        DiffAugment,
        InstanceNoise,
    )
    from .heads import Heads, Packed, Several
    from .penalties import (
        R1,
        R2,
        Dragan,
        GradientPenalty,
        LatentConsistency,
        LeCam,
        Orthogonal,
    )
    from .recognition import Classification, Information
    from .selection import HistoryPool, LabelFlip, TopK
    from .unrolled import Unrolled
    from .weights import HistoricalAveraging, WeightClipping
    from .wrapped import FeatureMatching, SeveralDiscriminators

_LATER = {
    "augmentation": (
        "AdaptiveAugment", "Augmentation", "Consistency", "DiffAugment", "InstanceNoise"
    ),
    "heads": ("Heads", "Packed", "Several"),
    "penalties": (
        "R1", "R2", "Dragan", "GradientPenalty", "LatentConsistency", "LeCam", "Orthogonal"
    ),
    "recognition": ("Classification", "Information"),
    "selection": ("HistoryPool", "LabelFlip", "TopK"),
    "unrolled": ("Unrolled",),
    "weights": ("HistoricalAveraging", "WeightClipping"),
    "wrapped": ("FeatureMatching", "SeveralDiscriminators"),
}  # fmt: skip
"""What is imported when it is first asked for, so that ``import minigan`` stays quick."""


def __getattr__(name: str) -> _Any:
    for module, names in _LATER.items():
        if name == module or name in names:
            found = _import_module(f"{__name__}.{module}")
            return found if name == module else getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_NOT_CURES = {"Augmentation", *_LATER["heads"], *_LATER["wrapped"]}

CURES = sorted(set().union(*_LATER.values()) - _NOT_CURES)
"""The names of all cures."""

__all__ = [
    "AdaptiveAugment",
    "Augmentation",
    "Batch",
    "BinaryCrossEntropy",
    "CURES",
    "Classification",
    "Codes",
    "Consistency",
    "Cure",
    "DiffAugment",
    "Dragan",
    "Draw",
    "FeatureMatching",
    "Finding",
    "Game",
    "GradientPenalty",
    "Heads",
    "Hinge",
    "HistoricalAveraging",
    "HistoryPool",
    "Information",
    "InstanceNoise",
    "LOSSES",
    "LabelFlip",
    "Labels",
    "Latent",
    "LatentConsistency",
    "LeCam",
    "LeastSquares",
    "Loss",
    "Minimax",
    "NonSaturating",
    "Normal",
    "Orthogonal",
    "Output",
    "Packed",
    "R1",
    "R2",
    "RelativisticAverage",
    "RelativisticPaired",
    "Report",
    "SavedGenerator",
    "Several",
    "SeveralDiscriminators",
    "TopK",
    "Trainer",
    "Turn",
    "Uniform",
    "Unrolled",
    "Wasserstein",
    "WeightClipping",
    "load_generator",
    "sample",
    "save_generator",
]


def __dir__() -> list[str]:
    return __all__
