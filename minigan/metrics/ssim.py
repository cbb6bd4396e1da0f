"""Multi-scale structural similarity (Wang, Simoncelli and Bovik, 2003, eq. 7), and variety by it.

With local means μ, variances σ² and covariance σₓᵧ under a Gaussian window, and with c₁ = (0.01·L)²
and c₂ = (0.03·L)² for values of range L, luminance and contrast-structure are

    l = (2μₓμᵧ + c₁)/(μₓ² + μᵧ² + c₁)      s = (2σₓᵧ + c₂)/(σₓ² + σᵧ² + c₂)

The similarity is the mean of l·s at the coarsest scale and that of s at the finer ones, each to the
power of its weight, multiplied. From scale to scale 2×2 pixels become their mean.

Published weights are of five scales, for which an image needs 176 pixels a side. A smaller one has
as many scales as the window of 11 pixels fits on, at least one, and the weights of those are made
to sum to 1; a side below 11 pixels cuts the window to itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import whole
from ..random import Stream
from .checks import Array, Estimate, mean_of, pictures

_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # from fine to coarse
_WINDOW, _SIGMA = 11, 1.5
_AT_A_TIME = 100


def ms_ssim(first: Any, second: Any, value_range: float = 2.0) -> Array:
    """The similarity (N,) of images (N, H, W, C) pair by pair, 1 for equal ones.

    ``value_range`` is L, the highest value less the lowest: 2 for images in [−1, 1]. Channels are
    averaged over like positions. A scale whose mean s is negative counts as 0.
    """
    x, y = pictures("first", first), pictures("second", second)
    if x.shape != y.shape:
        raise ValueError(f"second: got shape {y.shape}, wanted {x.shape}, that of first")
    weights = _WEIGHTS[: _scales(min(x.shape[1:3]))]
    result = np.ones(len(x))
    for scale, weight in enumerate(weights / weights.sum()):
        luminance, structure = _terms(x, y, value_range)
        is_last = scale == len(weights) - 1
        means = ((luminance * structure) if is_last else structure).mean((1, 2, 3))
        result *= np.maximum(means, 0) ** weight
        if not is_last:
            x, y = _halved(x), _halved(y)
    return result


def mean_similarity(images: Any, pairs: int = 1000, labels: Any = None, seed: int = 0) -> Estimate:
    """The mean similarity of random pairs of ``images`` (N, H, W, C) in [−1, 1], at least two.

    High values mean little variety (Odena et al., 2017, section 4.2, within a class): with
    ``labels`` (N,) both images of a pair are of one class.
    """
    found = pictures("images", images)
    whole("pairs", pairs)
    if len(found) < 2:
        raise ValueError(f"images: got {len(found)}, wanted at least 2 to compare")
    left, right = _pairs(len(found), pairs, labels, Stream(seed, "pairs"))
    starts = range(0, pairs, _AT_A_TIME)
    chosen = [(left[i : i + _AT_A_TIME], right[i : i + _AT_A_TIME]) for i in starts]
    return mean_of(np.concatenate([ms_ssim(found[a], found[b]) for a, b in chosen]))


def _pairs(count: int, pairs: int, labels: Any, stream: Stream) -> tuple[Array, Array]:
    """Random indices of two different images each, where labels are given of one class."""
    ids = np.zeros(count, np.int64) if labels is None else np.asarray(labels)
    if ids.shape != (count,):
        raise ValueError(f"labels: got shape {ids.shape}, wanted ({count},), one an image")
    order = np.argsort(ids, kind="stable")  # classes lie side by side
    _, inverse, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    first, size = (np.cumsum(sizes) - sizes)[inverse], sizes[inverse]
    able = np.flatnonzero(size[order] > 1)
    if not len(able):
        raise ValueError("labels: got no class of two images, wanted one at least")
    place = able[stream.integers(len(able), pairs)]
    left = order[place]
    further = 1 + (stream.uniform(pairs, dtype="float64") * (size[left] - 1)).astype(np.int64)
    return left, order[first[left] + (place - first[left] + further) % size[left]]


def _scales(side: int) -> int:
    """How many halvings of ``side`` the window fits on, from 1 to as many as have weights."""
    return max(1, sum(side >> scale >= _WINDOW for scale in range(len(_WEIGHTS))))


def _terms(x: Array, y: Array, value_range: float) -> tuple[Array, Array]:
    """l and s at every place of the window."""
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    spread = _window_mean(x * x) - mean_x**2 + _window_mean(y * y) - mean_y**2
    together = _window_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * together + c2) / (spread + c2)


def _window_mean(x: Array) -> Array:
    """The mean under a Gaussian window, where it fits whole."""
    for axis in (1, 2):
        size = min(_WINDOW, x.shape[axis])
        window = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * _SIGMA**2))
        x = np.lib.stride_tricks.sliding_window_view(x, size, axis) @ (window / window.sum())
    return x


def _halved(x: Array) -> Array:
    """The mean of each 2×2 pixels; an odd last row or column is left out."""
    n, height, width, channels = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
