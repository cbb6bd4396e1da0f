"""infogan: kinds of digits found without labels, as codes in the noise (Chen et al., 2016)."""

from __future__ import annotations

from typing import Any

from ..gan import Codes, Game, Heads, Information, Trainer
from ..nn import Dense, LeakyReLU, Sequential
from ..optim import Adam
from .dcgan_mnist import load_data as load_data
from .networks import body, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's
    "continuous": 0.5,  # the weight of the two continuous codes
    "lr": 2e-4,
    "generator_lr": 1e-3,  # the paper's pair
    "beta1": 0.5,
    "average": 0.99,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """62 numbers of noise, one code of ten classes, two continuous ones; Q shares D's body."""
    latent = Codes(62, (10,), 2)
    codes = Sequential(Dense(128), LeakyReLU(0.1), Dense(12))
    game = Game(
        generator(shape, scaled(settings["width"], 256, 128)),
        Heads(Sequential(*body(scaled(settings["width"], 64, 128))), Dense(1), codes=codes),
        "non_saturating",
        latent,
        cures=[Information(1.0, settings["continuous"])],
    )
    rates = settings["generator_lr"], settings["lr"]
    pair = [Adam(rate, beta1=settings["beta1"]) for rate in rates]
    return Trainer(
        game,
        seed=seed,
        optimizers=(pair[0], pair[1]),
        average=settings["average"],
        device=device,
    )
