"""Which algorithm does a convolution: the one place where that is decided.

``algorithm_for`` is a pure function of shapes, dtype and the table ``PRICES``, so the same shapes
get the same algorithm everywhere, and the same bits again. Few channels are taken as planes, where
that was measured to be faster. For others it compares estimates of the time, which are sums of
counts times prices: a price is what one multiplication, or one number written, was measured to
cost. ``python -m benchmarks.calibrate`` measures them anew.

Each algorithm can be forced by its name: ``with mg.config(conv="direct"): …``.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, array_module
from . import convolution, dft, planes, winograd
from .bilinear import Kept, Scheme
from .blocks import PARTS
from .tiling import is_whole
from .windows import Pair, Window

FORWARD, INPUT, WEIGHT = "convolve", "input_gradient", "weight_gradient"

FAST: dict[str, ModuleType] = {"dft": dft, "winograd": winograd}
"""Modules with the three maps, for the windows that their ``applies`` says."""

PRICED = "direct", *FAST
"""The names of those that have prices."""

ALGORITHMS: dict[str, ModuleType] = {"direct": convolution, "planes": planes, **FAST}
"""Every algorithm by its name. ``direct`` and ``planes`` are for any window."""

ON_A_CPU = ALGORITHMS.keys() - {"direct"}
"""The names of those that are for a processor's cache."""

forced: ContextVar[str] = ContextVar("minigan_conv", default="auto")
"""The name of the algorithm that is forced, or "auto"."""


# The table


class Counts(NamedTuple):
    """What an algorithm does: multiplications, and numbers that it writes."""

    multiplied: int  # in products of matrices
    made: int  # columns; or transforms of inputs and outputs
    weights: int  # transforms of weights
    moved: int  # elements of maps; or of tiles, but for those that products are written to at once


Prices = tuple[float, float, float, float]

PRICES: dict[str, dict[str, dict[str, Prices]]] = {
    "float32": {
        FORWARD: {
            "direct": (10.1, 299, 0, 433),
            "dft": (12.3, 137, 188, 997),
            "winograd": (13.5, 236, 114, 464),
        },
        INPUT: {
            "direct": (8.83, 771, 0, 474),
            "dft": (13, 0, 327, 1670),
            "winograd": (11.6, 0.542, 389, 1010),
        },
        WEIGHT: {
            "direct": (10.2, 280, 0, 495),
            "dft": (12.5, 0, 286, 1170),
            "winograd": (15.1, 139, 201, 405),
        },
    },
    "float64": {
        FORWARD: {
            "direct": (27.2, 732, 0, 629),
            "dft": (31, 0, 327, 1830),
            "winograd": (33.3, 141, 0, 927),
        },
        INPUT: {
            "direct": (21.8, 1220, 0, 1270),
            "dft": (30.6, 1.55, 456, 2590),
            "winograd": (32.3, 501, 0, 821),
        },
        WEIGHT: {
            "direct": (29, 579, 0, 991),
            "dft": (30.3, 0, 416, 1840),
            "winograd": (37.3, 15.6, 0, 744),
        },
    },
}
"""By dtype, map and algorithm: what one of each of the ``Counts`` costs, in picoseconds.

Those of Winograd's were measured on 3 × 3 taps with stride 1. What they choose of other windows was
compared with measured times of typical layers: with ``SMALL`` and ``STRIDED`` it was the fastest or
within a fifth of it, but in one of 60 cases.
"""

LARGE, SPILLED = 1 << 25, 10
"""Transforms of weights of more elements than that do not fit any cache, and each one costs so many
times as much: measured on 512 → 1024 channels of 8 × 8, where 109 M of them took 200 ms."""

MARGIN = 0.95
"""Another algorithm must take at most this part of the direct one's time to be chosen."""

SMALL = 3 << 24
"""Multiplications of the definition, in one group, below which it is done: the other algorithms
have too many steps for so little."""

STRIDED = 64
"""Channels, on either side and in each group, below which Winograd's is not chosen for strides: a
DFT or the definition was as fast, or faster by up to a third."""

FEWEST = 8
"""Channels, on either side and in each group, below which no fast one is chosen."""

