"""What the peers share whose arrays are NumPy's: patches of maps, optimisers in place, draws."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from ..workloads import Adam, RMSprop
from .functional import Array, Arrays, Network, Package, Same, State, correction


class Grid:
    """Where the windows of a convolution lie on maps: ``taps`` wide, ``stride`` apart."""

    def __init__(self, side: tuple[int, int], taps: int, stride: int) -> None:
        self.side, self.taps, self.stride = side, taps, stride
        self.down, self.across = (Same.of(length, taps, stride) for length in side)

    def unfold(self, maps: np.ndarray) -> np.ndarray:
        """Maps (N, H, W, C) to windows, (N·h·w, taps·taps·C)."""
        (h, *down), (w, *across), t = self.down, self.across, self.taps
        padded = np.pad(maps, ((0, 0), down, across, (0, 0)))
        count, _, _, channels = maps.shape
        a, b, c, d = padded.strides
        steps = a, self.stride * b, self.stride * c, b, c, d
        windows = np.lib.stride_tricks.as_strided(padded, (count, h, w, t, t, channels), steps)
        return windows.reshape(count * h * w, t * t * channels)

    def fold(self, windows: np.ndarray) -> np.ndarray:
        """Windows to maps, added up where they overlap: the adjoint of ``unfold``."""
        (h, top, bottom), (w, left, right), t, s = self.down, self.across, self.taps, self.stride
        height, width = self.side
        tiles = windows.reshape(-1, h, w, t, t, windows.shape[1] // (t * t))
        size = len(tiles), top + height + bottom, left + width + right, tiles.shape[-1]
        maps = np.zeros(size, windows.dtype)
        for i in range(t):
            for j in range(t):
                maps[:, i : i + s * h : s, j : j + s * w : s] += tiles[:, :, :, i, j]
        return maps[:, top : top + height, left : left + width]


class Random:
    """NumPy's draws, in float32."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.random(shape, "float32")

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.rng.standard_normal(shape, "float32")


class EagerPackage(Package):
    """A package on NumPy's arrays, which ``unfold`` and ``fold`` differentiably."""

    def __init__(self) -> None:
        self.draws = Random()

    def count(self) -> int:
        return 0

    def random(self, state: State) -> Random:
        return self.draws

    @abstractmethod
    def unfold(self, maps: Array, grid: Grid) -> Array:
        """``grid.unfold``."""

    @abstractmethod
    def fold(self, windows: Array, grid: Grid) -> Array:
        """``grid.fold``, its adjoint."""

    def conv(self, x: Array, weight: Array, stride: int) -> Array:
        taps, filters = weight.shape[0], weight.shape[3]
        grid = Grid(x.shape[1:3], taps, stride)
        y = self.unfold(x, grid) @ weight.reshape((-1, filters))
        return y.reshape((x.shape[0], grid.down.small, grid.across.small, filters))

    def conv_transposed(self, x: Array, weight: Array, stride: int) -> Array:
        taps, channels = weight.shape[0], weight.shape[3]
        grid = Grid((stride * x.shape[1], stride * x.shape[2]), taps, stride)
        windows = x.reshape((-1, channels)) @ weight.reshape((-1, channels)).T
        return self.fold(windows, grid)

    def updated(
        self, settings: Adam | RMSprop, network: Network, gradients: Arrays, count: int
    ) -> tuple[Arrays, tuple[Arrays, ...]]:
        """The same arrays with new values."""
        rule: Any = adam if isinstance(settings, Adam) else rmsprop
        for w, g, slots in zip(network.trained, gradients, network.slots, strict=True):
            rule(settings, w, g, slots, count)
        return network.trained, network.slots


def adam(settings: Adam, w: np.ndarray, g: np.ndarray, slots: Arrays, count: int) -> None:
    """Adam's update in place, one array beside its own: 1/√(1 − β₂ᵗ) is put into lr and ε."""
    m, v = slots
    rest = np.multiply(g, 1 - settings.beta1)
    m *= settings.beta1
    m += rest
    np.multiply(g, g, out=rest)
    rest *= 1 - settings.beta2
    v *= settings.beta2
    v += rest
    root = correction(settings.beta2, count) ** 0.5
    np.sqrt(v, out=rest)
    rest += 1e-8 * root
    np.divide(m, rest, out=rest)
    rest *= settings.lr * root / correction(settings.beta1, count)
    w -= rest


def rmsprop(settings: RMSprop, w: np.ndarray, g: np.ndarray, slots: Arrays, _: int) -> None:
    """RMSprop's update in place."""
    (s,) = slots
    rest = np.multiply(g, g)
    rest *= 1 - settings.rho
    s *= settings.rho
    s += rest
    np.sqrt(s, out=rest)
    rest += 1e-7
    np.divide(g, rest, out=rest)
    rest *= settings.lr
    w -= rest
