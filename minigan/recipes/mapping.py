"""mapping: MNIST without labels, at its best: a mapping network before the generator, and R1.

Noise is one cloud and digits are ten. A generator that is little but transposed convolutions makes
a good part of its samples on the way from one digit to another. Dense layers before these bend the
cloud (Karras, Laine and Aila, 2019: a mapping network), and one in the discriminator sees the whole
image; few such samples are left. R1 (Mescheder, Geiger and Nowozin, 2018) keeps high rates stable.
"""

from __future__ import annotations

from typing import Any

from ..gan import R1, Game, Normal, Trainer
from ..nn import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    LeakyReLU,
    Module,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ..optim import Adam, Linear
from .dcgan_mnist import load_data as load_data
from .networks import scaled

SETTINGS: dict[str, Any] = {
    "steps": 4000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's, with dense layers of 1,024
    "lr": 2e-3,
    "penalty": 0.1,
    "average": 0.999,
}


def generator(shape: tuple[int, int, int], width: float) -> Sequential:
    """DCGAN's after two dense layers."""
    side, (dense, first, second) = shape[0] // 4, scaled(width, 1024, 256, 128)

    def normed(layer: Module) -> list[Module]:
        return [layer, BatchNorm(), ReLU()]

    return Sequential(
        *normed(Dense(dense, use_bias=False)),
        *normed(Dense(dense, use_bias=False)),
        *normed(Dense(side * side * first, use_bias=False)),
        Reshape(side, side, first),
        *normed(Conv2DTranspose(second, 5, 2, "same", use_bias=False)),
        Conv2DTranspose(shape[2], 5, 2, "same"),
        Tanh(),
    )


def discriminator(width: float) -> Sequential:
    """DCGAN's without batch norm, one more convolution, and a dense layer."""
    dense, first, second = scaled(width, 1024, 64, 128)
    return Sequential(
        Conv2D(first, 5, 2, "same"),
        LeakyReLU(0.2),
        Conv2D(second, 5, 2, "same"),
        LeakyReLU(0.2),
        Conv2D(second, 3, 1, "same"),
        LeakyReLU(0.2),
        Flatten(),
        Dense(dense),
        LeakyReLU(0.2),
        Dense(1),
    )


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Adam without momentum, its rate high at first and nothing in the end."""
    game = Game(
        generator(shape, settings["width"]),
        discriminator(settings["width"]),
        "non_saturating",
        Normal(100),
        cures=[R1(settings["penalty"])],
    )
    return Trainer(
        game,
        seed=seed,
        optimizers=Adam(Linear(settings["lr"], 0.0, settings["steps"]), beta1=0.0, beta2=0.9),
        average=settings["average"],
        device=device,
    )
