"""Stacked MNIST: three random digits as colours, 1,000 modes. How many are made, how evenly?

The protocol of VEEGAN and PacGAN: 26,000 samples, each colour read by a classifier of digits, here
our own; KL is that of the thousand stacks' shares from the uniform ones. The networks are those of
the unrolled GAN (Metz et al., 2017, appendix), small on purpose: the discriminator has a quarter or
half of the generator's channels. The game is R3GAN's (Huang et al., 2024): each fake beside a real
image, R1 and R2, and so no batch norm in the discriminator. That learns at ten times the
generator's rate: so small a network is soon behind, and at a loss of ln 2 it teaches nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minigan.data import Images, find_mnist, mnist
from minigan.gan import R1, R2, Game, Normal, Trainer
from minigan.metrics import Classifier, label_modes
from minigan.nn import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    LeakyReLU,
    Module,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
)
from minigan.optim import Adam, Linear
from minigan.random import Stream

from . import Figure, means, note
from .mnist import classifier_of

SAMPLES, BATCH, LATENT, DIGITS, COLOURS = 26_000, 128, 256, 10, 3
MODES = DIGITS**COLOURS
GAMMA = 1.0
CHANNELS = {"quarter": (2, 4, 8), "half": (4, 8, 16)}
"""Of the discriminator's convolutions; the generator's have 32, 16 and 8."""


class Row(NamedTuple):
    """What came of one generator."""

    modes: float
    reverse_kl: float


WANTED = {"quarter": Row(668, 1.81), "half": Row(867, 0.90)}
_LARGER = "; of other nets VEEGAN 150, R3GAN 1000", "; of other nets VEEGAN 2.95, R3GAN 0.0781"
PUBLISHED = {
    "quarter": (
        f"DCGAN 78.5, PacDCGAN4 667.4±29{_LARGER[0]}",
        f"DCGAN 5.21, PacDCGAN4 1.81{_LARGER[1]}",
    ),
    "half": (
        f"DCGAN 487.7, PacDCGAN3 866.6±12{_LARGER[0]}",
        f"DCGAN 2.24, PacDCGAN3 0.90{_LARGER[1]}",
    ),
}
"""PacGAN, table 3: its baseline and its best row; VEEGAN, table 2; R3GAN, table 1."""


def networks(size: str) -> tuple[Module, Module]:
    """A new generator, (N, 256) to (N, 28, 28, 3), and discriminator, that to (N, 1)."""
    made: list[Module] = [Dense(4 * 4 * 64), BatchNorm(), ReLU(), Reshape(4, 4, 64)]
    for channels, side in ((32, 7), (16, 14), (8, 28)):
        made += [
            Conv2DTranspose(channels, 3, 2, "same", output_size=(side, side)),
            BatchNorm(),
            ReLU(),
        ]
    judged: list[Module] = []
    for channels in CHANNELS[size]:
        judged += [Conv2D(channels, 3, 2, "same", init="he_normal"), LeakyReLU(0.3)]
    generator = Sequential(*made, Conv2D(COLOURS, 3, 1, "same"), Tanh())
    return generator, Sequential(*judged, Flatten(), Dense(1))


def trainer_for(size: str, seed: int, steps: int) -> Trainer:
    """A trainer whose learning rates fall to a tenth within ``steps``."""
    cures = R1(GAMMA), R2(GAMMA)
    game = Game(*networks(size), "relativistic_paired", Normal(LATENT), cures=cures)
    generator, discriminator = (
        Adam(Linear(rate, 0.1 * rate, steps), beta1=0.0, beta2=0.99) for rate in (1e-3, 1e-2)
    )
    optimizers = generator, discriminator
    return Trainer(game, seed=seed, optimizers=optimizers, average=0.999)


def stacks(digits: Images, count: int, stream: Stream) -> np.ndarray:
    """``count`` stacks (count, 28, 28, 3) in [−1, 1] of digits drawn at random."""
    chosen = stream.integers(len(digits), (COLOURS, count))
    return np.concatenate([digits.batch(one) for one in chosen], axis=-1)


def batches(digits: Images, seed: int) -> Iterator[np.ndarray]:
    """Fresh stacks for ever."""
    stream = Stream(seed, "stacks")
    while True:
        yield stacks(digits, BATCH, stream)


def judged(images: np.ndarray, judge: Classifier) -> Row:
    """The modes that the classifier sees in stacks (N, 28, 28, 3) in [−1, 1]."""
    colours = np.split(images, COLOURS, axis=-1)
    read = np.stack([judge.probabilities(one).argmax(axis=1) for one in colours], axis=1)
    found = label_modes(read @ DIGITS ** np.arange(COLOURS)[::-1], MODES)
    return Row(found.captured, found.reverse_kl)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", choices=CHANNELS, default="quarter", help="the discriminator's")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4000, help=f"of {BATCH} images (4,000)")
    parser.add_argument("--data", metavar="FOLDER", help="of MNIST's files")
    parser.add_argument("--classifier", metavar="FILE", help="of minigan train-classifier")


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    folder = arguments.data or find_mnist()
    digits, test = mnist(folder), mnist(folder, "test")
    judge = classifier_of(arguments.classifier, folder)
    protocol = f"{len(test):,} test images"
    yield Figure("classifier: accuracy", judge.accuracy, 0.99, protocol=protocol)
    exact = judged(stacks(digits, SAMPLES, Stream(0, "exact")), judge)
    protocol = f"{SAMPLES:,} stacks of real digits"
    yield from means(
        "exact", [exact], protocol, [(MODES, MODES), (0.0205, 0.0265)], ["1000", "0.0235"]
    )
    rows = []
    for seed in range(arguments.seeds):
        trainer = trainer_for(arguments.size, seed, arguments.steps)
        start = time.process_time()
        trainer.fit(batches(digits, seed), arguments.steps)
        minutes = (time.process_time() - start) / 60
        rows.append(judged(trainer.sample(SAMPLES), judge))
        modes, kl = rows[-1]
        note(f"seed {seed}: {modes} modes, KL {kl:.3f}, {minutes:.1f} min of processor time")
    size, wanted = arguments.size, WANTED[arguments.size]
    channels = ", ".join(map(str, CHANNELS[size]))
    protocol = (
        f"{SAMPLES:,} samples a seed, {arguments.seeds} seeds; relativistic pairs, R1 and R2 of "
        f"{GAMMA:g}, {arguments.steps:,} steps of {BATCH}; z N(0, I₂₅₆); D {channels} channels, "
        f"G 64, 32, 16, 8"
    )
    bounds = [(wanted.modes, MODES), (0.0, wanted.reverse_kl)]
    yield from means(f"D {size} of G", rows, protocol, bounds, PUBLISHED[size])
