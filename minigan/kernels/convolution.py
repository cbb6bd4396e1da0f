"""Convolution and its two adjoints, by gathering windows into a matrix and multiplying.

Maps are (N, H, W, C), weights (kh, kw, C_in / groups, C_out). With the *columns* X of x, one row
of kh·kw·C_in numbers for each output position, the three maps of convolution are products:

    forward           Y = X·W
    weight gradient   W' = Xᵀ·Y'
    input gradient    X' = Y'·Wᵀ, then every element of X' is added to the place it came from

This is the definition, and does any convolution. ``planes`` lays few channels out otherwise,
``bilinear`` does some convolutions in less arithmetic, and ``choice`` says which does what.

A few images are done at a time, so that their columns stay in the processor's cache, by several
cores where the weights are few. Otherwise they meet as many columns as there are weights, as each
product reads these once more, in one large product after another. On a GPU, as many as fit. No name
holds the columns: they are freed before the next ones are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import workers
from ..backend import Array, array_module
from ..buffers import empty, zeros
from . import blas, gemm
from .blocks import PARTS
from .cuda import has_kernels
from .windows import Pair, Window, columns, scatter

FEW = 1 << 13  # weights: with more, BLAS by itself is faster than tiles of ours,
PER_WEIGHT = 2  # unless there are so many rows of columns for each of them
IN_CACHE = 1 << 18  # elements of the columns that a core has at a time, about 1 MB in float32
COLUMNS_AT_A_TIME = 1 << 22  # elements of the columns, about 16 MB in float32
ON_A_GPU = 1 << 28  # 1 GB: the fewer launches, the better


def convolve(x: Array, w: Array, window: Window, groups: int) -> Array:
    """Y: each output is the sum, over taps and input channels, of input times weight."""
    down, across = window.positions(x.shape[1:3])
    result = empty(array_module(x), (len(x), down, across, w.shape[3]), x.dtype)
    few = _are_few(w[..., : w.shape[3] // groups], len(x) * down * across)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        matrix = as_matrix(w[..., outs])

        def convolve(x: Array, y: Array, matrix: Array = matrix) -> None:
            rows = y.reshape(len(x) * down * across, matrix.shape[1])  # a view
            _multiply(_columns(x, window), matrix, rows, few)

        maps = x[..., ins], result[..., outs]
        _each_share(convolve, maps, down * across * len(matrix), matrix, few)
    return result


def input_gradient(y: Array, w: Array, window: Window, groups: int, size: Pair) -> Array:
    """X', the adjoint of ``convolve`` in x, on a map of ``size``: a transposed convolution."""
    n, down, across, _ = y.shape
    channels = w.shape[2] * groups
    result = empty(array_module(y), (n, *size, channels), y.dtype)
    few = _are_few(w[..., : w.shape[3] // groups], n * down * across)
    for ins, outs in blocks(channels, w.shape[3], groups):
        matrix = as_matrix(w[..., outs])

        def differentiate(y: Array, x: Array, matrix: Array = matrix) -> None:
            x[...] = scatter(_pieces(y, matrix, window, few), window, size)

        maps = y[..., outs], result[..., ins]
        _each_share(differentiate, maps, down * across * len(matrix), matrix, few)
    return result


def weight_gradient(x: Array, y: Array, window: Window, groups: int) -> Array:
    """W', the adjoint of ``convolve`` in w: what shares have to say is added in their order."""
    xp, (_, down, across, c_out) = array_module(x), y.shape
    shape = (*window.taps, x.shape[3] // groups, c_out)
    result = zeros(xp, shape, x.dtype)
    total = result.reshape(shape[0] * shape[1] * shape[2], c_out)  # the same memory
    few = _are_few(total[:, : c_out // groups], len(y) * down * across)
    for ins, outs in blocks(x.shape[3], c_out, groups):
        matrix = total[:, outs]

        def differentiate(x: Array, y: Array, matrix: Array = matrix) -> Array:
            rows = y.reshape(len(y) * down * across, matrix.shape[1])
            found = empty(xp, matrix.shape, matrix.dtype)
            _multiply(_columns(x, window).T, rows, found, few)
            return found

        maps = x[..., ins], y[..., outs]
        for found in _each_share(differentiate, maps, down * across * len(matrix), matrix, few):
            matrix += found
    return result


def _columns(x: Array, window: Window) -> Array:
    seen = columns(x, window)
    n, down, across, kh, kw, c = seen.shape
    return seen.reshape(n * down * across, kh * kw * c)


def _pieces(y: Array, matrix: Array, window: Window, few: bool) -> Array:
    n, down, across, c_out = y.shape
    pieces = empty(array_module(y), (n * down * across, len(matrix)), y.dtype)
    _multiply(y.reshape(n * down * across, c_out), matrix.T, pieces, few)
    channels = len(matrix) // (window.taps[0] * window.taps[1])
    return pieces.reshape(n, down, across, *window.taps, channels)


def as_matrix(w: Array) -> Array:
    """Weights (kh, kw, C, O) as W, (kh·kw·C, O): the same memory, if they lie so."""
    return w.reshape(w.shape[0] * w.shape[1] * w.shape[2], w.shape[3])


def blocks(c_in: int, c_out: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """The input and output channels of each group."""
    a, b = c_in // groups, c_out // groups
    return ((slice(k * a, k * a + a), slice(k * b, k * b + b)) for k in range(groups))


def _multiply(a: Array, b: Array, out: Array, few: bool) -> None:
    """Write a·b to ``out``, as suits few weights or many."""
    if few:
        blas.tiled(a, b, out)
    else:
        gemm.matmul(a, b, out, convolution=True)


def _are_few(weights: Array, rows: int) -> bool:
    """Whether the weights are few for so many rows of columns."""
    return type(weights) is np.ndarray and weights.size <= max(FEW, rows // PER_WEIGHT)


def _each_share(
    function: Callable[..., Any],
    maps: tuple[Array, ...],
    each: int,
    weights: Array,
    apart: bool,
) -> list[Any]:
    """``function`` of some images of the maps at a time, of each of which so many numbers are made.

    If they are to be taken ``apart``, each core has a share of the images. What the function
    returns, if anything, is added up for each share, and these sums are returned.
    """
    n = len(maps[0])
    share, step = _steps(n, each, weights, apart)

    def work(start: int) -> Any:
        total = None
        for i in range(start, min(start + share, n), step):
            found = function(*(a[i : min(i + step, start + share)] for a in maps))
            if total is None:
                total = found
            else:
                total += found
        return total

    size = n * each * weights.shape[1] // blas.PER_ELEMENT
    return workers.results(work, zip(range(0, n, share)), size)


def _steps(n: int, each: int, weights: Array, apart: bool) -> tuple[int, int]:
    """How many of n images are in a share, and how many of these are done at a time."""
    if apart:
        share, most = -(-n // PARTS), min(IN_CACHE, COLUMNS_AT_A_TIME)
    else:
        share, most = n, max(COLUMNS_AT_A_TIME, weights.size)
        most = ON_A_GPU if has_kernels(weights) else most
    return max(1, share), max(1, min(share, most // max(1, each)))
