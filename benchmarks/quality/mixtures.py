"""What ``ring`` and ``grid`` share: a generator of points in the plane, trained and counted.

The protocol of VEEGAN and PacGAN (``minigan.metrics.modes``): 2,500 points a seed, one generator a
seed, means over the seeds 0, 1, …. One recipe plays both, in coordinates whose largest centre is 1.

Both networks see their input through fixed waves (Tancik et al., 2020, "Fourier features let
networks learn high frequency functions in low dimensional domains"). Noise on real and generated
points (as ``InstanceNoise``) starts where modes just blur into their neighbours and falls below the
size of a mode, so that points find their mode before they find their place in it; some of the
points keep the first noise meanwhile, and a few do afterwards, by which the discriminator goes on
seeing how full each mode is: with a twentieth, the grid lost a mode in one of ten runs. R1
holds its slope, with γ in proportion to the noise's variance, which makes it the same at every
scale.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minigan.data.mixtures import Mixture
from minigan.gan import R1, Cure, Game, Normal, Trainer, Turn
from minigan.metrics import mixture_modes
from minigan.nn import Dense, LeakyReLU, Module, ReLU, Reshape, Sequential
from minigan.ops import concatenate, cos, flatten, matmul, sin
from minigan.optim import Adam
from minigan.random import Stream
from minigan.tensor import Tensor, TensorLike, as_tensor

from . import Figure, means, note
from .metrics import exact_samples

SAMPLES, BATCH = 2500, 256
MOST_SECONDS = 180
WAVES, WIDTH, GENERATOR_DEPTH, DISCRIMINATOR_DEPTH = 32, 128, 4, 3
FIRST_NOISE, LAST_NOISE = 0.3, 0.6
"""Of the gap between neighbouring modes, and of a mode's deviation."""
NET = (
    f"z N(0, I₂); G {WAVES} waves, {GENERATOR_DEPTH} × {WIDTH} ReLU; "
    f"D {WAVES} waves, {DISCRIMINATOR_DEPTH} × {WIDTH} leaky ReLU"
)


class Row(NamedTuple):
    """What is known of one generator, in the order in which it is printed."""

    modes: float
    high_quality: float
    reverse_kl: float
    spread: float


class Task(NamedTuple):
    """A mixture, what is asked of its samples, and what PacGAN's table 1 reports of it.

    ``steps`` are the default; ``wide`` is the share of points that keep the first noise while that
    of the others falls; ``exact_kl`` is an exact sampler's; ``gan`` and ``pacgan`` are rows in the
    paper's words.
    """

    name: str
    mixture: Mixture
    steps: int
    wide: float
    least_quality: float
    most_kl: float
    exact_kl: float
    gan: tuple[str, str, str]
    pacgan: tuple[str, str, str]

    @property
    def bounds(self) -> list[tuple[float, float]]:
        modes = float(len(self.mixture.centres))
        return [(modes, modes), (self.least_quality, 1), (0, self.most_kl), (0.7, 1.3)]

    @property
    def scale(self) -> float:
        """By which the networks see the plane smaller: the largest coordinate becomes 1."""
        return float(1 / abs(self.mixture.centres).max())

    @property
    def gap(self) -> float:
        """Between neighbouring modes."""
        first, *others = self.mixture.centres
        return float(np.linalg.norm(others - first, axis=1).min())


class Waves(Module):
    """x, sin(x·W) and cos(x·W) of vectors x: fixed frequencies from ``low`` to ``high`` in W."""

    per_sample = True

    def __init__(self, low: float, high: float) -> None:
        angles = np.pi * (np.sqrt(5) - 1) / 2 * np.arange(WAVES)  # spread evenly, any few of them
        ways = np.stack([np.cos(angles), np.sin(angles)])
        self.weight = (np.geomspace(low, high, WAVES) * ways).astype("float32")

    def forward(self, x: TensorLike) -> Tensor:
        x = flatten(x)
        angles = matmul(x, self.weight)
        return concatenate([x, sin(angles), cos(angles)], axis=1)


def networks() -> tuple[Module, Module]:
    """A new generator (N, 2) to (N, 1, 1, 2) and discriminator, that to logits (N, 1)."""

    def hidden(depth: int, activation: Any) -> list[Module]:
        return [m for _ in range(depth) for m in (Dense(WIDTH, init="he_normal"), activation())]

    made = hidden(GENERATOR_DEPTH, ReLU)
    judged = hidden(DISCRIMINATOR_DEPTH, lambda: LeakyReLU(0.2))
    generator = Sequential(Waves(0.5, 4), *made, Dense(2), Reshape(1, 1, 2))
    return generator, Sequential(Waves(1, 100), *judged, Dense(1))


@dataclass(frozen=True)
class Falling(Cure):
    """Instance noise that falls from ``first`` to ``last``, a constant factor a step; R1 with it.

    A share of the points, drawn anew each time, keeps the first deviation: ``wide`` in the first
    ``steps``, ``rest`` after them. γ is ``strength`` times the variance of the others' noise.
    """

    first: float
    last: float
    steps: int
    strength: float = 4.0
    wide: float = 0.1
    rest: float = 0.025

    def std(self, step: int) -> float:
        """The noise's deviation after that many steps."""
        return self.first * (self.last / self.first) ** min(1.0, step / self.steps)

    def show(self, images: Any, turn: Turn) -> Tensor:
        x, stream = as_tensor(images), turn.streams.augmentation
        share = self.wide if turn.step < self.steps else self.rest
        wide = stream.uniform((len(x), 1, 1, 1)) < share
        std = np.where(wide, self.first, self.std(turn.step))
        return x + (std * stream.normal(x.shape)).astype(x.dtype)

    def discriminator(self, turn: Turn) -> Tensor:
        return R1(self.strength * self.std(turn.step) ** 2).discriminator(turn)


