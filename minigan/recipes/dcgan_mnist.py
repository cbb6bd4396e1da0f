"""dcgan-mnist: a DCGAN on 28×28 grey images.

The networks and the loss of TensorFlow's DCGAN tutorial. Its update (both networks at once, from
one forward pass) and its Adam (rate 1e-4, β₁ 0.9) are not kept: moving at once with momentum, the
two orbit each other (Gidel et al., 2019), and samples are still poor after 3,000 steps. In turn and
without momentum a higher rate is stable, and lowering it in the end lets the two settle. To do as
the tutorial does: ``--set update=simultaneous --set lr=1e-4 --set beta1=0.9 --set falls=1``.
"""

from __future__ import annotations

from typing import Any

from ..data import Images, find_mnist, load, mnist
from ..data.idx import mnist_test_set
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
from ..optim import Adam, Steps

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 128,
    "lr": 4e-4,
    "falls": 0.3,  # what the rate is multiplied by at each of FALLS
    "beta1": 0.0,
    "update": "alternating",
    "average": 0.999,  # of the generator's weights, for samples
}
FALLS = (2000, 2600)
"""The steps at which the learning rate falls."""


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """MNIST's training images, or what ``path`` holds, as 28×28 grey images."""
    if path is None:
        return mnist(find_mnist())
    return load(path, size=(28, 28), channels=1)


def held_out() -> Images | None:
    """MNIST's test images, where they lie beside the others."""
    return mnist_test_set(find_mnist())


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
    if settings["falls"] < 0:
        raise ValueError(f"falls: got {settings['falls']}, wanted a number that is not negative")
    rate = Steps(settings["lr"], FALLS, settings["falls"])
    return Trainer(
        Game(*networks(shape[2]), "non_saturating", Normal(100)),
        seed=seed,
        optimizers=Adam(rate, beta1=settings["beta1"]),
        update=settings["update"],
        average=settings["average"],
        device=device,
    )
