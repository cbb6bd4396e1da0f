"""ac-gan: the generator told the digit, the discriminator asked for it (Odena et al., 2017)."""

from __future__ import annotations

from typing import Any

from ..gan import Classification, Game, Heads, Labels, Normal, Trainer
from ..nn import Dense, Dropout, Sequential
from ..optim import Adam, Linear
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .networks import body, class_count, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's
    "classes": 10,
    "dropout": 0.3,
    "lr": 1e-3,
    "beta1": 0.0,
    "average": 0.999,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """One body with two heads: real or fake, and which digit.

    Adam without momentum stands a high rate, which falls to nothing in the end.
    """
    classes = class_count(settings)
    features = Sequential(*body(scaled(settings["width"], 64, 128)), Dropout(settings["dropout"]))
    game = Game(
        generator(shape, scaled(settings["width"], 256, 128), classes),
        Heads(features, Dense(1), class_logits=Dense(classes)),
        "non_saturating",
        Normal(100),
        cures=[Classification()],
        conditioning=Labels(classes, discriminator=False),
    )
    rate = Linear(settings["lr"], 0.0, settings["steps"])
    adam = Adam(rate, beta1=settings["beta1"], beta2=0.99)
    return Trainer(game, seed=seed, optimizers=adam, average=settings["average"], device=device)
