"""wgan-gp: a Wasserstein GAN with gradient penalty on 28×28 images (Gulrajani et al., 2017)."""

from __future__ import annotations

from typing import Any

from ..gan import Game, GradientPenalty, Normal, Trainer
from ..optim import Adam
from .dcgan_mnist import load_data as load_data
from .networks import discriminator, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 4000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's
    "lr": 2e-4,
    "penalty": 10.0,
    "critic_steps": 5,
    "average": 0.999,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Five critic steps to one, Adam without momentum, no batch norm in the critic."""
    game = Game(
        generator(shape, scaled(settings["width"], 256, 128)),
        discriminator(scaled(settings["width"], 64, 128)),
        "wasserstein",
        Normal(100),
        cures=[GradientPenalty(settings["penalty"])],
    )
    return Trainer(
        game,
        seed=seed,
        optimizers=Adam(settings["lr"], beta1=0.0, beta2=0.9),
        discriminator_steps=settings["critic_steps"],
        average=settings["average"],
        device=device,
    )
