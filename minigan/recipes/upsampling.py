"""upsampling: a GAN for colour photographs that enlarges by repeating pixels, 28 to 256 pixels.

The number of doublings follows from the image size: 28 = 7·2², 64 = 8·2³ and 256 = 8·2⁵. In the
discriminator batch norm comes before the activation; in the generator after it.
"""

from __future__ import annotations

from typing import Any

from ..data import Images, load
from ..gan import BinaryCrossEntropy, Game, Trainer, Uniform
from ..nn import (
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    LeakyReLU,
    Module,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
    UpSampling2D,
)
from ..optim import Adam

SETTINGS: dict[str, Any] = {
    "steps": 2000,
    "batch": 32,
    "size": 28,
    "lr": 2e-4,
    "beta1": 0.5,
    "fit": "crop",
}


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """The pictures in the folder or file ``path``, made square in colour."""
    if path is None:
        raise ValueError("data: upsampling needs pictures: name a folder with --data")
    base_and_doublings(settings["size"])  # says so before a long load, if no network can make it
    size = (settings["size"], settings["size"])
    return load(path, size=size, channels=3, fit=settings["fit"])


def base_and_doublings(size: int) -> tuple[int, int]:
    """The side of the first map, 4 to 8 pixels, and how often it is doubled to make ``size``."""
    base, doublings = size, 0
    while base > 8 and base % 2 == 0:
        base, doublings = base // 2, doublings + 1
    if not 4 <= base <= 8 or doublings < 1:
        raise ValueError(
            f"size: {size} is not 4 to 8 pixels doubled some times; try 28, 32, 48, 64, 128 or 256"
        )
    return base, doublings


def networks(size: int, channels: int) -> tuple[Sequential, Sequential]:
    """Generator and discriminator for images of that size."""
    base, doublings = base_and_doublings(size)
    enlarge: list[Module] = []
    for _ in range(doublings):
        enlarge += [
            UpSampling2D(2),
            Conv2D(128, 3, 1, "same"),
            LeakyReLU(0.2),
            BatchNorm(decay=0.8),
        ]
    generator = Sequential(
        Dense(base * base * 128),
        LeakyReLU(0.2),
        BatchNorm(decay=0.8),
        Reshape(base, base, 128),
        *enlarge,
        Conv2D(channels, 3, 1, "same"),
        Tanh(),
    )
    judge: list[Module] = [Conv2D(64, 3, 1, "same"), LeakyReLU(0.2)]
    for filters in (128, 256, 512):
        # Batch norm before the activation. After it, the pooled maps would have the same mean on
        # any batch, real or fake, and the discriminator could learn nothing.
        judge += [Conv2D(filters, 3, 1, "same"), BatchNorm(decay=0.8), LeakyReLU(0.2)]
    discriminator = Sequential(*judge, GlobalAveragePooling2D(), Dense(1), Sigmoid())
    return generator, discriminator


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Cross-entropy on probabilities, the discriminator's two terms averaged; alternating."""
    game = Game(*networks(shape[0], shape[2]), BinaryCrossEntropy(mean_of_terms=True), Uniform(100))
    adam = Adam(settings["lr"], beta1=settings["beta1"])
    return Trainer(game, seed=seed, optimizers=adam, device=device)
