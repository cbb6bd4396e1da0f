"""digits: a small DCGAN on 1,437 real handwritten digits of 8×8 pixels (Radford et al., 2016)."""

from __future__ import annotations

from typing import Any

from ..data import Images, digits
from ..gan import Game, Normal, Trainer
from ..nn import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ..optim import Adam

SETTINGS: dict[str, Any] = {
    "steps": 2000,
    "batch": 64,
    "latent": 8,  # few: a larger one leaves more between the digits
    "width": 32,
    "loss": "hinge",
    "lr": 1e-3,
    "beta1": 0.0,
    "dropout": 0.5,  # against learning 1,437 pictures by heart
    "average": 0.999,
}
HELD_OUT = 360


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """The digits to train on; the others are held out for judging."""
    if path is not None:
        from ..data import load

        return load(path, size=(8, 8), channels=1)
    return digits().split(HELD_OUT, seed=0)[0]


def held_out() -> Images:
    """The package's digits that nothing is learned from."""
    return digits().split(HELD_OUT, seed=0)[1]


def networks(
    settings: dict[str, Any], shape: tuple[int, int, int]
) -> tuple[Sequential, Sequential]:
    """Generator and discriminator for 8×8 images."""
    w = settings["width"]
    generator = Sequential(
        Dense(4 * 4 * 2 * w, use_bias=False),
        BatchNorm(),
        LeakyReLU(0.2),
        Reshape(4, 4, 2 * w),
        Conv2DTranspose(w, 4, 2, "same", use_bias=False),
        BatchNorm(),
        LeakyReLU(0.2),
        Conv2D(shape[2], 3, 1, "same"),
        Tanh(),
    )
    discriminator = Sequential(
        Conv2D(w, 3, 1, "same"),
        LeakyReLU(0.2),
        Conv2D(2 * w, 4, 2, "same"),
        LeakyReLU(0.2),
        Dropout(settings["dropout"]),
        Conv2D(4 * w, 4, 2, "same"),
        LeakyReLU(0.2),
        Dropout(settings["dropout"]),
        Flatten(),
        Dense(1),
    )
    return generator, discriminator


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Alternating updates, Adam for both, samples from averaged weights."""
    generator, discriminator = networks(settings, shape)
    game = Game(generator, discriminator, settings["loss"], Normal(settings["latent"]))
    adam = Adam(settings["lr"], beta1=settings["beta1"])
    return Trainer(game, seed=seed, optimizers=adam, average=settings["average"], device=device)
