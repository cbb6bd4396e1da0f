"""Convolution through short discrete Fourier transforms, for any window without dilation.

Along one axis let a tile have inputs x[q], taps w[t] and outputs y[p] = Σ_t w[t]·x[p + t]. With the
transforms of length L, e(n) = exp(2πi·n/L),

    X[k] = Σ_q x[q]·e(−kq),    Ŵ[k] = Σ_t w[t]·e(kt),    y[p] = 1/L·Σ_k X[k]·Ŵ[k]·e(kp),

since Σ_k e(k·(p + t − q)) is L where p + t = q and zero otherwise. (It is L as well where they
differ by a multiple of L, so L is chosen such that none do that matter: see ``_single``.) In two
dimensions k, p, q and t are pairs, and each product is a sum of two.

All is real, so X[−k] and Ŵ[−k] are the conjugates of X[k] and Ŵ[k], and one k of such a pair tells
both: their terms add up to twice the real part of one. Of the product of X = a + bi and Ŵ = c + di
three real products are enough:

    m₁ = c·(a + b),   m₂ = a·(d − c),   m₃ = b·(c + d),     X·Ŵ = (m₁ − m₃) + (m₁ + m₂)·i.

The sums before them are rows of B and G, those after them columns of A, so that the whole is
A[(G·w) ⊙ (B·x)] with real matrices. A k that is its own opposite has real transforms and one
product. For 7 × 7 outputs of 5 × 5 taps, "same", L is 9 and there are 1 + 3·40 = 121 products
where the definition has 49·25 = 1,225; for 14 × 14 to 7 × 7 with stride 2, L is 8 and there are
4 + 3·30 = 94 for each of four phases.

In float32 the largest error was 1.1e-6 of the largest entry, on layers where the definition's was
6e-7; tests hold it below 2e-6.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from . import bilinear
from .bilinear import Kept, Part, Scheme
from .tiling import axis_of, steps_of
from .windows import Pair, Window

LONGEST = 16  # of the transforms: for length L, B has about 1.5·L⁴ entries
APPLIES_TO = "windows without dilation, of at most 8 taps for each step of the stride"


def applies(window: Window) -> bool:
    """Whether there are transforms for it."""
    return (
        window.dilation == (1, 1) and max(steps_of(window, 0), steps_of(window, 1)) <= LONGEST // 2
    )


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


# Tiles


class Way(NamedTuple):
    """A way to cut an axis: the length of its transforms, and the tiles as ``axis_of`` wants them.

    ``steps`` are the taps of a phase, ``tiles`` how many there are.
    """

    length: int
    outputs: int
    first: int
    span: int
    steps: int
    tiles: int


@lru_cache(maxsize=64)
def scheme(window: Window, size: Pair, c: int, o: int, dtype: Any) -> Scheme:
    """Of all ways to cut a map of ``size`` into tiles, that with the least arithmetic."""
    phases = min(window.stride[0], window.taps[0]) * min(window.stride[1], window.taps[1])
    ways = product(_ways(window, 0, size[0]), _ways(window, 1, size[1]))
    best = min(ways, key=lambda two: _work(two[0], two[1], phases * c, o))
    a, b, g = (matrix.astype(dtype) for matrix in _matrices(*best))
    down, across = (
        axis_of(window, axis, size[axis], way.outputs, way.first, way.span)
        for axis, way in enumerate(best)
    )
    return Scheme(a, b, g, (down, across), (Part(slice(0, len(b)), (range(phases),)),))


def _ways(window: Window, axis: int, size: int) -> list[Way]:
    """One tile for all outputs where a transform is long enough, and tiles of equal size."""
    positions, steps = window.positions((size, size))[axis], steps_of(window, axis)
    most = min(LONGEST + 1 - steps, positions)
    found = [
        Way(m + steps - 1, m, 0, m + steps - 1, steps, -(-positions // m))
        for m in range(1, most + 1)
    ]
    length, first, span = _single(window, axis, size)
    if length <= LONGEST:
        found.append(Way(length, positions, first, span, steps, 1))
    return found


def _single(window: Window, axis: int, size: int) -> tuple[int, int, int]:
    """For one tile: the least length, the first position to read in each phase, and how many.

    The padding is not read. A phase reads q from ``low`` to before ``high``, for p + t from 0 to
    before ``looked_at``; L is large enough for no q to be L away from a p + t.
    """
    taps, stride, before = window.taps[axis], window.stride[axis], window.padding[axis][0]
    positions = window.positions((size, size))[axis]
    end = positions - 1 + steps_of(window, axis)  # no tap reads further
    lows, highs, length = [], [], 1
    for phase in range(min(stride, taps)):
        low = max(0, -((phase - before) // stride))
        high = min(end, -((phase - before - size) // stride))
        if low < high:
            looked_at = positions - 1 + -(-(taps - phase) // stride)
            length = max(length, high, looked_at - low)
            lows.append(low)
            highs.append(high)
    first = min(lows, default=0)
    return length, first, max(highs, default=1) - first


def _work(down: Way, across: Way, c: int, o: int) -> int:
    """Multiplications: of the products, and of the transforms of inputs and outputs."""
    tile = c * o + down.span * across.span * c + down.outputs * across.outputs * o
    return down.tiles * across.tiles * _products(down.length, across.length) * tile


def _products(down: int, across: int) -> int:
    """R: three for each pair of opposites, one for what is its own opposite."""
    alone = (2 - down % 2) * (2 - across % 2)
    return alone + 3 * (down * across - alone) // 2


# Matrices


def _matrices(down: Way, across: Way) -> tuple[Array, Array, Array]:
    """A (outputs, R), B (R, inputs) and G (R, taps), from the formulas above."""
    lengths = down.length, across.length
    ks = [k for k in product(range(lengths[0]), range(lengths[1])) if k <= _opposite(k, lengths)]
    alone = np.array([k == _opposite(k, lengths) for k in ks])

    def waves(counts: Pair, first: Pair = (0, 0)) -> Array:
        """e(k·n) for every k and n, from ``first`` on: (ks, n)."""
        n = np.indices(counts).reshape(2, -1) + np.reshape(first, (2, 1))
        roots = [np.exp(2j * np.pi * np.arange(length) / length) for length in lengths]
        each = zip(roots, lengths, np.transpose(ks), n, strict=True)
        return math.prod(e[np.outer(k, m) % length] for e, length, k, m in each)

    x = waves((down.span, across.span), (down.first, across.first)).conj()
    w = waves((down.steps, across.steps))
    y = waves((down.outputs, across.outputs)).T * np.where(alone, 1, 2) / math.prod(lengths)
    pair = ~alone
    a, b, c, d, re, im = *_parts(x[pair]), *_parts(w[pair]), *_parts(y[:, pair])
    # The real part of y·((m₁ − m₃) + (m₁ + m₂)·i) is m₁·(re − im) − m₂·im − m₃·re.
    return (
        np.hstack([y[:, alone].real, re - im, -im, -re]),
        np.vstack([x[alone].real, a + b, a, b]),
        np.vstack([w[alone].real, c, d - c, c + d]),
    )


def _parts(z: Array) -> tuple[Array, Array]:
    return z.real, z.imag


def _opposite(k: tuple[int, ...], lengths: Pair) -> tuple[int, ...]:
    return tuple(-n % length for n, length in zip(k, lengths, strict=True))
