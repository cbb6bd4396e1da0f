"""Points of a grid of 25 Gaussians: are all modes made, evenly and exactly?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from minigan.data import grid

from . import Figure, mixtures

TASK = mixtures.Task(
    "grid",
    grid(),
    least_quality=0.936,
    most_kl=0.04,
    exact_kl=0.0048,
    gan=("GAN 17.3±0.8", "GAN 0.948±0.007", "GAN 0.70"),
    pacgan=(
        "PacGAN2 23.8±0.7, PacGAN4 24.8±0.2",
        "PacGAN2 0.913±0.008, PacGAN4 0.936±0.006",
        "PacGAN2 0.13, PacGAN4 0.04",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    mixtures.add_arguments(parser, steps=15_000)


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    yield from mixtures.run(TASK, arguments)
