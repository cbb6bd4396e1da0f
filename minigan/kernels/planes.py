"""Convolution of maps of few channels, as planes: rows of images, not of channels.

In memory a map of few channels is a poor thing to loop over: C numbers at each of many places. Here
it is taken apart into planes (rows, columns, N), one for each channel, so that what a tap reads or
writes are long rows, across the map and all images.

With stride s, tap t = s·i + φ of output p meets position s·(p + i) + φ of the padded map: position
p + i of *phase* φ, every s-th row from the φ-th on. So there is a plane for each phase, and in it
tap t is the output's plane moved by i. With these rows as X (taps·C, positions·N) and with W and Y'
as ``convolution`` has them,

    forward           Y = Xᵀ·W
    weight gradient   W' = X·Y'
    input gradient    X' = W·Y'ᵀ, each row of which is added to the plane that its tap moves it to

A convolution of stride 1 to few channels is such an adjoint too, of the taps in reverse order with
both kinds of channels exchanged: then the map that is taken apart is the result.

Maps that come out are (N, H, W, C) to the reader and (H, W, N, C) in memory, as ``bilinear``'s.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import workers
from ..backend import Array
from ..buffers import empty, zeros
from . import blas
from .blas import spaced
from .blocks import PARTS
from .convolution import as_matrix, blocks
from .windows import Pair, Window

IN_CACHE = 1 << 18  # elements of X that a core has at a time, about 1 MB in float32
AT_A_TIME = 1 << 22  # elements of W·Y'ᵀ, or of a row of X, about 16 MB
ALL = slice(0, sys.maxsize)


class _Tap(NamedTuple):
    """A tap: its place, the phases that it reads, and by how much it is moved there."""

    place: Pair
    phases: Pair
    moved: Pair


class _Phase(NamedTuple):
    """Rows (or columns) of a map, every s-th, and where they are in the planes of their phase."""

    number: int
    on_map: slice
    inside: slice


# The three maps: of few channels, or to few


def convolve(x: Array, w: Array, window: Window, groups: int) -> Array:
    """Y, as ``convolution.convolve``."""
    if is_to_few(w.shape[2], w.shape[3], window, groups):
        size = window.positions(x.shape[1:3])
        return _input_gradient(x, _mirrored(w), _mirror(window), 1, size)
    return _convolve(x, w, window, groups)


def input_gradient(y: Array, w: Array, window: Window, groups: int, size: Pair) -> Array:
    """X', as ``convolution.input_gradient``."""
    if is_to_few(w.shape[2], w.shape[3], window, groups):
        return _convolve(y, _mirrored(w), _mirror(window), 1)
    return _input_gradient(y, w, window, groups, size)


def weight_gradient(x: Array, y: Array, window: Window, groups: int) -> Array:
    """W', as ``convolution.weight_gradient``."""
    if is_to_few(x.shape[3], y.shape[3], window, groups):
        return _mirrored(_weight_gradient(y, x, _mirror(window), 1))
    return _weight_gradient(x, y, window, groups)


def is_to_few(c_in: int, c_out: int, window: Window, groups: int) -> bool:
    """Whether the result has fewer channels, and is an adjoint of the map."""
    within = all(max(window.padding[a]) < window.reach(a) for a in (0, 1))
    return c_out < c_in and groups == 1 and window.stride == (1, 1) and within


def _mirror(window: Window) -> Window:
    """Of a convolution of stride 1, the one that it is an adjoint of."""
    (top, bottom), (left, right) = window.padding
    down, across = window.reach(0) - 1, window.reach(1) - 1
    return window._replace(padding=((down - top, down - bottom), (across - left, across - right)))


def _mirrored(w: Array) -> Array:
    """Its weights; those of these are w again."""
    return w[::-1, ::-1].swapaxes(2, 3)


def _convolve(x: Array, w: Array, window: Window, groups: int) -> Array:
    result = _room(len(x), window.positions(x.shape[1:3]), w.shape[3], x.dtype)
    for ins, outs in blocks(x.shape[3], w.shape[3], groups):
        matrix = as_matrix(w[..., outs])
        for images in _chunks(len(x), len(matrix) * result.shape[2]):
            _multiply(x[images, :, :, ins], matrix, window, result[images, :, :, outs])
    return result


