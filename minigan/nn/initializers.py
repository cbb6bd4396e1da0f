"""First values of parameters. Each is a function of a stream, a shape and a unit's fans.

The *fans* are the number of inputs and of outputs of one unit; for a convolution, channels times
taps. Normal draws are not truncated.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..random import Stream

Fans = tuple[int, int]


class Initializer(Protocol):
    """What a layer accepts as an initialiser, besides a name."""

    def __call__(self, stream: Stream, shape: tuple[int, ...], fans: Fans) -> Any: ...


class Constant(NamedTuple):
    """Every element ``value``."""

    value: float = 0.0

    def __call__(self, stream: Stream, shape: tuple[int, ...], fans: Fans) -> Any:
        return np.full(shape, self.value)


class Normal(NamedTuple):
    """N(mean, std²); the DCGAN paper takes std 0.02."""

    std: float = 0.02
    mean: float = 0.0

    def __call__(self, stream: Stream, shape: tuple[int, ...], fans: Fans) -> Any:
        return stream.normal(shape, self.mean, self.std, "float64")


class Uniform(NamedTuple):
    """Uniform on [low, high)."""

    low: float = -0.05
    high: float = 0.05

    def __call__(self, stream: Stream, shape: tuple[int, ...], fans: Fans) -> Any:
        return stream.uniform(shape, self.low, self.high, "float64")


class Scaled(NamedTuple):
    """Variance ``gain`` / n, with n the fan ``mode`` "in", "out" or "average".

    Uniform or normal (Glorot and Bengio, 2010: gain 1, average; He et al., 2015: gain 2, in;
    LeCun et al., 1998: gain 1, in).
    """

    gain: float = 1.0
    mode: str = "average"
    uniform: bool = False

    def __call__(self, stream: Stream, shape: tuple[int, ...], fans: Fans) -> Any:
        sizes = {"in": fans[0], "out": fans[1], "average": (fans[0] + fans[1]) / 2}
        if self.mode not in sizes:
            raise ValueError(f'mode: got {self.mode!r}, wanted "in", "out" or "average"')
        n = sizes[self.mode]
        std = math.sqrt(self.gain / max(1.0, n))
        if self.uniform:
            bound = math.sqrt(3) * std
            return stream.uniform(shape, -bound, bound, "float64")
        return stream.normal(shape, 0.0, std, "float64")


class Orthogonal(NamedTuple):
    """Rows or columns orthonormal, times ``gain`` (Saxe, McClelland and Ganguli, 2014).

    The last axis is taken as the columns, all others together as the rows.
    """

    gain: float = 1.0

    def __call__(self, stream: Stream, shape: tuple[int, ...], fans: Fans) -> Any:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        normal = stream.normal((max(rows, columns), min(rows, columns)), dtype="float64")
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))  # makes the factorisation, and so the draw, unique
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


NAMED: dict[str, Initializer] = {
    "zeros": Constant(0.0),
    "ones": Constant(1.0),
    "glorot_uniform": Scaled(1.0, "average", True),
    "glorot_normal": Scaled(1.0, "average"),
    "he_uniform": Scaled(2.0, "in", True),
    "he_normal": Scaled(2.0, "in"),
    "lecun_uniform": Scaled(1.0, "in", True),
    "lecun_normal": Scaled(1.0, "in"),
    "orthogonal": Orthogonal(),
}


def initializer(init: str | Initializer) -> Initializer:
    """The initialiser of that name, or ``init`` itself if it is one already."""
    if not isinstance(init, str):
        return init
    if init not in NAMED:
        raise ValueError(f"init: got {init!r}, wanted one of {', '.join(NAMED)}")
    return NAMED[init]
