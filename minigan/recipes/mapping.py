"""mapping: MNIST without labels, at its best: a mapping network, codes, and R1.

Noise is one cloud and digits are ten, so a part of all samples lies on the way from one digit to
another. Dense layers before the convolutions bend the cloud (Karras, Laine and Aila, 2019), and one
in the discriminator sees the whole image. What is left goes where codes make many clouds of one:
told which of 50 it is to make, and that the discriminator shall find it (Chen et al., 2016), the
generator gives each a kind of digit. With ten, too many would go to one digit. R1 (Mescheder,
Geiger and Nowozin, 2018) keeps high learning rates stable; they stay high, so that codes go on
changing digits until each has its share, and the average of the weights is what is sharp.
"""

from __future__ import annotations

from typing import Any

from ..gan import R1, Codes, Game, Heads, Information, Trainer
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
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .networks import scaled

SETTINGS: dict[str, Any] = {
    "steps": 4000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's, with dense layers of 1,024
    "lr": 2e-3,
    "last_lr": 1e-3,
    "penalty": 0.1,
    "codes": 50,
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


def features(width: float) -> Sequential:
    """The discriminator up to its logit: DCGAN's, one more convolution, and a dense layer."""
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
    )


def coded_trainer(
    settings: dict[str, Any],
    shape: tuple[int, int, int],
    seed: int,
    device: str,
    latent: Codes,
    information: Information,
) -> Trainer:
    """One logit on the features, and the codes; R1 on real images, Adam without momentum."""
    codes = Sequential(Dense(128), LeakyReLU(0.1), Dense(latent.size - latent.noise))
    game = Game(
        generator(shape, settings["width"]),
        Heads(features(settings["width"]), Dense(1), codes=codes),
        "non_saturating",
        latent,
        cures=[R1(settings["penalty"]), information],
    )
    return Trainer(
        game,
        seed=seed,
        optimizers=Adam(
            Linear(settings["lr"], settings["last_lr"], settings["steps"]), beta1=0.0, beta2=0.9
        ),
        average=settings["average"],
        device=device,
    )


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """62 numbers of noise, and one code."""
    latent = Codes(62, (settings["codes"],), 0)
    return coded_trainer(settings, shape, seed, device, latent, Information())
