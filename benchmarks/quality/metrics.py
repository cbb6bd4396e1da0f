"""The metrics themselves, against plain loops, closed forms and published values.

Figures of others mean something only if ours measure the same: these are asked first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigan import metrics
from minigan.data import grid, ring
from minigan.data.mixtures import Mixture
from minigan.random import Stream

from . import Figure, note

PUBLISHED = {"precision": 0.4772, "recall": 0.4705, "density": 1.0555, "coverage": 0.9735}
"""Naeem et al., 2020: one draw of 10,000 against 10,000 of N(0, I), d = 1000, k = 5."""
TOLERANCE = {"precision": 0.02, "recall": 0.02, "density": 0.08, "coverage": 0.02}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--draws", type=int, default=5, help="of the published row (5)")


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    yield against_loops()
    yield from direction()
    yield from frechet()
    yield kernel()
    yield from mixtures()
    yield from published_row(arguments.draws)


def normal(name: str, *shape: int) -> np.ndarray:
    """Normal numbers, the same for the same name."""
    return Stream(0, name).normal(shape, dtype="float64")


def plain_neighbours(real: Any, fake: Any, k: int) -> list[float]:
    """Precision, recall, density, coverage as they are defined, a pair at a time."""

    def reach(points: Any, i: int) -> float:
        others = [np.linalg.norm(points[i] - p) for j, p in enumerate(points) if j != i]
        return float(sorted(others)[k - 1])

    reals = [reach(real, i) for i in range(len(real))]
    fakes = [reach(fake, j) for j in range(len(fake))]
    apart = [[np.linalg.norm(x - y) for y in fake] for x in real]
    n, m = range(len(real)), range(len(fake))
    return [
        sum(any(apart[i][j] <= reals[i] for i in n) for j in m) / len(fake),
        sum(any(apart[i][j] <= fakes[j] for j in m) for i in n) / len(real),
        sum(apart[i][j] <= reals[i] for i in n for j in m) / (k * len(fake)),
        sum(any(apart[i][j] <= reals[i] for j in m) for i in n) / len(real),
    ]


def against_loops() -> Figure:
    """The largest difference of four figures from plain loops."""
    real, fake = normal("real", 200, 6), 0.8 * normal("fake", 200, 6) + 0.2
    ours = metrics.neighbours(real=real, fake=fake)
    worst = float(abs(np.array(ours) - plain_neighbours(real, fake, 5)).max())
    protocol = "200 against 200 points, d = 6, k = 5"
    return Figure("neighbours, difference from loops", worst, most=1e-12, protocol=protocol)


def direction() -> Iterator[Figure]:
    """Tight fakes inside wide reals: precise, and few of the reals can be made."""
    found = metrics.neighbours(real=normal("wide", 1000, 8), fake=0.3 * normal("tight", 1000, 8))
    protocol = "N(0, 0.3²I) inside N(0, I), 1,000 each, d = 8, k = 5"
    yield Figure("precision of tight fakes", found.precision, least=0.8, protocol=protocol)
    yield Figure("recall of tight fakes", found.recall, most=0.3, protocol=protocol)


def frechet() -> Iterator[Figure]:
    """Diagonal Gaussians: Σ(Δμ² + (σ₁ − σ₂)²), from moments, and from data that have them."""
    size = 50
    means = normal("means", 2, size)
    sigmas = 0.1 + abs(normal("sigmas", 2, size))
    exact = float(((means[0] - means[1]) ** 2 + (sigmas[0] - sigmas[1]) ** 2).sum())
    turn = np.linalg.qr(normal("turn", size, size))[0]
    (m1, m2), (c1, c2) = means @ turn, (turn.T @ np.diag(s**2) @ turn for s in sigmas)
    moments = metrics.frechet_of_moments(m1, c1, m2, c2)
    off = abs(moments / exact - 1)
    yield Figure("Fréchet of moments, relative error", off, most=1e-9, protocol=f"d = {size}")
    for space in (size, 4 * size):  # of the latter, 2·50 rows have a covariance of rank 50
        turn = np.linalg.qr(normal("turn", space, space))[0][:size]
        real, fake = (with_moments(m, s) @ turn for m, s in zip(means, sigmas, strict=True))
        off = abs(metrics.frechet_distance(real=real, fake=fake) / exact - 1)
        protocol = f"{len(real)} rows each, d = {space}"
        yield Figure("Fréchet of data, relative error", off, most=1e-9, protocol=protocol)


def with_moments(mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """2·D rows whose mean is ``mean`` and whose covariance is diag(``sigma``²), exactly."""
    rows = np.diag(sigma) * np.sqrt((2 * len(mean) - 1) / 2)
    return mean + np.concatenate([rows, -rows])


def kernel() -> Figure:
    """Two sets of one distribution: 0 on average."""
    found = metrics.kernel_distance(
        real=normal("one", 20_000, 16), fake=normal("other", 20_000, 16), blocks=200
    )
    return Figure(
        "kernel distance of real to real, over its standard error",
        abs(found.value) / found.error,
        most=2,
        protocol=f"N(0, I), d = 16, 200 draws of 100 against 100: {found.value:.2g} on average",
    )


def mixtures() -> Iterator[Figure]:
    yield from exact_samples("ring", ring(), 0.0014)
    yield from exact_samples("grid", grid(), 0.0048)


def exact_samples(name: str, mixture: Mixture, divergence: float) -> Iterator[Figure]:
    """Exact samples of a mixture; of n points and m modes the divergence is (m − 1)/2n."""
    found = [metrics.mixture_modes(mixture.sample(2500, s), mixture) for s in range(400)]
    modes, quality, kl = zip(np.mean(found, axis=0), np.std(found, axis=0) / 20, strict=True)
    count = len(mixture.centres)
    for what, (value, error), wanted, room in (
        ("modes", modes, count, 0.0),
        ("high quality", quality, 0.9889, 0.0005),
        ("reverse KL", kl, divergence, divergence / 10),
    ):
        yield Figure(
            f"{name}, {what}",
            float(value),
            wanted - room,
            wanted + room,
            published=str(wanted),
            protocol="exact samples, 2,500 a seed, mean of 400 seeds, 3 σ",
            error=float(error),
        )


def published_row(draws: int) -> Iterator[Figure]:
    """The mean of some draws against the published one."""
    found = []
    for draw in range(draws):
        real, fake = (normal(f"row {draw} {side}", 10_000, 1000) for side in ("real", "fake"))
        found.append(metrics.neighbours(real=real, fake=fake, k=5))
        note(f"draw {draw}: " + ", ".join(f"{k} {v:.4f}" for k, v in found[-1]._asdict().items()))
    means, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=min(1, draws - 1))
    protocol = f"{draws} draws of 10,000 against 10,000 of N(0, I), d = 1000, k = 5"
    for (name, value), mean, std in zip(PUBLISHED.items(), means, spread, strict=True):
        room = TOLERANCE[name]
        bounds = (value - room, value + room)
        yield Figure(name, float(mean), *bounds, str(value), protocol, float(std / np.sqrt(draws)))
