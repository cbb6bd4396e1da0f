"""What gradients are probed with: cotangents for the outputs, directions for the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Arrays = Sequence[np.ndarray]

JACOBIAN_ROWS = 32
"""So many rows of the Jacobian are compared, all of them where there are no more."""


class Probe(NamedTuple):
    """A cotangent for each output."""

    cotangents: list[np.ndarray]
    output: int | None = None  # the one that a one-hot cotangent looks at
    full_digits: bool = True


def random_probe(outputs: Arrays, rng: np.random.Generator) -> Probe:
    """±1 times a number from ½ to 1½ for each element: never near zero, never all alike."""
    return Probe(random_like(outputs, rng))


def ones_probe(outputs: Arrays) -> Probe:
    """What the sum of the outputs sends back, as one number in memory with strides of zero."""
    return Probe([np.broadcast_to(np.ones(()), y.shape) for y in outputs], full_digits=False)


def one_hot_probes(
    outputs: Arrays, rng: np.random.Generator, rows: int = JACOBIAN_ROWS
) -> list[Probe]:
    """One for each output element, or for ``rows`` of them chosen at random."""
    total = sum(y.size for y in outputs)
    chosen = np.arange(total) if total <= rows else np.sort(rng.permutation(total)[:rows])
    ends = np.cumsum([y.size for y in outputs])
    return [
        Probe(
            unflat(np.eye(1, total, int(k))[0], outputs),
            int(np.searchsorted(ends, k, side="right")),
            full_digits=False,
        )
        for k in chosen
    ]


def random_like(arrays: Arrays, rng: np.random.Generator) -> list[np.ndarray]:
    """Random signs times numbers from ½ to 1½, shaped as ``arrays``."""
    return [
        np.asarray(rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.5, 1.5, a.shape))
        for a in arrays
    ]


def random_direction(inputs: Arrays, rng: np.random.Generator) -> list[np.ndarray]:
    """A random direction, in proportion to the inputs where they are large."""
    pairs = zip(inputs, random_like(inputs, rng), strict=True)
    return [np.maximum(1.0, abs(x)) * d for x, d in pairs]


def only(direction: Arrays, place: int) -> list[np.ndarray]:
    """The direction's part in one input, zero in the others."""
    return [d if i == place else np.zeros_like(d) for i, d in enumerate(direction)]


def along(inputs: Arrays, direction: Arrays, t: float) -> list[np.ndarray]:
    """The point at ``t`` on the line through the inputs."""
    return [x + t * d for x, d in zip(inputs, direction, strict=True)]


def flat(arrays: Arrays) -> np.ndarray:
    """All elements, one array after another."""
    return np.concatenate([np.ravel(a) for a in arrays]) if len(arrays) else np.zeros(0)


def unflat(vector: np.ndarray, like: Arrays) -> list[np.ndarray]:
    """The arrays, shaped as ``like``, whose elements ``vector`` holds."""
    ends = np.cumsum([a.size for a in like])[:-1]
    return [p.reshape(a.shape) for p, a in zip(np.split(vector, ends), like, strict=True)]
