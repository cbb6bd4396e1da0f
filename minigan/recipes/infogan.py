"""infogan: kinds of digits found without labels, as codes in the noise (Chen et al., 2016).

On the networks of the recipe ``mapping``, which have dense layers as the paper's do.
"""

from __future__ import annotations

from typing import Any

from ..gan import Codes, Information, Trainer
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .mapping import coded_trainer

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's, with dense layers of 1,024
    "continuous": 0.5,  # the weight of the two continuous codes
    "lr": 2e-3,
    "last_lr": 0.0,
    "penalty": 0.1,
    "average": 0.999,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """62 numbers of noise, one code of ten classes, two continuous ones; Q shares D's body."""
    information = Information(1.0, settings["continuous"])
    return coded_trainer(settings, shape, seed, device, Codes(62, (10,), 2), information)
