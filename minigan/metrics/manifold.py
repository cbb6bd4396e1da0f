"""Precision and recall, density and coverage: what lies within the reach of whose neighbours.

The ball B(xᵢ) of a point in a set holds all that is as near to it as its k-th nearest neighbour in
that set, the point itself left out. With real points xᵢ, N of them, and generated ones yⱼ, M:

    precision = share of j with yⱼ in some B(xᵢ)    what is made looks real     Kynkäänniemi et al.,
    recall    = share of i with xᵢ in some B(yⱼ)    what is real can be made    2019, eq. 2 and 3
    density   = Σ_ij [yⱼ in B(xᵢ)] / (k·M)          precision that counts how many balls; 1 is even
    coverage  = share of i with some yⱼ in B(xᵢ)    recall by real balls, which outliers don't blow
                                                    up: Naeem et al., 2020, eq. 3 and 4

Tight fakes inside wide reals have precision 1 and recall 0; swapped arguments would swap them.
Hence both are given by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..arguments import whole
from .checks import Array, pair

_FAR = 1e3  # times the width of a feature, that it is off 0
_ROOM = 1 << 22  # numbers in a block of distances: 32 MiB


class Neighbours(NamedTuple):
    """The four figures of :func:`neighbours`."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(*, real: Any, fake: Any, k: int = 5) -> Neighbours:
    """All four of features ``real`` (N, D) and ``fake`` (M, D), more than k rows of each.

    Euclidean distances, worked on some rows at a time; balls are closed.
    """
    whole("k", k)
    real, fake = _centred(*pair(real, fake, least=k + 1))
    real_reach, fake_reach = _reach(real, k), _reach(fake, k)
    balls = np.zeros(len(fake), np.int64)  # how many real ones each fake is in
    covered, recalled = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, distances in squared_distances(real, fake):
        inside = distances <= real_reach[rows, None]
        balls += inside.sum(0)
        covered[rows] = inside.any(1)
        recalled[rows] = (distances <= fake_reach).any(1)
    return Neighbours(
        float((balls > 0).mean()),
        float(recalled.mean()),
        float(balls.sum() / (k * len(fake))),
        float(covered.mean()),
    )


def precision(*, real: Any, fake: Any, k: int = 3) -> float:
    """The share of ``fake`` (M, D) that lies within the balls of ``real`` (N, D)."""
    return neighbours(real=real, fake=fake, k=k).precision


def recall(*, real: Any, fake: Any, k: int = 3) -> float:
    """The share of ``real`` (N, D) that lies within the balls of ``fake`` (M, D)."""
    return neighbours(real=real, fake=fake, k=k).recall


def density(*, real: Any, fake: Any, k: int = 5) -> float:
    """In how many balls of ``real`` (N, D) one of ``fake`` (M, D) is on average, over k."""
    return neighbours(real=real, fake=fake, k=k).density


def coverage(*, real: Any, fake: Any, k: int = 5) -> float:
    """The share of ``real`` (N, D) whose ball holds one of ``fake`` (M, D)."""
    return neighbours(real=real, fake=fake, k=k).coverage


def nearest_distance(*, real: Any, fake: Any) -> float:
    """The median over ``fake`` (M, D) of the distance to the nearest of ``real`` (N, D).

    A generator that copies its training set comes well below what held-out images have.
    """
    real, fake = _centred(*pair(real, fake))
    nearest = [distances.min(1) for _, distances in squared_distances(fake, real)]
    return float(np.median(np.sqrt(np.concatenate(nearest))))


def _centred(real: Array, fake: Array) -> tuple[Array, Array]:
    """Both moved to their middle in features whose squares would drown the distances.

    Others stay as they are, to the last bit, as a point may lie on the very edge of a ball.
    """
    low = np.minimum(real.min(axis=0), fake.min(axis=0))
    high = np.maximum(real.max(axis=0), fake.max(axis=0))
    middle = (low + high) / 2
    centre = np.where(np.abs(middle) > _FAR * (high - low), middle, 0.0)
    return (real - centre, fake - centre) if centre.any() else (real, fake)


def _reach(x: Array, k: int) -> Array:
    """The squared distance from each row to its k-th nearest other row."""
    found = np.empty(len(x))
    for rows, distances in squared_distances(x, x):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        found[rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return found


def squared_distances(x: Array, y: Array) -> Iterator[tuple[slice, Array]]:
    """Some rows of x at a time, with ‖xᵢ − yⱼ‖² = ‖xᵢ‖² + ‖yⱼ‖² − 2·xᵢᵀyⱼ for those."""
    x_squares, y_squares = (np.einsum("ij,ij->i", a, a) for a in (x, y))
    step = max(1, _ROOM // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        distances = x[rows] @ y.T
        distances *= -2
        distances += x_squares[rows, None]
        distances += y_squares
        yield rows, np.maximum(distances, 0, out=distances)
