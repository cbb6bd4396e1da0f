"""infogan: kinds of digits found without labels, as codes in the noise (Chen et al., 2016).

On the networks of the recipe ``mapping``, which have dense layers as the paper's do.
"""

from __future__ import annotations

from typing import Any

from ..gan import R1, Codes, Game, Heads, Information, Trainer
from ..nn import Dense, LeakyReLU, Sequential
from .dcgan_mnist import load_data as load_data
from .mapping import features, generator, rate

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's, with dense layers of 1,024
    "continuous": 0.5,  # the weight of the two continuous codes
    "lr": 2e-3,
    "penalty": 0.1,
    "average": 0.999,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """62 numbers of noise, one code of ten classes, two continuous ones; Q shares D's body."""
    codes = Sequential(Dense(128), LeakyReLU(0.1), Dense(12))
    game = Game(
        generator(shape, settings["width"]),
        Heads(features(settings["width"]), Dense(1), codes=codes),
        "non_saturating",
        Codes(62, (10,), 2),
        cures=[R1(settings["penalty"]), Information(1.0, settings["continuous"])],
    )
    return Trainer(
        game,
        seed=seed,
        optimizers=rate(settings),
        average=settings["average"],
        device=device,
    )
