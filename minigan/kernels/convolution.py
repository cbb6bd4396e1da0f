"""Convolution and its two adjoints, by gathering windows into a matrix and multiplying.

Maps are (N, H, W, C), weights (kh, kw, C_in / groups, C_out). With the *columns* X of x, one row
of kh·kw·C_in numbers for each output position, the three maps of convolution are products:

    forward           Y = X·W
    weight gradient   W' = Xᵀ·Y'
    input gradient    X' = Y'·Wᵀ, then every element of X' is added to the place it came from
                      (for few channels as ``planes`` says)

This is the definition, and does any convolution. ``bilinear`` does some in less arithmetic, and
``choice`` says which does what.

A few images are done at a time, so that their columns stay in the processor's cache; but as many
columns as there are weights, as each product reads these once more. On a GPU, so that they fit. No
name holds the columns: they are freed before the next ones are made.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..backend import Array, array_module
from ..buffers import empty, zeros
from . import planes
from .cuda import has_kernels
from .gemm import matmul
from .windows import Pair, Window, columns, scatter

COLUMNS_AT_A_TIME = 1 << 22  # elements of the columns, about 16 MB in float32
ON_A_GPU = 1 << 28  # 1 GB: the fewer launches, the better


def convolve(x: Array, w: Array, window: Window, groups: int) -> Array:
    """Y: each output is the sum, over taps and input channels, of input times weight."""
    down, across = window.positions(x.shape[1:3])
    result = empty(array_module(x), (len(x), down, across, w.shape[3]), x.dtype)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        matrix = _matrix(w[..., outs])
        for images in _chunks(len(x), down * across * len(matrix), matrix):
            part = result[images]
            rows = part.reshape(len(part) * down * across, part.shape[3])  # a view
            matmul(_columns(x[images, :, :, ins], window), matrix, rows[:, outs], True)
    return result


def input_gradient(y: Array, w: Array, window: Window, groups: int, size: Pair) -> Array:
    """X', the adjoint of ``convolve`` in x, on a map of ``size``: a transposed convolution."""
    n, down, across, _ = y.shape
    channels = w.shape[2] * groups
    result = empty(array_module(y), (n, *size, channels), y.dtype)
    few = planes.FEWEST <= w.shape[2] <= planes.MOST and not has_kernels(y)
    for ins, outs in blocks(channels, w.shape[3], groups):
        matrix = _matrix(w[..., outs])
        each = max(matrix.shape) if few else len(matrix)  # planes copy y as well
        for images in _chunks(n, down * across * each, matrix):
            part, into = y[images, :, :, outs], result[images, :, :, ins]
            if few:
                planes.add_taps(part, matrix, window, into)
            else:
                into[...] = scatter(_pieces(part, matrix.T, window), window, size)
    return result


def weight_gradient(x: Array, y: Array, window: Window, groups: int) -> Array:
    """W', the adjoint of ``convolve`` in w."""
    xp, (n, down, across, c_out) = array_module(x), y.shape
    shape = (*window.taps, x.shape[3] // groups, c_out)
    result = zeros(xp, shape, x.dtype)
    total = result.reshape(shape[0] * shape[1] * shape[2], c_out)  # the same memory
    for ins, outs in blocks(x.shape[3], c_out, groups):
        matrix = total[:, outs]
        for images in _chunks(n, down * across * len(matrix), matrix):
            part = y[images, :, :, outs]
            rows = part.reshape(len(part) * down * across, part.shape[3])
            more = empty(xp, matrix.shape, matrix.dtype)
            matrix += matmul(_columns(x[images, :, :, ins], window).T, rows, more, True)
    return result


def _columns(x: Array, window: Window) -> Array:
    seen = columns(x, window)
    n, down, across, kh, kw, c = seen.shape
    return seen.reshape(n * down * across, kh * kw * c)


def _pieces(y: Array, matrix: Array, window: Window) -> Array:
    n, down, across, c_out = y.shape
    pieces = empty(array_module(y), (n * down * across, matrix.shape[1]), y.dtype)
    matmul(y.reshape(n * down * across, c_out), matrix, pieces, True)
    channels = matrix.shape[1] // (window.taps[0] * window.taps[1])
    return pieces.reshape(n, down, across, *window.taps, channels)


def _matrix(w: Array) -> Array:
    return w.reshape(w.shape[0] * w.shape[1] * w.shape[2], w.shape[3])


def blocks(c_in: int, c_out: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """The input and output channels of each group."""
    a, b = c_in // groups, c_out // groups
    return ((slice(k * a, k * a + a), slice(k * b, k * b + b)) for k in range(groups))


def _chunks(n: int, each: int, matrix: Array) -> Iterator[slice]:
    """Some images at a time, of each of which so many numbers are made, to meet a matrix."""
    most = ON_A_GPU if has_kernels(matrix) else COLUMNS_AT_A_TIME
    step = max(1, max(most, matrix.size) // max(1, each))
    return (slice(start, start + step) for start in range(0, n, step))
