"""Sliding windows over maps (N, H, W, C): what convolution and pooling have in common.

A window of kh × kw taps slides over the padded map in steps of ``stride``; ``dilation`` is the
distance between its taps. Output position (p, q) and tap (i, j) meet input position
(p·s_h + i·d_h − top, q·s_w + j·d_w − left), which is padding where it falls outside the map.
"""

from __future__ import annotations

from typing import NamedTuple

from ..backend import Array, array_module
from ..buffers import empty, zeros
from . import cuda
from .blocks import each_part

Pair = tuple[int, int]


class Window(NamedTuple):
    """The taps of a window, how it moves, and the padding it moves over."""

    taps: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))

    def reach(self, axis: int) -> int:
        """How many positions the window spans, from its first to its last tap."""
        return (self.taps[axis] - 1) * self.dilation[axis] + 1

    def positions(self, size: Pair) -> Pair:
        """How many positions the window takes, down and across, on a map of ``size``."""
        height, width = (
            (size[a] + sum(self.padding[a]) - self.reach(a)) // self.stride[a] + 1 for a in (0, 1)
        )
        return height, width


def padded(x: Array, window: Window, value: float = 0.0) -> Array:
    """x (N, H, W, C) with the window's padding around it; x itself where there is none."""
    (top, bottom), (left, right) = window.padding
    if not (top or bottom or left or right):
        return x
    n, h, w, c = x.shape
    result = empty(array_module(x), (n, h + top + bottom, w + left + right, c), x.dtype)
    result.fill(value)
    result[:, top : top + h, left : left + w] = x
    return result


def view(x: Array, window: Window) -> Array:
    """Every window of a padded x, as a view (N, positions down, across, kh, kw, C)."""
    n, h, w, c = x.shape
    down, across = window._replace(padding=((0, 0), (0, 0))).positions((h, w))
    sn, sh, sw, sc = x.strides
    (s_h, s_w), (d_h, d_w) = window.stride, window.dilation
    return array_module(x).lib.stride_tricks.as_strided(
        x,
        (n, down, across, *window.taps, c),
        (sn, sh * s_h, sw * s_w, sh * d_h, sw * d_w, sc),
    )


def columns(x: Array, window: Window) -> Array:
    """A copy of every window of x (N, H, W, C) and its padding: (N, down, across, kh, kw, C)."""
    if cuda.has_kernels(x):
        return cuda.columns(x, _numbers(window, window.positions(x.shape[1:3])))
    windows = view(padded(x, window), window)
    result = empty(array_module(x), windows.shape, x.dtype)
    each_part(array_module(x).copyto, result, windows)
    return result


def scatter(pieces: Array, window: Window, size: Pair) -> Array:
    """The adjoint of ``columns``: add every window's taps to where they came from.

    ``pieces`` is (N, down, across, kh, kw, C); the result (N, *size, C). Taps are added one after
    another, so the order of summation is fixed.
    """
    n, down, across, kh, kw, c = pieces.shape
    if cuda.has_kernels(pieces):
        return cuda.scatter(pieces, _numbers(window, (down, across)), size)
    (top, bottom), (left, right) = window.padding
    shape = (n, size[0] + top + bottom, size[1] + left + right, c)
    result = zeros(array_module(pieces), shape, pieces.dtype)
    (s_h, s_w), (d_h, d_w) = window.stride, window.dilation

    def add(result: Array, pieces: Array) -> None:
        for i in range(kh):
            for j in range(kw):
                rows = slice(i * d_h, i * d_h + s_h * (down - 1) + 1, s_h)
                cols = slice(j * d_w, j * d_w + s_w * (across - 1) + 1, s_w)
                result[:, rows, cols] += pieces[:, :, :, i, j]

    each_part(add, result, pieces)
    return result[:, top : top + size[0], left : left + size[1]]


def _numbers(window: Window, positions: Pair) -> tuple[int, ...]:
    """What a GPU's kernel is told of a window that takes so many positions."""
    (top, _), (left, _) = window.padding
    return (*positions, *window.taps, *window.stride, *window.dilation, top, left)
