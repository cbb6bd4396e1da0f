"""wgan: a Wasserstein GAN with clipped weights on 28×28 images (Arjovsky et al., 2017)."""

from __future__ import annotations

from typing import Any

from ..gan import Cure, Game, Normal, Trainer, WeightClipping
from ..optim import Optimizer, RMSprop
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .networks import discriminator, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 4000,
    "batch": 64,
    "width": 0.5,  # 1 is DCGAN's
    "lr": 2e-4,  # the paper's is 5e-5
    "clip": 0.02,  # and 0.01
    "critic_steps": 5,
    "average": 0.999,
}


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """Five critic steps to one, RMSprop, every weight of the critic within ±clip."""
    cure = WeightClipping(settings["clip"])
    return critic_trainer(settings, shape, seed, device, RMSprop(settings["lr"]), cure)


def critic_trainer(
    settings: dict[str, Any],
    shape: tuple[int, int, int],
    seed: int,
    device: str,
    optimizer: Optimizer,
    cure: Cure,
) -> Trainer:
    """DCGAN's networks without batch norm in the critic, which ``cure`` keeps from being steep."""
    game = Game(
        generator(shape, scaled(settings["width"], 256, 128)),
        discriminator(scaled(settings["width"], 64, 128)),
        "wasserstein",
        Normal(100),
        cures=[cure],
    )
    return Trainer(
        game,
        seed=seed,
        optimizers=optimizer,
        discriminator_steps=settings["critic_steps"],
        average=settings["average"],
        device=device,
    )
