"""dcgan-color: the DCGAN of dcgan-mnist on 28×28 colour pictures, with RMSprop."""

from __future__ import annotations

from typing import Any

from ..data import Images, load
from ..gan import Game, Normal, Trainer
from ..optim import RMSprop
from .dcgan_mnist import networks

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 128,
    "lr": 2e-4,
    "rho": 0.5,
    "fit": "resize",
}


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """The pictures in the folder or file ``path``, made 28×28 in colour."""
    if path is None:
        raise ValueError("data: dcgan-color needs colour pictures: name a folder with --data")
    return load(path, size=(28, 28), channels=3, fit=settings["fit"])


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Alternating updates, cross-entropy from logits, RMSprop for both."""
    game = Game(*networks(shape[2]), "non_saturating", Normal(100))
    rmsprop = RMSprop(settings["lr"], rho=settings["rho"])
    return Trainer(game, seed=seed, optimizers=rmsprop, device=device)
