"""Winograd's convolution F(4, 3): tiles of 4 × 4 outputs of 3 × 3 taps, stride 1.

It comes from multiplying polynomials (Toom and Cook). Those of degrees 3 and 2 with coefficients a
and w have a product s of degree 5, which its values at five points and its leading coefficient
(the "value at infinity") tell. So with the points' powers in the matrices E₄ (6, 4), E₃ (6, 3) and
E₆ (6, 6), whose last row takes the leading coefficient,

    s = E₆⁻¹[(E₃·w) ⊙ (E₄·a)],    s[q] = Σ_t w[t]·a[q − t].

That is a matrix for each w, s = M·a, and what a tile of a convolution does is its transpose,
y[p] = Σ_t w[t]·x[p + t] = (Mᵀ·x)[p]. Therefore y = A[(G·w) ⊙ (B·x)] with

    A = E₄ᵀ (4, 6),    G = E₃ (6, 3),    B = E₆⁻ᵀ (6, 6),

and in two dimensions with the Kronecker products A ⊗ A, G ⊗ G and B ⊗ B: 36 products in place of
16·9 = 144.

The points are 0, 1, −1, 1/2, −2: large powers, and large entries of the inverse, cost accuracy, so
these do better than 0, ±1, ±2. In float32 the largest error is about 4e-6 of the largest entry,
ten times that of the definition.

Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..backend import Array
from . import bilinear
from .bilinear import Kept, Scheme
from .tiling import axis_of
from .windows import Pair, Window

POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
OUTPUTS, TAPS = 4, 3
APPLIES_TO = "windows of 3 × 3 taps with stride 1, without dilation"


def applies(window: Window) -> bool:
    """Whether it is one of 3 × 3 taps, stride 1."""
    return window[:3] == ((3, 3), (1, 1), (1, 1))


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
    span = OUTPUTS + TAPS - 1
    a, b, g = (np.kron(matrix, matrix).astype(dtype) for matrix in _matrices())
    down, across = (axis_of(window, axis, size[axis], OUTPUTS, 0, span) for axis in (0, 1))
    return Scheme(a, b, g, (down, across))


def _matrices() -> tuple[Array, Array, Array]:
    """A, B and G along one axis."""
    a, g, whole = _powers(OUTPUTS), _powers(TAPS), _powers(OUTPUTS + TAPS - 1)
    return a.T, np.linalg.inv(whole).T, g


def _powers(degree: int) -> Array:
    """E: the values of a polynomial of so many coefficients at the points and at infinity."""
    return np.vstack([np.vander(POINTS, degree, increasing=True), np.eye(degree)[-1:]])
