"""projection: the digit told by batch norms and a projection (Miyato and Koyama, 2018)."""

from __future__ import annotations

from typing import Any

from ..gan import Game, Labels, Normal, Trainer
from ..nn import (
    ConditionalBatchNorm,
    Conv2DTranspose,
    Dense,
    Module,
    Projection,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from ..optim import Adam, Linear
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .networks import body, class_count, scaled, spectral

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's
    "classes": 10,
    "lr": 1e-3,
    "discriminator_lr": 2e-3,
    "average": 0.999,
}


def generator(shape: tuple[int, int, int], widths: list[int], classes: int) -> Sequential:
    """DCGAN's, each batch norm with a scale and a shift for every class."""
    side, (first, second) = shape[0] // 4, widths
    layers: list[Module] = [
        Dense(side * side * first, use_bias=False),
        Reshape(side, side, first),
        ConditionalBatchNorm(classes),
        ReLU(),
        Conv2DTranspose(second, 5, 2, "same", use_bias=False),
        ConditionalBatchNorm(classes),
        ReLU(),
        Conv2DTranspose(shape[2], 5, 2, "same"),
        Tanh(),
    ]
    return Sequential(*layers)


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Hinge loss, spectral normalisation in the discriminator, Adam without momentum.

    The rates are high, as the discriminator's slope is bounded, and fall to nothing in the end.
    """
    classes = class_count(settings)
    game = Game(
        generator(shape, scaled(settings["width"], 256, 128), classes),
        Sequential(
            *body(scaled(settings["width"], 64, 128), spectral), Projection(classes, spectral=True)
        ),
        "hinge",
        Normal(100),
        conditioning=Labels(classes),
    )
    generator_adam, discriminator_adam = (
        Adam(Linear(settings[name], 0.0, settings["steps"]), beta1=0.0, beta2=0.9)
        for name in ("lr", "discriminator_lr")
    )
    return Trainer(
        game,
        seed=seed,
        optimizers=(generator_adam, discriminator_adam),
        average=settings["average"],
        device=device,
    )