def _input_gradient(y: Array, w: Array, window: Window, groups: int, size: Pair) -> Array:
    n, down, across, _ = y.shape
    result = _room(n, size, w.shape[2] * groups, y.dtype)
    for ins, outs in blocks(w.shape[2] * groups, w.shape[3], groups):
        matrix = np.asfortranarray(as_matrix(w[..., outs]))  # BLAS likes both turned, or none
        for images in _chunks(n, len(matrix) * down * across):
            moved = _moved(y[images, :, :, outs], matrix)
            _add(moved, result[images, :, :, ins], window, (down, across))
    return result


def _weight_gradient(x: Array, y: Array, window: Window, groups: int) -> Array:
    c, (n, _, across, c_out) = x.shape[3], y.shape
    result = zeros(np, (*window.taps, c // groups, c_out), x.dtype)
    for ins, outs in blocks(c, c_out, groups):
        total = as_matrix(result)[:, outs]  # the same memory
        for images in _chunks(n, len(total) * across):
            _gather(x[images, :, :, ins], y[images, :, :, outs], window, total)
    return result


def _multiply(x: Array, matrix: Array, window: Window, into: Array) -> None:
    """Write Xᵀ·W to maps."""
    into = into.transpose(1, 2, 0, 3)
    down, across, n, _ = into.shape
    is_whole = into.strides[1] == n * into.strides[2]  # not some of the images
    planes = _planes(x, window, (down, across))

    def multiply(rows: slice) -> None:
        columns, here = _columns(planes, window, rows, across), into[rows]
        if is_whole:
            y = here.reshape(1, -1, here.shape[3])  # a view
        else:
            y = empty(np, (1, columns.shape[1], here.shape[3]), here.dtype)
        blas.products(columns.T[None], matrix[None], y)
        if not is_whole:
            here[...] = y.reshape(here.shape)

    _each_few(multiply, into, matrix)


def _moved(y: Array, matrix: Array) -> Array:
    """W·Yᵀ, (taps·C, positions·N)."""
    y = y.transpose(1, 2, 0, 3)
    down, across, n, o = y.shape
    result = spaced((len(matrix), down * across * n), y.dtype)

    def multiply(rows: slice) -> None:
        right = y[rows].reshape(-1, o).T  # of a copy, if it lies otherwise
        here = result[:, rows.start * across * n : rows.stop * across * n]
        blas.products(matrix[None], right[None], here[None])

    _each_few(multiply, y, matrix)
    return result


def _gather(x: Array, y: Array, window: Window, into: Array) -> None:
    """Add X·Y to ``into``, what shares of the rows of positions have to say in their order."""
    y = y.transpose(1, 2, 0, 3)
    down, across, _, o = y.shape
    planes = _planes(x, window, (down, across))

    def multiply(rows: slice) -> Array:
        columns, right = _columns(planes, window, rows, across), y[rows].reshape(-1, o)
        found = empty(np, (1, *into.shape), into.dtype)
        return blas.products(columns[None], right[None], found)[0]

    for found in _each_few(multiply, y, into):
        into += found


# Planes


def _planes(x: Array, window: Window, positions: Pair) -> Array:
    """x (N, H, W, C) as (phases down, across, C, rows, columns, N), padded with zeros."""
    planes, turned = _empty_planes(x.shape, window, positions, x.dtype), x.transpose(3, 1, 2, 0)

    def write(rows: slice) -> None:
        for row in _phases(window, 0, x.shape[1], rows):
            for col in _phases(window, 1, x.shape[2]):
                part = turned[:, row.on_map, col.on_map]
                planes[row.number, col.number, :, row.inside, col.inside] = part

    workers.each(write, zip(_parts(planes.shape[3])), planes.size)
    return planes


def _columns(planes: Array, window: Window, rows: slice, across: int) -> Array:
    """X of some rows of positions: (kh·kw·C, positions·N)."""
    c, n, height = planes.shape[2], planes.shape[5], rows.stop - rows.start
    shape = *window.taps, c, height, across, n
    columns = spaced((window.taps[0] * window.taps[1] * c, height * across * n), planes.dtype)
    parts = columns.reshape(shape)  # the same memory
    for tap in _taps(window):
        (down_by, across_by), (i, j) = tap.moved, tap.phases
        here = slice(down_by + rows.start, down_by + rows.stop)
        parts[tap.place] = planes[i, j, :, here, across_by : across_by + across]
    return columns


def _add(moved: Array, into: Array, window: Window, positions: Pair) -> None:
    """Write the adjoint of ``_columns`` and ``_planes`` to maps: some rows of all planes a time.

    Taps are added one after another, so the order of summation is fixed.
    """
    (n, *_, c), (down, across) = into.shape, positions
    planes = _empty_planes(into.shape, window, positions, into.dtype)
    pieces, turned = moved.reshape(*window.taps, c, down, across, n), into.transpose(3, 1, 2, 0)

    def add(rows: slice) -> None:
        for tap in _taps(window):
            (down_by, across_by), (i, j) = tap.moved, tap.phases
            start, stop = max(rows.start, down_by), min(rows.stop, down_by + down)
            if start < stop:
                part = planes[i, j, :, start:stop, across_by : across_by + across]
                part += pieces[tap.place][:, start - down_by : stop - down_by]
        for row in _phases(window, 0, into.shape[1], rows):
            for col in _phases(window, 1, into.shape[2]):
                part = planes[row.number, col.number, :, row.inside, col.inside]
                turned[:, row.on_map, col.on_map] = part

    workers.each(add, zip(_parts(planes.shape[3])), moved.size)


def _empty_planes(
    shape: tuple[int, ...], window: Window, positions: Pair, dtype: np.dtype
) -> Array:
    """Planes for maps of that shape: for every output moved by the furthest tap, and for them."""
    n, *size, c = shape
    extent = []
    for axis in (0, 1):
        stride, padded = window.stride[axis], size[axis] + sum(window.padding[axis])
        furthest = (window.taps[axis] - 1) * window.dilation[axis] // stride
        extent.append(max(positions[axis] + furthest, -(-padded // stride)))
    return zeros(np, (*window.stride, c, *extent, n), dtype)


def _taps(window: Window) -> Iterator[_Tap]:
    (s_h, s_w), (d_h, d_w) = window.stride, window.dilation
    for i in range(window.taps[0]):
        down_by, phase_down = divmod(i * d_h, s_h)
        for j in range(window.taps[1]):
            across_by, phase_across = divmod(j * d_w, s_w)
            yield _Tap((i, j), (phase_down, phase_across), (down_by, across_by))


def _phases(window: Window, axis: int, size: int, within: slice = ALL) -> Iterator[_Phase]:
    """The phases of an axis of the map, or what of them is in some rows of the planes."""
    before, stride = window.padding[axis][0], window.stride[axis]
    for first in range(min(stride, size)):
        begin, phase = divmod(first + before, stride)
        end = begin + -(-(size - first) // stride)
        low, high = max(begin, within.start), min(end, within.stop)
        if low < high:
            start = first + stride * (low - begin)
            on_map = slice(start, start + stride * (high - low - 1) + 1, stride)
            yield _Phase(phase, on_map, slice(low, high))


# Shapes and shares


def _room(n: int, size: Pair, channels: int, dtype: np.dtype) -> Array:
    """An empty (N, H, W, C) that is (H, W, N, C) in memory."""
    return empty(np, (n, *size, channels), dtype, order=(1, 2, 0, 3))


def _chunks(n: int, each: int) -> Iterator[slice]:
    """Images that are taken together, each of which has so many elements: about alike."""
    most = max(1, AT_A_TIME // max(1, each))
    return _few(0, n, -(-n // -(-n // most)) if n else 1)


def _parts(n: int) -> Iterator[slice]:
    return _few(0, n, -(-n // PARTS))


def _each_few(function: Callable[[slice], Any], maps: Array, matrix: Array) -> list[Any]:
    """``function`` of a few rows of ``maps`` (down, across, N, O) at a time, on several cores.

    What it returns, if anything, is added up for each share of the rows; returns these sums.
    """
    down, across, n, o = maps.shape
    each, share = across * n * len(matrix), -(-down // blas.SHARES)
    step = max(1, min(IN_CACHE // max(1, each), share))

    def work(start: int) -> Any:
        total = None
        for rows in _few(start, min(start + share, down), step):
            found = function(rows)
            if total is None:
                total = found
            else:
                total += found
        return total

    return workers.results(work, zip(range(0, down, share)), down * each * o // blas.PER_ELEMENT)


def _few(start: int, stop: int, step: int) -> Iterator[slice]:
    return (slice(i, min(i + step, stop)) for i in range(start, stop, step))
