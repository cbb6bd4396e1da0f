"""mlp-mnist: two layers against two layers on MNIST, cross-entropy on probabilities.

With ``pieces`` each of the discriminator's hidden units is a maxout of so many, as in the first GAN
(Goodfellow et al., 2014, section 5).
"""

from __future__ import annotations

from typing import Any

from ..gan import BinaryCrossEntropy, Game, Normal, Trainer
from ..nn import Dense, Flatten, Maxout, ReLU, Reshape, Sequential, Sigmoid
from ..optim import Adam
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data

SETTINGS: dict[str, Any] = {"steps": 6000, "batch": 100, "hidden": 128, "pieces": 0, "lr": 2e-4}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """100 → hidden → pixels → hidden → 1; Adam for both, alternating updates."""
    pixels = shape[0] * shape[1] * shape[2]
    hidden, pieces = settings["hidden"], settings["pieces"]
    judging = [Maxout(hidden, pieces)] if pieces else [Dense(hidden), ReLU()]
    generator = Sequential(Dense(hidden), ReLU(), Dense(pixels), Reshape(*shape), Sigmoid())
    discriminator = Sequential(Flatten(), *judging, Dense(1), Sigmoid())
    game = Game(generator, discriminator, BinaryCrossEntropy(), Normal(100))
    return Trainer(game, seed=seed, optimizers=Adam(settings["lr"]), device=device)
