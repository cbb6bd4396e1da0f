"""Pooling: one number for each window of a map, by maximum or by mean."""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from ..kernels.windows import Pair, Window, padded, scatter, view
from ..primitives import vjp
from ..tensor import Tensor, TensorLike
from .geometry import IntOrPair, Padding, pair, window
from .reduction import max as max_over
from .reduction import mean as mean_over
from .reduction import sum as sum_over
from .shape import maps


@vjp(lambda g, x_shape, choice, window: _unpick(g, choice, window, x_shape[1:3]), plain=True)
def _pick(x: Array, /, choice: Array, window: Window) -> Array:
    """The tap numbered ``choice`` of every window. Linear in x."""
    return array_module(x).take_along_axis(_taps(x, window), choice[:, :, :, None], axis=3)[
        :, :, :, 0
    ]


@vjp(lambda g, choice, window: _pick(g, choice, window), plain=True)
def _unpick(y: Array, /, choice: Array, window: Window, size: Pair) -> Array:
    """The adjoint of ``_pick``: each y is added to the element that was picked."""
    xp, (kh, kw), (n, down, across, c) = array_module(y), window.taps, y.shape
    taps = xp.arange(kh * kw)[:, None]
    pieces = xp.where(taps == choice[:, :, :, None], y[:, :, :, None], y.dtype.type(0))
    return scatter(pieces.reshape(n, down, across, kh, kw, c), window, size)


def _taps(x: Array, window: Window, value: float = 0.0) -> Array:
    """The windows of x, (N, down, across, kh·kw, C), with ``value`` for padding."""
    windows = view(padded(x, window, value), window)
    return windows.reshape(*windows.shape[:3], window.taps[0] * window.taps[1], x.shape[3])


def max_pool2d(
    x: TensorLike,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
) -> Tensor:
    """The largest element of each window of x (N, H, W, C); it alone gets g, the first at a tie."""
    x, where = _prepare("max_pool2d", x, size, stride, padding)
    # Raised to the smallest number, so that even −∞ in x is above the padding's.
    finite = array_module(x._array).maximum(x._array, np.finfo(x.dtype).min)
    choice = _taps(finite, where, -np.inf).argmax(axis=3)
    return _pick(x, choice, where)


@vjp(lambda g, x_shape, window: _spread(g, window, x_shape[1:3]), plain=True)
def _window_sum(x: Array, /, window: Window) -> Array:
    """The sum of every window. Linear in x."""
    return view(padded(x, window), window).sum(axis=(3, 4))


@vjp(lambda g, window: _window_sum(g, window), plain=True)
def _spread(y: Array, /, window: Window, size: Pair) -> Array:
    """The adjoint of ``_window_sum``: each y is added to every element of its window."""
    n, down, across, c = y.shape
    pieces = array_module(y).broadcast_to(
        y[:, :, :, None, None], (n, down, across, *window.taps, c)
    )
    return scatter(pieces, window, size)


def avg_pool2d(
    x: TensorLike,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    padding: Padding = "valid",
) -> Tensor:
    """The mean of each window of x (N, H, W, C). Padding is not counted, as in Keras."""
    x, where = _prepare("avg_pool2d", x, size, stride, padding)
    ones = array_module(x._array).ones((1, *x.shape[1:3], 1), dtype=x.dtype)
    counts = view(padded(ones, where), where).sum(axis=(3, 4))
    return _window_sum(x, where) / counts


def _prepare(
    name: str, x: TensorLike, size: IntOrPair, stride: IntOrPair | None, padding: Padding
) -> tuple[Tensor, Window]:
    x, taps = maps(name, x), pair("size", size)
    where = window(x.shape[1:3], taps, taps if stride is None else stride, padding)
    if any(side >= n for sides, n in zip(where.padding, taps, strict=True) for side in sides):
        raise ValueError(f"{name}: padding {where.padding} reaches past the window {taps}")
    return x, where


def global_avg_pool2d(x: TensorLike) -> Tensor:
    """The mean of each channel's map: (N, H, W, C) to (N, C)."""
    return mean_over(maps("global_avg_pool2d", x), (1, 2))


def global_sum_pool2d(x: TensorLike) -> Tensor:
    """The sum of each channel's map: (N, H, W, C) to (N, C)."""
    return sum_over(maps("global_sum_pool2d", x), (1, 2))


def global_max_pool2d(x: TensorLike) -> Tensor:
    """The largest element of each channel's map: (N, H, W, C) to (N, C)."""
    return max_over(maps("global_max_pool2d", x), (1, 2))


__all__ = [
    "avg_pool2d",
    "global_avg_pool2d",
    "global_max_pool2d",
    "global_sum_pool2d",
    "max_pool2d",
]
