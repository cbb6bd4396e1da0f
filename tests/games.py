"""Small games that tests play: two perceptrons on 4×4 pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigan import nn
from minigan.gan import Game, Normal, Trainer
from minigan.recipes import RECIPES

SHAPE = (4, 4, 1)
LATENT = 3
RECIPES_AT = {  # the shapes of images, and settings for smaller networks
    **dict.fromkeys(RECIPES, ((28, 28, 1), {})),
    "digits": ((8, 8, 1), {}),
    "dcgan-color": ((28, 28, 3), {}),
    "upsampling": ((10, 10, 3), {"size": 10}),
    "dcgan64": ((64, 64, 3), {"width": 1 / 16}),
    "sn-gan": ((28, 28, 1), {"width": 1 / 16}),
}


def pictures(count: int = 24, seed: int = 0, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Noise in [low, high), float32."""
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (count, *SHAPE)).astype(np.float32)


def networks(
    norm: bool = False, drop: float = 0.0, dtype: str = "float32"
) -> tuple[nn.Sequential, nn.Sequential]:
    """Generator and discriminator, with batch norm and dropout in both if asked for."""

    def hidden(units: int) -> list[nn.Module]:
        extra = [nn.BatchNorm(decay=0.9, dtype=dtype)] if norm else []
        extra += [nn.Dropout(drop)] if drop else []
        return [nn.Dense(units, dtype=dtype), *extra, nn.LeakyReLU(0.2)]

    generator = nn.Sequential(*hidden(6), nn.Dense(16, dtype=dtype), nn.Reshape(*SHAPE), nn.Tanh())
    discriminator = nn.Sequential(nn.Flatten(), *hidden(5), nn.Dense(1, dtype=dtype))
    return generator, discriminator


def trainer(
    norm: bool = False,
    drop: float = 0.0,
    dtype: str = "float32",
    loss: Any = "non_saturating",
    **settings: Any,
) -> Trainer:
    """A trainer of the two perceptrons; ``settings`` are its own."""
    return Trainer(Game(*networks(norm, drop, dtype), loss, Normal(LATENT)), **settings)


def resumed(make: Callable[[], Trainer], path: Path, steps: int) -> tuple[Trainer, Trainer]:
    """A run of so many steps, and the same one that was saved half way and went on in another."""
    whole, first, second = (make() for _ in range(3))
    whole.fit(pictures(), steps, 8)
    first.fit(pictures(), steps // 2, 8)
    first.save(path)
    second.load(path)
    second.fit(pictures(), steps // 2, 8)
    return whole, second


def bits(state: Mapping[str, np.ndarray]) -> dict[str, tuple[Any, ...]]:
    """A state as something that == compares bit by bit."""
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in state.items()}
