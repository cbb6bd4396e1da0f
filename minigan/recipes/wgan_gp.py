"""wgan-gp: a Wasserstein GAN with gradient penalty on 28×28 images (Gulrajani et al., 2017)."""

from __future__ import annotations

from typing import Any

from ..gan import GradientPenalty, Trainer
from ..optim import Adam
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_data
from .wgan import critic_trainer

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
    adam = Adam(settings["lr"], beta1=0.0, beta2=0.9)
    return critic_trainer(settings, shape, seed, device, adam, GradientPenalty(settings["penalty"]))
