"""Points of a grid of 25 Gaussians: are all modes made, evenly and exactly?"""

from __future__ import annotations

from functools import partial

from minigan.data import grid

from . import mixtures

TASK = mixtures.Task(
    "grid",
    grid(),
    steps=12_500,
    wide=0.2,
    least_quality=0.936,
    most_kl=0.04,
    exact_kl=0.0048,
    gan=("GAN 17.3±0.8", "GAN 0.948±0.007", "GAN 0.70"),
    cured=(
        "PacGAN2 23.8±0.7, PacGAN4 24.8±0.2, VEEGAN 24.6, Unrolled 23.6",
        "PacGAN2 0.913±0.008, PacGAN4 0.936±0.006, VEEGAN 0.40, Unrolled 0.16",
        "PacGAN2 0.13, PacGAN4 0.04",
    ),
)

add_arguments = partial(mixtures.add_arguments, TASK)
run = partial(mixtures.run, TASK)
