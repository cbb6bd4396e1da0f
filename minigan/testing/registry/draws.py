"""What the entries draw: values off the kinks, shapes, axes, convolution settings.

About three cases in four are *large*: 24 elements or more, a batch and channels of two or more.
The rest may be 0-d, have axes of length one, or be otherwise tiny.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ... import ops
from ...kernels.windows import Window
from ...ops.geometry import window
from ..values import KINDS

T = TypeVar("T")
Rng = np.random.Generator
Shape = tuple[int, ...]

LARGE = 24
"""The number of elements from which a case counts as large."""


# Choices


def whole(rng: Rng, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return int(rng.integers(low, high + 1))


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def chance(rng: Rng, share: float = 0.5) -> bool:
    """True in that share of the draws."""
    return bool(rng.random() < share)


def number(rng: Rng, low: float, high: float) -> float:
    """A number in [low, high] that is short in print."""
    return round(float(rng.uniform(low, high)), 3)


def until(draw: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """The first of successive draws that ``holds``."""
    found = draw()
    while not holds(found):
        found = draw()
    return found


# Values


def values(rng: Rng, shape: Shape, kind: str = "any") -> np.ndarray:
    """Generic float64 values of one of ``testing.values.KINDS``."""
    return KINDS[kind](rng, math.prod(shape)).reshape(shape)


def some_positive(rng: Rng, shape: Shape) -> np.ndarray:
    """Values off zero, at least one above it, so that what passes those alone passes some."""
    found = values(rng, shape, "off_zero")
    return -found if found.max() < 0 else found


# Shapes


def shape(
    rng: Rng, min_dims: int = 0, max_dims: int = 4, most: int = 48, least_side: int = 1
) -> Shape:
    """A large shape of up to ``most`` elements, or a small one, which has no axis of 0."""
    if chance(rng, 0.74):
        return pick(rng, _large(whole(rng, max(2, min_dims), max_dims), most, least_side))
    dims = whole(rng, min_dims, min(3, max_dims))
    return tuple(whole(rng, least_side, max(3, least_side)) for _ in range(dims))


@cache
def _large(dims: int, most: int, least_side: int) -> list[Shape]:
    ends, inner = range(max(2, least_side), 9), range(least_side, 7)
    sides = [ends, *[inner] * (dims - 2), ends]
    return [found for found in product(*sides) if LARGE <= math.prod(found) <= most]


def broadcastable(rng: Rng, count: int = 2, most: int = 36, max_dims: int = 3) -> list[Shape]:
    """Shapes that NumPy broadcasts together: leading axes missing, other axes of length 1."""
    full = shape(rng, max_dims=max_dims, most=most)
    found = [reduced(rng, full) for _ in range(count)]
    if chance(rng, 0.8):
        found[whole(rng, 0, count - 1)] = full
    return found


def reduced(rng: Rng, full: Shape) -> Shape:
    """A shape that NumPy broadcasts to ``full``."""
    tail = full[whole(rng, 0, len(full)) if chance(rng) else 0 :]
    return tuple(1 if chance(rng, 0.3) else n for n in tail)


# Axes


def an_axis(rng: Rng, ndim: int) -> int:
    """One axis, counted from either end."""
    return whole(rng, -ndim, ndim - 1)


def axes(rng: Rng, ndim: int) -> Any:
    """None, a number or a tuple (possibly empty), counted from either end."""
    kind = pick(rng, ["all", "one", "some", "some"])
    if kind == "all" or not ndim:
        return None
    return an_axis(rng, ndim) if kind == "one" else some_axes(rng, ndim)


def some_axes(rng: Rng, ndim: int) -> tuple[int, ...]:
    """Distinct axes in any order, counted from either end."""
    chosen = rng.permutation(ndim)[: whole(rng, 0, ndim)]
    return tuple(int(a) - ndim if chance(rng) else int(a) for a in chosen)


def length_over(full: Shape, axis: Any) -> int:
    """How many elements there are along ``axis``, one or several or (None) all."""
    chosen = range(len(full)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return math.prod(full[a] for a in chosen)


# Windows


class Sliding(NamedTuple):
    """A convolution's settings, and the sizes of what it is applied to."""

    size: tuple[int, int]
    taps: tuple[int, int]
    stride: Any
    padding: Any
    dilation: Any
    groups: int
    images: int
    channels: tuple[int, int]  # in and out, of all groups together

    @property
    def window(self) -> Window:
        """The window on the map of ``size``."""
        return window(self.size, self.taps, self.stride, self.padding, self.dilation)

    @property
    def map(self) -> Shape:
        """The shape of the map that is convolved."""
        return (self.images, *self.size, self.channels[0])

    @property
    def result(self) -> Shape:
        """The shape of the map that comes of it."""
        return (self.images, *self.window.positions(self.size), self.channels[1])

    @property
    def weights(self) -> Shape:
        """The shape of the weights."""
        return (*self.taps, self.channels[0] // self.groups, self.channels[1])

    @property
    def settings(self) -> dict[str, Any]:
        """What ``conv2d`` takes besides its operands."""
        return {n: getattr(self, n) for n in ("stride", "padding", "dilation", "groups")}


class _Axis(NamedTuple):
    """The window along one axis of a map."""

    size: int
    taps: int
    stride: int
    dilation: int
    sides: tuple[int, int]


_FLAT = _Axis(1, 1, 1, 1, (0, 0))


class _Range(NamedTuple):
    """What is drawn along an axis.

    ``steps`` are how many taps there may be for each step of the stride, ``more`` is how much
    larger a map is than it need be.
    """

    taps: Sequence[int] = (1, 2, 3)
    strides: Sequence[int] = (1, 1, 2, 3)
    dilations: Sequence[int] = (1, 1, 2)
    steps: Sequence[int] = range(1, 9)
    more: Sequence[int] = (0, 1, 2)


SUITED = {
    "direct": _Range(),
    "planes": _Range(),
    "dft": _Range(taps=(1, 2, 3, 5), dilations=(1,), more=range(6)),
    "winograd": _Range((2, 3, 4, 5), (1, 1, 2), dilations=(1,), steps=(2, 3), more=range(6)),
}
"""What each convolution algorithm applies to."""


def sliding(rng: Rng, flat: bool = False, algorithm: str = "direct") -> Sliding:
    """Settings for the algorithm whose window meets the map, by default any there are.

    ``flat`` maps are one high, with one row of taps. Sizes are just large enough for the window,
    or a little larger.
    """
    suited = SUITED[algorithm]
    return until(
        lambda: _sliding(rng, flat, suited), lambda found: _is_light(found) and _meets(found)
    )


def _sliding(rng: Rng, flat: bool, suited: _Range) -> Sliding:
    kind = pick(rng, ["valid", "same", "explicit", "explicit"])
    above, beside = _sides(rng, kind)
    rows = _FLAT if flat else _along(rng, kind, above, suited)
    cols = _along(rng, kind, beside, suited)
    groups = pick(rng, [1, 1, 2, 3])
    images, c_in = _batch(rng, rows.size * cols.size, groups, most=72)
    return Sliding(
        (rows.size, cols.size),
        (rows.taps, cols.taps),
        _pair(rows.stride, cols.stride),
        _padding(rows.sides, cols.sides) if kind == "explicit" else kind,
        _pair(rows.dilation, cols.dilation),
        groups,
        images,
        (c_in, groups * whole(rng, 1, 2)),
    )


def _sides(rng: Rng, kind: str) -> list[tuple[int, int]]:
    """Explicit padding of both axes: as one number, one for each, or two for each."""
    if kind != "explicit":
        return [(0, 0), (0, 0)]
    a, b, c, d = (whole(rng, 0, 2) for _ in range(4))
    return pick(rng, [[(a, a), (a, a)], [(a, a), (b, b)], [(a, b), (c, d)], [(a, b), (c, d)]])


def _along(rng: Rng, kind: str, sides: tuple[int, int], suited: _Range) -> _Axis:
    taps = pick(rng, suited.taps)
    stride = pick(rng, [s for s in suited.strides if -(-taps // s) in suited.steps])
    dilation = pick(rng, suited.dilations)
    reach = (taps - 1) * dilation + 1
    least = 1 if kind == "same" else max(1, reach - sum(sides))
    return _Axis(least + pick(rng, suited.more), taps, stride, dilation, sides)


def _pair(down: int, across: int) -> int | tuple[int, int]:
    return down if down == across else (down, across)


def _padding(rows: tuple[int, int], cols: tuple[int, int]) -> Any:
    """Explicit padding in the shortest of its three spellings."""
    if rows[0] != rows[1] or cols[0] != cols[1]:
        return rows, cols
    return _pair(rows[0], cols[0])


def _is_light(found: Sliding) -> bool:
    """Small enough to be checked in moments."""
    sizes = [math.prod(s) for s in (found.map, found.weights, found.result)]
    return sizes[0] + sizes[1] <= 130 and sizes[2] <= 72


def _meets(found: Sliding) -> bool:
    """Whether some tap meets the map: with wide padding and strides, none may."""
    meeting = ops.conv2d(
        np.ones((1, *found.size, 1)),
        np.ones((*found.taps, 1, 1)),
        found.stride,
        found.padding,
        found.dilation,
    )
    return bool(meeting._array.any())


def pooling(rng: Rng) -> tuple[Shape, dict[str, Any]]:
    """A map's shape and the settings of a window that pools it."""
    kind = pick(rng, ["valid", "same", "explicit"])

    def along(around: tuple[int, int]) -> _Axis:
        found = _along(rng, kind, around, _Range(dilations=(1,)))
        sides = (min(found.sides[0], found.taps - 1), min(found.sides[1], found.taps - 1))
        return found._replace(size=max(found.size, found.taps - sum(sides)), sides=sides)

    rows, cols = until(
        lambda: list(map(along, _sides(rng, kind))), lambda two: two[0].size * two[1].size <= 16
    )
    images, channels = _batch(rng, rows.size * cols.size)
    stride = _pair(rows.stride, cols.stride)
    taps = _pair(rows.taps, cols.taps)
    settings = {
        "size": taps,
        "stride": None if stride == taps and chance(rng) else stride,
        "padding": _padding(rows.sides, cols.sides) if kind == "explicit" else kind,
    }
    return (images, rows.size, cols.size, channels), settings


def map_shape(rng: Rng, channels_of: int = 1, most: int = 48) -> Shape:
    """The shape of maps (N, H, W, C), C a multiple of ``channels_of``."""
    height, width = until(
        lambda: (whole(rng, 1, 4), whole(rng, 1, 4)),
        lambda two: 2 * math.prod(two) * channels_of <= most,  # leaves room for two images
    )
    images, channels = _batch(rng, height * width, channels_of, most)
    return images, height, width, channels


def _batch(rng: Rng, spots: int, channels_of: int = 1, most: int = 64) -> tuple[int, int]:
    """How many images and channels for maps of so many spots; mostly several of both."""
    pairs = [(n, c * channels_of) for n, c in product((1, 2, 3), (1, 2, 3, 4))]
    light = [(n, c) for n, c in pairs if n * c * spots <= most] or pairs[:1]
    large = [(n, c) for n, c in light if n > 1 < c and n * c * spots >= LARGE]
    return pick(rng, large if large and chance(rng, 0.85) else light)


__all__ = [
    "LARGE",
    "Rng",
    "Shape",
    "Sliding",
    "an_axis",
    "axes",
    "broadcastable",
    "chance",
    "length_over",
    "map_shape",
    "number",
    "pick",
    "pooling",
    "reduced",
    "shape",
    "sliding",
    "some_axes",
    "some_positive",
    "until",
    "values",
    "whole",
]
