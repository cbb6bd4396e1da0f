"""Mixtures of Gaussians in the plane, whose modes one can count: the ring and the grid."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arguments import whole
from ..random import Stream


class Mixture(NamedTuple):
    """Equally likely Gaussians of one deviation ``std`` around ``centres`` (modes, D)."""

    centres: np.ndarray[Any, Any]
    std: float

    def sample(
        self, count: int, stream: Stream | int, dtype: Any = "float32"
    ) -> np.ndarray[Any, Any]:
        """``count`` points (count, D); a seed is short for ``Stream(seed, "mixture")``."""
        source = stream if isinstance(stream, Stream) else Stream(stream, "mixture")
        modes = source.integers(len(self.centres), count)
        noise = source.normal((count, self.centres.shape[1]), std=self.std, dtype="float64")
        return (self.centres[modes] + noise).astype(dtype)


def ring(modes: int = 8, radius: float = 1.0, std: float = 0.01) -> Mixture:
    """Modes at equal angles on a circle; by default those of VEEGAN and PacGAN."""
    _check("modes", modes, std)
    angle = np.arange(modes) * (2 * np.pi / modes)  # 0 and 2π are one mode
    return Mixture(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Mixture:
    """``side``² modes on a square around 0; by default {−4, −2, 0, 2, 4}², as VEEGAN's."""
    _check("side", side, std)
    axis = (np.arange(side) - (side - 1) / 2) * spacing
    return Mixture(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), std)


def _check(name: str, count: int, std: float) -> None:
    whole(name, count)
    if not std > 0:
        raise ValueError(f"std: got {std}, wanted a number above 0")
