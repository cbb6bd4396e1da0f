"""The input gradient of a convolution of few channels: its taps added as whole planes.

``windows.scatter`` adds C numbers at each place that a tap came from. Where C is small, that is a
loop of a few additions for each of many places. Here a channel is a plane of its own, and y is
laid out with zeros after each row and below each map, as wide as the taps reach.

With stride s, tap t = s·i + φ of output p falls on s·(p + i) + φ of the padded map: on position
p + i of phase φ, which is every s-th row from the φ-th on. So in the planes of its phase a tap is
all of y moved by one distance, i rows and j columns, and what it adds is one long vector; what the
move carries from the end of a row into the next one are the zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..backend import Array
from ..buffers import empty, zeros
from . import blas
from .windows import Window

FEWEST, MOST = 2, 12
"""Channels of the map for which this is faster: of one, ``scatter`` adds whole rows already."""


class _Phase(NamedTuple):
    """Rows (or columns) of a map, every s-th, and where they are in the planes of their phase."""

    number: int
    on_map: slice
    inside: slice


def add_taps(y: Array, matrix: Array, window: Window, into: Array) -> None:
    """Write to ``into`` (N, H, W, C) the adjoint of convolution with ``matrix``, (kh·kw·C, O)."""
    (n, down, across, o), (*_, c) = y.shape, into.shape
    rows, cols = (_extent(window, axis, y.shape[1 + axis], into.shape[1 + axis]) for axis in (0, 1))
    moved = blas.spaced((o, n, rows, cols), y.dtype)
    moved.fill(0)
    moved[:, :, :down, :across] = y.transpose(3, 0, 1, 2)
    length = n * rows * cols
    taps = empty(np, (len(matrix), length), y.dtype)
    blas.products(matrix[None], moved.reshape(1, o, length), taps[None])
    taps = taps.reshape(*window.taps, c, length)
    planes = zeros(np, (*window.stride, c, length), y.dtype)
    for i in range(window.taps[0]):
        for j in range(window.taps[1]):
            down_by, phase = divmod(i * window.dilation[0], window.stride[0])
            across_by, across_phase = divmod(j * window.dilation[1], window.stride[1])
            by = down_by * cols + across_by
            planes[phase, across_phase, :, by:] += taps[i, j, :, : length - by]
    planes = planes.reshape(*window.stride, c, n, rows, cols)
    for row in _phases(window, 0, into.shape[1]):
        for col in _phases(window, 1, into.shape[2]):
            for channel in range(c):
                plane = planes[row.number, col.number, channel]
                into[:, row.on_map, col.on_map, channel] = plane[:, row.inside, col.inside]


def _extent(window: Window, axis: int, positions: int, size: int) -> int:
    """Rows of a plane: for every output moved by the furthest tap, and for the padded map."""
    furthest = (window.taps[axis] - 1) * window.dilation[axis] // window.stride[axis]
    padded = size + sum(window.padding[axis])
    return max(positions + furthest, -(-padded // window.stride[axis]))


def _phases(window: Window, axis: int, size: int) -> Iterator[_Phase]:
    before, stride = window.padding[axis][0], window.stride[axis]
    for first in range(min(stride, size)):
        start, phase = divmod(first + before, stride)
        count = -(-(size - first) // stride)
        yield _Phase(phase, slice(first, None, stride), slice(start, start + count))
