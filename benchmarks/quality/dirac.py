"""DiracGAN's fourteen known orbits, through the real trainer.

The smallest game (Mescheder, Geiger and Nowozin, 2018): D(x) = ψx, real data at 0, fakes at θ. From
θ = 1 and ψ = −1, after 500 gradient steps of size 0.2, the radius √(θ² + ψ²) is known to ten digits
for each loss, penalty and order of moves.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np

import minigan as mg
from minigan import nn
from minigan.gan import R1, Cure, Game, GradientPenalty, Normal, Trainer, WeightClipping
from minigan.optim import SGD

from . import Figure

SIMULTANEOUS, ALTERNATING = "simultaneous", "alternating"
RADII: dict[tuple[str, str, Cure | None], float] = {
    ("minimax", SIMULTANEOUS, None): 3.096948667,
    ("minimax", ALTERNATING, None): 1.421018869,
    ("non_saturating", SIMULTANEOUS, None): 0.6402070812,
    ("non_saturating", ALTERNATING, None): 0.2839234171,
    ("wasserstein", SIMULTANEOUS, WeightClipping(1.0)): 1.002152041,
    ("wasserstein", ALTERNATING, WeightClipping(1.0)): 1.024118867,
    # Their term is λ/2·(‖∇D‖ − 1)² with λ = 0.7.
    ("wasserstein", SIMULTANEOUS, GradientPenalty(0.35)): 1.801793193,
    ("wasserstein", ALTERNATING, GradientPenalty(0.35)): 1.221066631,
    ("minimax", SIMULTANEOUS, R1(0.3)): 2.642656291e-6,
    ("minimax", ALTERNATING, R1(0.3)): 2.300912821e-7,
    ("minimax", SIMULTANEOUS, R1(1.0)): 9.5287e-22,
    ("minimax", ALTERNATING, R1(1.0)): 7.4812e-17,
    ("non_saturating", SIMULTANEOUS, R1(0.3)): 2.211960429e-6,
    ("non_saturating", ALTERNATING, R1(0.3)): 1.499419430e-7,
}
"""By (loss, update, cure); where they alternate the generator moves first."""
ROUNDING = 1e-15
"""Below this only the size of a radius is known, within a factor of 10; else 1e-6 of it."""


class Point(nn.Module):
    """The generator: θ, whatever the noise."""

    def __init__(self) -> None:
        self.theta = nn.Parameter(np.ones(()))

    def forward(self, z: np.ndarray) -> mg.Tensor:
        return self.theta + np.zeros((len(z), 1, 1, 1))


class Slope(nn.Module):
    """The discriminator: ψx."""

    def __init__(self) -> None:
        self.psi = nn.Parameter(-np.ones(()))

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return mg.reshape(self.psi * x, (-1, 1))


def radius(loss: str, update: str, cure: Cure | None, steps: int = 500) -> float:
    """√(θ² + ψ²) after that many steps."""
    game = Game(Point(), Slope(), loss, Normal(1), (-1, 1), cures=[] if cure is None else [cure])
    run = Trainer(game, optimizers=SGD(0.2), update=update, first="generator")
    for _ in range(steps):
        run.step(np.zeros((1, 1, 1, 1)))
    return float(np.hypot(game.generator.theta.item(), game.discriminator.psi.item()))


def bounds(wanted: float) -> tuple[float, float]:
    """What a radius must lie between."""
    if wanted < ROUNDING:
        return wanted / 10, wanted * 10
    return wanted * (1 - 1e-6), wanted * (1 + 1e-6)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=500, help="for others there is no known value")


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    for (loss, update, cure), wanted in RADII.items():
        known = arguments.steps == 500
        least, most = bounds(wanted) if known else (-math.inf, math.inf)
        name = f"{loss}{'' if cure is None else f', {cure}'}, {update}"
        found = radius(loss, update, cure, arguments.steps)
        protocol = f"{arguments.steps} steps of 0.2"
        yield Figure(name, found, least, most, f"{wanted:.10g}", protocol, digits=8)
