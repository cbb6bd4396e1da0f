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
from collections.abc import Callable, Iterator
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

from . import Figure, means, note, published
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


class Method(NamedTuple):
    """Who makes the points, and what their trainer is fed.

    ``trainer`` is a function of task, seed and steps; ``beside`` names the task's published row to
    print beside it; ``batch`` is how many points it takes, and ``scaled`` whether they are as small
    as ``Task.scale`` makes them.
    """

    title: str
    game: str
    net: str
    trainer: Callable[[Task, int, int], Trainer]
    beside: str = ""
    batch: int = BATCH
    scaled: bool = True

    def scale(self, task: Task) -> float:
        """By which the networks see the task's plane smaller."""
        return task.scale if self.scaled else 1.0


class Task(NamedTuple):
    """A mixture, what is asked of its samples, and what was published of it.

    ``steps`` are the default; ``wide`` is the share of points that keep the first noise while that
    of the others falls; ``exact_kl`` is an exact sampler's; ``gan`` and ``cured`` are rows of
    PacGAN's and VEEGAN's tables 1 in the papers' words.
    """

    name: str
    mixture: Mixture
    steps: int
    wide: float
    least_quality: float
    most_kl: float
    exact_kl: float
    gan: tuple[str, str, str]
    cured: tuple[str, str, str]

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


_PLAIN = "non-saturating without cures"
MINIGAN = Method("minigan", "non-saturating, falling noise and R1", NET, trainer_for, "cured")
PLAIN = {
    "ours": Method(
        "plain GAN",
        _PLAIN,
        NET,
        lambda task, seed, steps: trainer_for(task, seed, steps, cured=False),
        "gan",
    ),
    "pacgan": Method(
        "plain GAN of PacGAN's nets",
        f"{_PLAIN}, Adam 1e-4, β₁ 0.8",
        "z N(0, I₂); G 4 × 400 ReLU with batch norm; D 3 × maxout(200, 5)",
        lambda task, seed, steps: published.pacgan(seed),
        "gan",
        batch=100,
        scaled=False,
    ),
    "unrolled": Method(
        "plain GAN of Unrolled GAN's nets",
        f"{_PLAIN}, Adam 1e-3 and 1e-4, β₁ 0.5",
        "z N(0, I₂₅₆); G and D 2 × 128 tanh",
        lambda task, seed, steps: published.unrolled(seed),
        batch=512,
        scaled=False,
    ),
}
"""Games without cures, of which rows are printed beside ours."""


def batches(task: Task, seed: int, method: Method = MINIGAN) -> Iterator[np.ndarray]:
    """Fresh points for ever, (batch, 1, 1, 2), as the method's networks see them."""
    stream, count = Stream(seed, "mixture"), method.batch
    while True:
        points = task.mixture.sample(count, stream) * np.float32(method.scale(task))
        yield points.reshape(count, 1, 1, 2)


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


def trained(task: Task, seed: int, steps: int, method: Method = MINIGAN) -> tuple[Row, float]:
    """One generator's row and the processor seconds that its training took."""
    trainer = method.trainer(task, seed, steps)
    start = time.process_time()
    trainer.fit(batches(task, seed, method), steps)
    seconds = time.process_time() - start
    points = trainer.sample(SAMPLES).reshape(SAMPLES, 2) / method.scale(task)
    row = judged(points, task.mixture)
    found = ", ".join(f"{name} {value:.4g}" for name, value in row._asdict().items())
    note(f"{task.name}, {method.title}, seed {seed}: {found}, {seconds:.0f} s of processor time")
    return row, seconds


def add_arguments(task: Task, parser: argparse.ArgumentParser) -> None:
    about = f"of {BATCH} points ({task.steps:,})"
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=task.steps, help=about)
    about = "games without cures to play beside ours, by whose networks they have (ours)"
    parser.add_argument("--plain", nargs="*", choices=PLAIN, default=["ours"], help=about)
    parser.add_argument("--plain-seeds", type=int, default=1, help="of each of them (1)")


def run(task: Task, arguments: argparse.Namespace) -> Iterator[Figure]:
    """The figures of an exact sampler, of plain GANs, and of ours."""
    yield from exact_samples(task.name, task.mixture, task.exact_kl)
    exact = [judged(task.mixture.sample(SAMPLES, s), task.mixture) for s in range(10)]
    yield from list(means(f"{task.name}, exact", exact, "seeds 0 to 9"))[3:]
    for name in arguments.plain if arguments.plain_seeds else ():
        yield from _figures(task, arguments.plain_seeds, arguments.steps, PLAIN[name])[0]
    figures, seconds = _figures(task, arguments.seeds, arguments.steps, MINIGAN)
    yield from figures
    about = f"{task.name}, minigan: processor seconds a seed"
    usual = statistics.median(seconds)
    yield Figure(about, usual, most=MOST_SECONDS, protocol="all threads, the median", digits=3)


def _figures(
    task: Task, seeds: int, steps: int, method: Method
) -> tuple[list[Figure], list[float]]:
    """What the method reaches, the mean over seeds, and the seconds of each seed."""
    rows, seconds = zip(*(trained(task, seed, steps, method) for seed in range(seeds)), strict=True)
    which = "seed 0" if seeds == 1 else f"seeds 0 to {seeds - 1}"
    play = f"{method.game}, {steps:,} steps of {method.batch}; {method.net}"
    protocol = f"{SAMPLES:,} samples a seed, {which}; {play}"
    bounds = task.bounds if method is MINIGAN else ()
    known = getattr(task, method.beside) if method.beside else ()
    return list(means(f"{task.name}, {method.title}", rows, protocol, bounds, known)), list(seconds)