class HeldThenFalling(NamedTuple):
    """A learning rate that stays for a share ``held`` of all ``steps``, then falls to ``last``."""

    first: float
    last: float
    steps: int
    held: float

    def __call__(self, step: int) -> float:
        done = max(0.0, step / self.steps - self.held) / (1 - self.held)
        return self.first * (self.last / self.first) ** done


def trainer_for(task: Task, seed: int, steps: int, cured: bool = True) -> Trainer:
    """A trainer whose learning rates, and noise if there is any, fall within ``steps``."""
    noise = FIRST_NOISE * task.gap, LAST_NOISE * task.mixture.std
    first, last = (task.scale * deviation for deviation in noise)
    cures = [Falling(first, last, 7 * steps // 10, wide=task.wide)] if cured else []
    game = Game(*networks(), "non_saturating", Normal(2), (-2, 2), cures=cures)
    generator, discriminator = (
        Adam(HeldThenFalling(rate, 0.02 * rate, steps, 0.3), beta1=0.0, beta2=0.99)
        for rate in (1.5e-3, 1e-3)
    )
    optimizers = generator, discriminator
    return Trainer(game, seed=seed, optimizers=optimizers, average=0.999, doctor=False)


def batches(task: Task, seed: int) -> Iterator[np.ndarray]:
    """Fresh points for ever, (BATCH, 1, 1, 2), as the networks see them."""
    stream = Stream(seed, "mixture")
    while True:
        points = task.mixture.sample(BATCH, stream) * np.float32(task.scale)
        yield points.reshape(BATCH, 1, 1, 2)


def spread(points: np.ndarray, mixture: Mixture) -> float:
    """The deviation of a mode's points of high quality over the true one, the mean over modes.

    Of an exact sampler 0.974, as 3 deviations cut the tail: √(1 − (9/2)e^(−9/2)/(1 − e^(−9/2))).
    """
    squares = ((points[:, None] - mixture.centres) ** 2).sum(-1)
    nearest = np.where(squares.min(1) <= (3 * mixture.std) ** 2, squares.argmin(1), -1)
    inside = [points[nearest == k] for k in range(len(mixture.centres))]
    ratios = [np.sqrt(p.var(0, ddof=1).mean()) / mixture.std for p in inside if len(p) > 1]
    return float(np.mean(ratios)) if ratios else math.nan


def judged(points: np.ndarray, mixture: Mixture) -> Row:
    return Row(*mixture_modes(points, mixture), spread(points, mixture))


def trained(task: Task, seed: int, steps: int, cured: bool = True) -> tuple[Row, float]:
    """One generator's row and the processor seconds that its training took."""
    trainer = trainer_for(task, seed, steps, cured)
    start = time.process_time()
    trainer.fit(batches(task, seed), steps)
    seconds = time.process_time() - start
    row = judged(trainer.sample(SAMPLES).reshape(SAMPLES, 2) / task.scale, task.mixture)
    found = ", ".join(f"{name} {value:.4g}" for name, value in row._asdict().items())
    about = "minigan" if cured else "plain GAN"
    note(f"{task.name}, {about}, seed {seed}: {found}, {seconds:.0f} s of processor time")
    return row, seconds


def add_arguments(task: Task, parser: argparse.ArgumentParser) -> None:
    about = f"of {BATCH} points ({task.steps:,})"
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=task.steps, help=about)
    parser.add_argument("--plain-seeds", type=int, default=1, help="of the plain GAN (1)")


def run(task: Task, arguments: argparse.Namespace) -> Iterator[Figure]:
    """The figures of an exact sampler, of a plain GAN, and of ours."""
    yield from exact_samples(task.name, task.mixture, task.exact_kl)
    exact = [judged(task.mixture.sample(SAMPLES, s), task.mixture) for s in range(10)]
    yield from list(means(f"{task.name}, exact", exact, "seeds 0 to 9"))[3:]
    game = f"{arguments.steps:,} steps of {BATCH}; {NET}"
    seeds = arguments.plain_seeds
    rows = [trained(task, s, arguments.steps, cured=False)[0] for s in range(seeds)]
    if rows:
        protocol = f"{_seeds(seeds)}; non-saturating without cures, {game}"
        yield from means(f"{task.name}, plain GAN", rows, protocol, published=task.gan)
    protocol = f"{_seeds(arguments.seeds)}; non-saturating, falling noise and R1, {game}"
    found = [trained(task, s, arguments.steps) for s in range(arguments.seeds)]
    title = f"{task.name}, minigan"
    rows = [row for row, _ in found]
    yield from means(title, rows, protocol, task.bounds, task.pacgan)
    about = f"{title}: processor seconds a seed"
    usual = statistics.median(seconds for _, seconds in found)
    yield Figure(about, usual, most=MOST_SECONDS, protocol="all threads, the median", digits=3)


def _seeds(count: int) -> str:
    return f"{SAMPLES:,} samples a seed, {'seed 0' if count == 1 else f'seeds 0 to {count - 1}'}"
