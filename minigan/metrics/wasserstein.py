"""Sliced Wasserstein distance, of features, and of patches at several scales.

Along one direction the Wasserstein distance W₁ is the area between two quantile functions; the
sliced distance is its mean over random directions (Rabin et al., 2011). Of patches of a Laplacian
pyramid it tells at which scale images differ (Karras et al., 2018, section 5).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import whole
from ..random import Stream
from .checks import Array, Estimate, mean_of, pair, pictures

_PATCH = 7  # pixels a side
_LEAST_SIDE = 16  # of a level of the pyramid that is not the image itself
_ROOM = 1 << 22  # numbers in a block of projections: 32 MiB
_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16


def sliced_wasserstein(*, real: Any, fake: Any, projections: int = 512, seed: int = 0) -> Estimate:
    """The mean of W₁ over ``projections`` random directions, of ``real`` (N, D), ``fake`` (M, D).

    The parts of the estimate are the directions.
    """
    whole("projections", projections)
    real, fake = pair(real, fake)
    directions = Stream(seed, "sliced Wasserstein").normal(
        (projections, real.shape[1]), dtype="float64"
    )
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    i, j, widths = _pieces(len(real), len(fake))
    step = max(1, _ROOM // len(widths))
    parts = (directions[k : k + step] for k in range(0, projections, step))
    return mean_of(
        np.concatenate(
            [abs(_sorted(d, real)[:, i] - _sorted(d, fake)[:, j]) @ widths for d in parts]
        )
    )


def _sorted(directions: Array, x: Array) -> Array:
    return np.sort(directions @ x.T, axis=1)


def _pieces(n: int, m: int) -> tuple[Array, Array, Array]:
    """Where the quantile functions of n and of m sorted points are constant.

    W₁ = ∫ |F⁻¹(t) − G⁻¹(t)| dt over t from 0 to 1, and each function is constant between multiples
    of 1/n or 1/m: for each such piece the index of the point in either, and the piece's width.
    """
    cuts = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in units of 1/nm
    return cuts[:-1] // m, cuts[:-1] // n, np.diff(cuts) / (n * m)


def patch_wasserstein(
    *, real: Any, fake: Any, patches: int = 128, projections: int = 512, seed: int = 0
) -> Estimate:
    """The mean over scales of the sliced Wasserstein distance of patches, times 1,000.

    Images (N, H, W, C), at least 7 pixels a side, become Laplacian pyramids: the image itself and
    halvings of 16 pixels a side or more, so that one below 32 is a single scale. Of each level and
    image ``patches`` patches of 7×7 are drawn at random, and each set's channels are brought to
    mean 0 and deviation 1. The parts of the estimate are the scales.
    """
    whole("patches", patches)
    real, fake = pictures("real", real), pictures("fake", fake)
    if real.shape[1:] != fake.shape[1:] or min(real.shape[1:3]) < _PATCH:
        raise ValueError(
            f"fake: got images of {fake.shape[1:]} and real ones of {real.shape[1:]}, wanted the "
            f"same size of at least {_PATCH} pixels a side"
        )
    levels = zip(_pyramid(real), _pyramid(fake), strict=True)
    return mean_of(
        [
            1000
            * sliced_wasserstein(
                real=_patches(a, patches, Stream(seed, "patches", level)),
                fake=_patches(b, patches, Stream(seed, "patches", level)),
                projections=projections,
                seed=seed,
            ).value
            for level, (a, b) in enumerate(levels)
        ]
    )


def _patches(images: Array, count: int, stream: Stream) -> Array:
    """(N·count, 49·C): patches at random places, channels normalised over the whole set."""
    n, height, width, channels = images.shape
    tops = stream.integers(height - _PATCH + 1, (n, count))
    lefts = stream.integers(width - _PATCH + 1, (n, count))
    windows = np.lib.stride_tricks.sliding_window_view(images, (_PATCH, _PATCH), (1, 2))
    found = windows[np.arange(n)[:, None], tops, lefts].reshape(n * count, channels, -1)
    spread = found.std((0, 2), keepdims=True)
    found = (found - found.mean((0, 2), keepdims=True)) / np.where(spread > 0, spread, 1)
    return found.reshape(len(found), -1)


def _pyramid(images: Array) -> list[Array]:
    """The Laplacian pyramid (Burt and Adelson, 1983), from fine to coarse."""
    levels = []
    while min(images.shape[1:3]) // 2 >= _LEAST_SIDE:
        small = _blurred(images)[:, ::2, ::2]
        levels.append(images - _enlarged(small, images.shape[1:3]))
        images = small
    return [*levels, images]


def _blurred(images: Array) -> Array:
    for axis in (1, 2):
        edge = [(2, 2) if a == axis else (0, 0) for a in range(4)]
        rows = np.pad(images, edge, "reflect")
        images = np.lib.stride_tricks.sliding_window_view(rows, 5, axis) @ _BINOMIAL
    return images


def _enlarged(images: Array, size: tuple[int, ...]) -> Array:
    """Each pixel between zeros, then blurred: twice the size, cut to ``size``."""
    wide = np.zeros((len(images), *size, images.shape[3]))
    wide[:, ::2, ::2] = images
    return 4 * _blurred(wide)