PLANAR, PLANAR_IMAGES = 12, 4
"""Channels that planes are made of, in a group, up to which they are chosen, and images from which
they are: these are what makes rows long."""

MANY_TAPS, FEW_TAPS = 128, 25
"""Taps up to which planes are chosen, each a step of its own; and up to which they are where the
definition is fast: where taps of few channels are read."""

ADDED, GATHERED = 1 << 14, 1 << 17
"""Elements of columns from which planes are chosen, where taps are added to them and where they are
read: measured beside the definition on some 60 layers, most of 64 images, on two cores."""


@lru_cache(maxsize=1024)
def algorithm_for(
    which: str, images: int, size: Pair, window: Window, channels: Pair, groups: int, dtype: Any
) -> str:
    """The name of the algorithm for one of the three maps: ``which`` is its function's name.

    ``size`` is that of the larger map, ``channels`` are those of it and of the result, in all.
    """
    prices = PRICES.get(dtype.name, {}).get(which, {})
    if prices and _are_planar(which, images, size, window, channels, groups):
        return "planes"
    names = [name for name in FAST if prices and _suits(name, window, min(channels) // groups)]
    direct = counts("direct", images, size, window, channels, groups, dtype)
    if not names or direct.multiplied < SMALL:
        return "direct"
    costs = {
        name: _cost(prices[name], counts(name, images, size, window, channels, groups, dtype))
        for name in ("direct", *names)
    }
    costs["direct"] *= MARGIN
    return min(costs, key=lambda name: costs[name])


def _suits(name: str, window: Window, channels: int) -> bool:
    """Whether a fast algorithm may be chosen for so many channels, the fewer of a group's."""
    least = STRIDED if name == "winograd" and window.stride != (1, 1) else FEWEST
    return channels >= least and FAST[name].applies(window)


def _are_planar(
    which: str, images: int, size: Pair, window: Window, channels: Pair, groups: int
) -> bool:
    """Whether the maps are taken as planes."""
    c_in, c_out = channels[0] // groups, channels[1] // groups
    is_to_few = planes.is_to_few(c_in, c_out, window, groups)
    adds = which == (FORWARD if is_to_few else INPUT)
    taps, (down, across) = window.taps[0] * window.taps[1], window.positions(size)
    few = c_out if is_to_few else c_in
    if few > PLANAR or images < PLANAR_IMAGES:
        return False
    if not 1 < taps <= (MANY_TAPS if adds or is_to_few else FEW_TAPS):
        return False
    if down < PARTS or window.stride[0] > window.taps[0] or window.stride[1] > window.taps[1]:
        return False  # as a row has no parts, and phases that no tap reads have planes too
    return images * down * across * taps * few >= (ADDED if adds else GATHERED)


def _cost(prices: Prices, counts: Counts) -> float:
    if counts.weights > LARGE:
        counts = counts._replace(weights=SPILLED * counts.weights)
    return sum(price * count for price, count in zip(prices, counts, strict=True))


@lru_cache(maxsize=1024)
def counts(
    name: str, images: int, size: Pair, window: Window, channels: Pair, groups: int, dtype: Any
) -> Counts:
    """What an algorithm does, in one group."""
    c, o = channels[0] // groups, channels[1] // groups
    if name in FAST:
        return _fast(FAST[name].scheme(window, size, c, o, dtype), images, c, o)
    down, across = window.positions(size)
    outputs = images * down * across
    columns = outputs * window.taps[0] * window.taps[1] * c
    return Counts(columns * o, columns, 0, images * size[0] * size[1] * c + outputs * o)


def _fast(scheme: Scheme, images: int, c: int, o: int) -> Counts:
    # R products of every phase, though some need none: ``PRICES`` know nothing of strides, and with
    # those of ``scheme.parts`` the choice was slower by up to a third, with few images by more.
    (r, inputs), (outputs, _), taps = scheme.B.shape, scheme.A.shape, scheme.G.shape[1]
    c *= scheme.phases
    tiles = images * scheme.tiles
    multiplied = r * (tiles * (c * o + inputs * c + outputs * o) + taps * c * o)
    moved = tiles * (inputs * c + outputs * o * (not is_whole(scheme.outputs)))
    return Counts(multiplied, r * tiles * (c + o), r * c * o, moved)


# The three maps, by the algorithm that is forced or chosen


def convolve(x: Array, w: Array, window: Window, groups: int, kept: Kept | None = None) -> Array:
    """Y, as ``convolution.convolve``. A fast one leaves in ``kept`` what its gradients can use."""
    channels = x.shape[3], w.shape[3]
    algorithm = _algorithm(FORWARD, x, len(x), x.shape[1:3], window, channels, groups)
    if algorithm in FAST.values():
        return algorithm.convolve(x, w, window, groups, kept)
    return algorithm.convolve(x, w, window, groups)


def input_gradient(
    y: Array, w: Array, window: Window, groups: int, size: Pair, kept: Kept | None = None
) -> Array:
    """X', as ``convolution.input_gradient``; ``kept`` as in ``convolve``."""
    channels = w.shape[2] * groups, w.shape[3]
    algorithm = _algorithm(INPUT, y, len(y), size, window, channels, groups)
    if algorithm in FAST.values():
        return algorithm.input_gradient(y, w, window, groups, size, kept)
    return algorithm.input_gradient(y, w, window, groups, size)


def weight_gradient(x: Array, y: Array, window: Window, groups: int) -> Array:
    """W', as ``convolution.weight_gradient``."""
    channels = x.shape[3], y.shape[3]
    algorithm = _algorithm(WEIGHT, x, len(x), x.shape[1:3], window, channels, groups)
    return algorithm.weight_gradient(x, y, window, groups)


# The two gradients of a map and of weights at once


def convolve_gradients(
    x: Array, w: Array, y: Array, window: Window, groups: int, kept: Kept | None = None
) -> tuple[Array, Array]:
    """X' and W' for a gradient y of ``convolve``'s result, with what that has ``kept``."""
    fast = _fast_for_both(INPUT, x, w, window, groups)
    if fast is not None:
        return fast.convolve_gradients(x, w, y, window, groups, kept)
    on_x = input_gradient(y, w, window, groups, x.shape[1:3])
    return on_x, weight_gradient(x, y, window, groups)


def input_gradient_gradients(
    y: Array, w: Array, x: Array, window: Window, groups: int, kept: Kept | None = None
) -> tuple[Array, Array]:
    """Y' and W' for a gradient x of ``input_gradient``'s result, likewise."""
    fast = _fast_for_both(FORWARD, x, w, window, groups)
    if fast is not None:
        return fast.input_gradient_gradients(y, w, x, window, groups, kept)
    return convolve(x, w, window, groups), weight_gradient(x, y, window, groups)


def _fast_for_both(
    which: str, x: Array, w: Array, window: Window, groups: int
) -> ModuleType | None:
    """The fast algorithm that does this map and the weights' gradient, if one does both."""
    channels = x.shape[3], w.shape[3]
    one, other = (
        _algorithm(kind, x, len(x), x.shape[1:3], window, channels, groups)
        for kind in (which, WEIGHT)
    )
    return one if one is other and one in FAST.values() else None


def _algorithm(
    which: str, like: Array, images: int, size: Pair, window: Window, channels: Pair, groups: int
) -> ModuleType:
    name = forced.get()
    if array_module(like) is not np:
        if name in ON_A_CPU:
            raise ValueError(f'conv={name!r} is for the CPU: use mg.config(conv="auto") on a GPU')
        return convolution  # the others are cut for a processor's cache, and so are the prices
    if name == "auto":
        name = algorithm_for(which, images, size, window, channels, groups, like.dtype)
    elif name in FAST:
        _check_applies(name, window, like.dtype)
    return ALGORITHMS[name]


def _check_applies(name: str, window: Window, dtype: Any) -> None:
    algorithm = FAST[name]
    if algorithm.applies(window) and dtype.name in ("float32", "float64"):
        return
    raise ValueError(
        f"conv={name!r} is for {algorithm.APPLIES_TO}, in float32 or float64; got taps "
        f"{window.taps}, stride {window.stride} and dilation {window.dilation} in {dtype.name}: "
        'use mg.config(conv="auto") or "direct" here'
    )
