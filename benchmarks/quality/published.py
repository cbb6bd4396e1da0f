"""The small networks that papers play mixtures with, as plain GANs: what ours stand beside.

They see the plane as it is, without waves, and have no cures. The papers give them many times the
steps: PacGAN 400,000 of 100 points, Unrolled GANs 25,000 of 512.
"""

from __future__ import annotations

from collections.abc import Callable

from minigan.gan import Game, Normal, Trainer
from minigan.nn import (
    BatchNorm,
    Dense,
    Flatten,
    Maxout,
    Module,
    Orthogonal,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from minigan.optim import Adam


def pacgan(seed: int) -> Trainer:
    """G 2-400-400-400-400-2 with batch norm, D of three maxout(200, 5); Adam 1e-4, β₁ 0.8.

    (Lin et al., 2018, "PacGAN", appendix: its baseline, without packing.)
    """
    made: list[Module] = []
    for _ in range(4):
        made += [Dense(400, use_bias=False), BatchNorm(), ReLU()]
    judged = [Maxout(200, 5) for _ in range(3)]
    adam = Adam(1e-4, beta1=0.8)
    return _trainer(Sequential(*made), Sequential(*judged), 2, Dense, (adam, adam), seed)


def unrolled(seed: int) -> Trainer:
    """G 256-128-128-2, D 2-128-128-1, tanh, orthogonal weights of gain 1.4; Adam 1e-3 and 1e-4.

    (Metz et al., 2017, "Unrolled generative adversarial networks", appendix A: without unrolling.)
    """

    def layer(units: int) -> Module:
        return Dense(units, init=Orthogonal(1.4))

    def body() -> Module:
        return Sequential(layer(128), Tanh(), layer(128), Tanh())

    adams = Adam(1e-3, beta1=0.5), Adam(1e-4, beta1=0.5)
    return _trainer(body(), body(), 256, layer, adams, seed)


def _trainer(
    made: Module,
    judged: Module,
    latent: int,
    layer: Callable[[int], Module],
    adams: tuple[Adam, Adam],
    seed: int,
) -> Trainer:
    generator = Sequential(made, layer(2), Reshape(1, 1, 2))
    discriminator = Sequential(Flatten(), judged, layer(1))
    game = Game(generator, discriminator, "non_saturating", Normal(latent), (-6, 6))
    return Trainer(game, seed=seed, optimizers=adams, doctor=False)
