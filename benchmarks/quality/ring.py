"""Points of a ring of 8 Gaussians: are all modes made, evenly and exactly?"""

from __future__ import annotations

from functools import partial

from minigan.data import ring

from . import mixtures

TASK = mixtures.Task(
    "ring",
    ring(),
    steps=12_000,
    wide=0.1,
    least_quality=0.959,
    most_kl=0.07,
    exact_kl=0.0014,
    gan=("GAN 6.3±0.5", "GAN 0.982±0.002", "GAN 0.45"),
    cured=(
        "PacGAN2 7.9±0.1, PacGAN4 7.8±0.1, VEEGAN 8, Unrolled 7.6",
        "PacGAN2 0.956±0.020, PacGAN4 0.959±0.014, VEEGAN 0.529, Unrolled 0.356",
        "PacGAN2 0.07, PacGAN4 0.07",
    ),
)

add_arguments = partial(mixtures.add_arguments, TASK)
run = partial(mixtures.run, TASK)
