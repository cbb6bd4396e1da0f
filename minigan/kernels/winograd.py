"""Winograd's convolution F(4, t): tiles of 4 × 4 outputs of 2 or 3 taps a phase, down and across.

It comes from multiplying polynomials (Toom and Cook). Two with 4 and t coefficients, a and w, have
a product s with n = t + 3, which its values at n − 1 points and its leading coefficient (the "value
at infinity") tell. So with the points' powers in matrices E₄, Eₜ and Eₙ of n rows and so many
columns, whose last row takes the leading coefficient,

    s = Eₙ⁻¹[(Eₜ·w) ⊙ (E₄·a)],    s[q] = Σ_i w[i]·a[q − i].

That is a matrix for each w, s = M·a, and what a tile of a convolution does is its transpose,
y[p] = Σ_i w[i]·x[p + i] = (Mᵀ·x)[p]. Therefore y = A[(G·w) ⊙ (B·x)] with

    A = E₄ᵀ (4, n),    G = Eₜ (n, t),    B = Eₙ⁻ᵀ (n, n),

and in two dimensions with the Kronecker products of the matrices of both axes. For 3 × 3 taps
these are 36 products in place of 16·9 = 144. For 4 × 4 taps of stride 2, whose four phases have 2
taps down and across (``bilinear``), they are 4·25 = 100 in place of 256. For 5 × 5 of stride 2 a
phase has 3 taps or 2; the latter are 3 of which the last is 0, and that is their value at infinity,
so there they need no product: (6 + 5)² = 121 in place of 16·25 = 400.

Large powers of the points, and large entries of the inverse, cost accuracy: 0, 1, −1, 1/2, −2 do
better than 0, ±1, ±2, and for 2 taps 0, 1/2, −1, 2 than the first four of them. In float32 the
largest error was 6e-6 of the largest entry, ten times that of the definition; tests hold it below
1e-5.

Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, chain, pairwise, product
from typing import Any

import numpy as np

from ..backend import Array
from . import bilinear
from .bilinear import Kept, Part, Scheme
from .tiling import Axis, axis_of, steps_of
from .windows import Pair, Window

POINTS = {2: (0.0, 0.5, -1.0, 2.0), 3: (0.0, 1.0, -1.0, 0.5, -2.0)}
"""By the taps of a phase."""

OUTPUTS = 4
APPLIES_TO = "windows of 2 or 3 taps for each step of the stride, without dilation"


def applies(window: Window) -> bool:
    """Whether each phase has 2 or 3 taps, down and across."""
    return window.dilation == (1, 1) and all(steps_of(window, axis) in POINTS for axis in (0, 1))


def convolve(x: Array, w: Array, window: Window, groups: int, kept: Kept | None = None) -> Array:
    """Y, as ``convolution.convolve``."""
    found = scheme(window, x.shape[1:3], w.shape[2], w.shape[3] // groups, x.dtype)
    return bilinear.convolve(x, w, found, groups, kept)


def input_gradient(
    y: Array, w: Array, window: Window, groups: int, size: Pair, kept: Kept | None = None
) -> Array:
    """X', as ``convolution.input_gradient``."""
    found = scheme(window, size, w.shape[2], w.shape[3] // groups, y.dtype)
    return bilinear.input_gradient(y, w, found, groups, kept)


def weight_gradient(x: Array, y: Array, window: Window, groups: int) -> Array:
    """W', as ``convolution.weight_gradient``."""
    found = scheme(window, x.shape[1:3], x.shape[3] // groups, y.shape[3] // groups, x.dtype)
    return bilinear.weight_gradient(x, y, found, groups)


def convolve_gradients(
    x: Array, w: Array, y: Array, window: Window, groups: int, kept: Kept | None = None
) -> tuple[Array, Array]:
    """X' and W', as ``choice.convolve_gradients``."""
    found = scheme(window, x.shape[1:3], w.shape[2], w.shape[3] // groups, x.dtype)
    return bilinear.convolve_gradients(x, w, y, found, groups, kept)


def input_gradient_gradients(
    y: Array, w: Array, x: Array, window: Window, groups: int, kept: Kept | None = None
) -> tuple[Array, Array]:
    """Y' and W', as ``choice.input_gradient_gradients``."""
    found = scheme(window, x.shape[1:3], w.shape[2], w.shape[3] // groups, x.dtype)
    return bilinear.input_gradient_gradients(y, w, x, found, groups, kept)


@lru_cache(maxsize=64)
def scheme(window: Window, size: Pair, c: int, o: int, dtype: Any) -> Scheme:
    """The same for any channels."""
    down, across = (
        axis_of(window, axis, size[axis], OUTPUTS, 0, OUTPUTS + steps_of(window, axis) - 1)
        for axis in (0, 1)
    )
    both = zip(_matrices(down.steps), _matrices(across.steps), strict=True)
    a, b, g = (np.kron(*matrices).astype(dtype) for matrices in both)
    order, parts = _parts(down, across)
    return Scheme(a[:, order], b[order], g[order], (down, across), parts)


def _parts(down: Axis, across: Axis) -> tuple[list[int], tuple[Part, ...]]:
    """The products in the order of their parts: what is at infinity is of phases with all taps."""
    places: dict[tuple[range, ...], list[int]] = {}
    width = across.inputs.phases
    for r, (rows, columns) in enumerate(product(_phases(down), _phases(across))):
        met = tuple(range(k * width, k * width + columns) for k in range(rows))
        if columns == width:
            met = (range(rows * width),)
        places.setdefault(met, []).append(r)
    ends = list(accumulate(map(len, places.values()), initial=0))
    parts = (Part(slice(*r), met) for r, met in zip(pairwise(ends), places, strict=True))
    return list(chain(*places.values())), tuple(parts)


def _phases(axis: Axis) -> list[int]:
    """At each point, then at infinity: of how many phases, the first ones, U is not always 0."""
    count = axis.inputs.phases
    return [count] * len(POINTS[axis.steps]) + [(axis.taps - 1) % count + 1]


def _matrices(taps: int) -> tuple[Array, Array, Array]:
    """A, B and G along one axis."""
    points = POINTS[taps]
    a, g, whole = (_powers(points, count) for count in (OUTPUTS, taps, len(points) + 1))
    return a.T, np.linalg.inv(whole).T, g


def _powers(points: tuple[float, ...], count: int) -> Array:
    """E: the values of a polynomial of so many coefficients at the points and at infinity."""
    return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1:]])
