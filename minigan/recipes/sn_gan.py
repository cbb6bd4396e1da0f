"""sn-gan: residual networks, the discriminator's under spectral normalisation, hinge loss.

(Miyato, Kataoka, Koyama and Yoshida, 2018, table 4, for 28×28 images: 7×7 doubled twice in G, where
the paper has 4×4 doubled three times; D's blocks are the paper's.) With ``attention`` both have
self-attention between their blocks, as SAGAN has (Zhang, Goodfellow, Metaxas and Odena, 2019).
"""

from __future__ import annotations

from typing import Any

from ..gan import Game, Normal, Trainer
from ..nn import (
    AveragePooling2D,
    BatchNorm,
    Conv2D,
    Dense,
    GlobalSumPooling2D,
    Module,
    ReLU,
    Reshape,
    Residual,
    SelfAttention,
    Sequential,
    Tanh,
    UpSampling2D,
)
from ..optim import Adam, Linear
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .networks import scaled, spectral

SETTINGS: dict[str, Any] = {
    "steps": 1500,
    "batch": 64,
    "width": 0.25,  # 1 is the published one, 256 channels in G and 128 in D
    "attention": False,
    "lr": 4e-4,
    "discriminator_lr": 8e-4,
    "average": 0.999,
}


def up(channels: int) -> Module:
    """A generator's block: batch norm, ReLU, twice the side, two convolutions; and a shortcut."""
    branch = Sequential(
        BatchNorm(), ReLU(), UpSampling2D(2), Conv2D(channels, 3, 1, "same"),
        BatchNorm(), ReLU(), Conv2D(channels, 3, 1, "same"),
    )  # fmt: skip
    return Residual(branch, Sequential(UpSampling2D(2), Conv2D(channels, 1)))


def down(channels: int, first: bool = False, pool: bool = True) -> Module:
    """A discriminator's block, normalised spectrally; the first one has no ReLU before it."""
    halve: list[Module] = [AveragePooling2D(2)] if pool else []
    branch: list[Module] = [] if first else [ReLU()]
    branch += [spectral(Conv2D(channels, 3, 1, "same")), ReLU()]
    branch += [spectral(Conv2D(channels, 3, 1, "same")), *halve]
    if not (first or pool):
        return Residual(Sequential(*branch))
    return Residual(Sequential(*branch), Sequential(spectral(Conv2D(channels, 1)), *halve))


def networks(
    shape: tuple[int, int, int], width: float, attention: bool
) -> tuple[Sequential, Sequential]:
    """Generator and discriminator for images whose side is a multiple of 4."""
    side = shape[0] // 4
    (wide,), (narrow,) = scaled(width, 256), scaled(width, 128)
    generator = Sequential(
        Dense(side * side * wide), Reshape(side, side, wide),
        up(wide), *([SelfAttention()] if attention else []), up(wide),
        BatchNorm(), ReLU(), Conv2D(shape[2], 3, 1, "same"), Tanh(),
    )  # fmt: skip
    discriminator = Sequential(
        down(narrow, first=True), *([SelfAttention(spectral=True)] if attention else []),
        down(narrow), down(narrow, pool=False), down(narrow, pool=False), ReLU(),
        GlobalSumPooling2D(), spectral(Dense(1)),
    )  # fmt: skip
    return generator, discriminator


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """One step each at two rates (Heusel et al., 2017), which fall to nothing in the end."""
    both = networks(shape, settings["width"], settings["attention"])
    game = Game(*both, "hinge", Normal(128))
    optimizers = [
        Adam(Linear(settings[name], 0.0, settings["steps"]), beta1=0.0, beta2=0.9)
        for name in ("lr", "discriminator_lr")
    ]
    return Trainer(
        game,
        seed=seed,
        optimizers=(optimizers[0], optimizers[1]),
        average=settings["average"],
        device=device,
    )
