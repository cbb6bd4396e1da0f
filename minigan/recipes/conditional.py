"""conditional: both networks told the digit, or neither; noise normal or uniform.

The losses of Goodfellow et al. (2014): ``--set loss=minimax`` for the first, the default for the
other; labels as in Mirza and Osindero (2014).
"""

from __future__ import annotations

from typing import Any

from ..gan import Game, Labels, Latent, Normal, Trainer, Uniform
from ..nn import LabelConcat, Sequential
from ..optim import Adam, Linear
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .networks import class_count, discriminator, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's
    "labels": True,
    "classes": 10,
    "noise": "normal",
    "loss": "non_saturating",
    "lr": 1e-3,
    "beta1": 0.0,
    "average": 0.999,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """The label one-hot beside the noise, and as ten more channels of the image.

    Adam without momentum stands a high rate, which falls to nothing in the end.
    """
    latents: dict[str, Latent] = {"normal": Normal(100), "uniform": Uniform(100)}
    if settings["noise"] not in latents:
        raise ValueError(f'noise: got {settings["noise"]!r}, wanted "normal" or "uniform"')
    told, classes, width = settings["labels"], class_count(settings), settings["width"]
    judge = discriminator(scaled(width, 64, 128))
    game = Game(
        generator(shape, scaled(width, 256, 128), classes if told else 0),
        Sequential(LabelConcat(classes), judge) if told else judge,
        settings["loss"],
        latents[settings["noise"]],
        conditioning=Labels(classes) if told else None,
    )
    rate = Linear(settings["lr"], 0.0, settings["steps"])
    adam = Adam(rate, beta1=settings["beta1"], beta2=0.99)
    return Trainer(game, seed=seed, optimizers=adam, average=settings["average"], device=device)
