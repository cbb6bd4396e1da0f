"""dcgan-mnist: a DCGAN on 28×28 grey images, both networks updated from one forward pass.

The networks of TensorFlow's DCGAN tutorial, whose update is simultaneous. Its Adam (rate 1e-4, β₁
0.9) is not kept: moving at once with momentum, the two orbit each other (Gidel et al., 2019), and
samples are still poor after 3,000 steps. Without momentum a higher rate is stable.
"""

from __future__ import annotations

from typing import Any

from ..data import Images, find_mnist, load, mnist
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
    "steps": 3000,
    "batch": 128,
    "lr": 4e-4,
    "beta1": 0.0,
    "update": "simultaneous",
    "average": 0.999,  # of the generator's weights, for samples
}


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """MNIST's training images, or what ``path`` holds, as 28×28 grey images."""
    if path is None:
        return mnist(find_mnist())
    return load(path, size=(28, 28), channels=1)


def networks(channels: int) -> tuple[Sequential, Sequential]:
    """Generator (100 numbers to 28×28) and discriminator, in full width."""
    generator = Sequential(
        Dense(7 * 7 * 256, use_bias=False),
        BatchNorm(),
        LeakyReLU(0.3),
        Reshape(7, 7, 256),
        Conv2DTranspose(128, 5, 1, "same", use_bias=False),
        BatchNorm(),
        LeakyReLU(0.3),
        Conv2DTranspose(64, 5, 2, "same", use_bias=False),
        BatchNorm(),
        LeakyReLU(0.3),
        Conv2DTranspose(channels, 5, 2, "same", use_bias=False),
        Tanh(),
    )
    discriminator = Sequential(
        Conv2D(64, 5, 2, "same"),
        LeakyReLU(0.3),
        Dropout(0.3),
        Conv2D(128, 5, 2, "same"),
        LeakyReLU(0.3),
        Dropout(0.3),
        Flatten(),
        Dense(1),
    )
    return generator, discriminator


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Cross-entropy from logits, its two terms summed; Adam for both."""
    game = Game(*networks(shape[2]), "non_saturating", Normal(100))
    return Trainer(
        game,
        seed=seed,
        optimizers=Adam(settings["lr"], beta1=settings["beta1"]),
        update=settings["update"],
        average=settings["average"],
        device=device,
    )
