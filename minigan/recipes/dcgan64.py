"""dcgan64: DCGAN at 64×64 in colour, as published but for its width (Radford et al., 2016)."""

from __future__ import annotations

from typing import Any

from ..data import Images, load
from ..gan import Game, Normal, Trainer
from ..nn import Normal as NormalWeights
from ..optim import Adam
from .networks import discriminator, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,  # published: 128
    "width": 0.25,  # 1 is the published one: 1024 channels at most
    "lr": 2e-4,
    "beta1": 0.5,
    "fit": "resize",
    "average": 0.999,
}


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """The pictures in the folder or file ``path``, made 64×64 in colour."""
    if path is None:
        raise ValueError("data: dcgan64 needs pictures: name a folder with --data")
    return load(path, size=(64, 64), channels=3, fit=settings["fit"])


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Batch norm in both networks, weights from N(0, 0.02²), Adam with β₁ 0.5."""
    init, width = NormalWeights(std=0.02), settings["width"]
    game = Game(
        generator(shape, scaled(width, 1024, 512, 256, 128), init=init),
        discriminator(scaled(width, 128, 256, 512, 1024), norm=True, init=init),
        "non_saturating",
        Normal(100),
    )
    adam = Adam(settings["lr"], beta1=settings["beta1"])
    return Trainer(game, seed=seed, optimizers=adam, average=settings["average"], device=device)
