"""Settings of convolutions, of sequences or of maps, with what they are applied to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..values import Shape, values
from .arrays import seeds
from .shapes import check_least

Sides = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Convolution:
    """The settings of one convolution, and the sizes of what it is applied to.

    ``size``, ``taps``, ``stride`` and ``dilation`` have one entry an axis, and so has ``padding``
    where it is explicit: (before, after). ``channels`` are the (in, out) of each group.
    """

    size: Shape
    taps: Shape
    stride: Shape
    dilation: Shape
    padding: str | Sides
    groups: int
    channels: tuple[int, int]
    images: int
    seed: int

    @property
    def c_in(self) -> int:
        """The channels of the map."""
        return self.channels[0] * self.groups

    @property
    def c_out(self) -> int:
        """The channels of the result."""
        return self.channels[1] * self.groups

    @property
    def positions(self) -> Shape:
        """The size of the result: how many positions the window takes along each axis."""
        return tuple(
            (size + sum(sides) - reach) // stride + 1
            for size, sides, reach, stride in zip(
                self.size, self._sides, self._reach, self.stride, strict=True
            )
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The keywords of ``conv2d``, or of ``conv1d`` where there is one axis."""
        found = {n: getattr(self, n) for n in ("stride", "padding", "dilation")}
        if len(self.size) == 1:
            found = {n: v if isinstance(v, str) else v[0] for n, v in found.items()}
        return {**found, "groups": self.groups}

    @property
    def transposed_settings(self) -> dict[str, Any]:
        """The keywords of ``conv2d_transpose``, which makes a map of ``size`` of the result."""
        return {**self.settings, "output_size": self.size}

    def map(self) -> np.ndarray:
        """What is convolved: (N, *size, C_in)."""
        return values(self.seed, (self.images, *self.size, self.c_in))

    def weights(self) -> np.ndarray:
        """Weights: (*taps, C_in/groups, C_out)."""
        return values(self.seed + 1, (*self.taps, self.channels[0], self.c_out))

    def result(self) -> np.ndarray:
        """Random values of the result's shape (N, *positions, C_out): a cotangent.

        The transposed convolution is applied to it, with the same weights.
        """
        return values(self.seed + 2, (self.images, *self.positions, self.c_out))

    @property
    def meets(self) -> bool:
        """Whether some tap meets the map: with wide padding, strides and dilation none may."""
        return all(self._meets_along(axis) for axis in range(len(self.size)))

    def _meets_along(self, axis: int) -> bool:
        before = self._sides[axis][0]
        return any(
            0 <= p * self.stride[axis] + i * self.dilation[axis] - before < self.size[axis]
            for p in range(self.positions[axis])
            for i in range(self.taps[axis])
        )

    @property
    def _reach(self) -> Shape:
        return tuple((t - 1) * d + 1 for t, d in zip(self.taps, self.dilation, strict=True))

    @property
    def _sides(self) -> Sides:
        """The padding before and after each axis, whatever it is called."""
        if self.padding == "valid":
            return ((0, 0),) * len(self.size)
        if not isinstance(self.padding, str):
            return self.padding
        # "same" makes ⌈size/stride⌉ positions; the smaller half of what that takes comes before.
        totals = [
            max(0, (-(-size // stride) - 1) * stride + reach - size)
            for size, stride, reach in zip(self.size, self.stride, self._reach, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in totals)


def convolutions(
    ndim: int = 2, max_taps: int = 3, max_extra: int = 2, min_images: int = 0, max_groups: int = 3
) -> SearchStrategy[Convolution]:
    """Any settings whose window fits, for sequences (``ndim`` 1) or maps (2).

    Strides go to 3, dilations to 2, explicit padding to 2 on each side; the map is just large
    enough for the window, or up to ``max_extra`` larger along each axis.
    """
    if ndim not in (1, 2):
        raise ValueError(f"ndim: got {ndim}, wanted 1 (sequences) or 2 (maps)")
    check_least("max_taps", max_taps, 1)
    check_least("max_extra", max_extra, 0)
    check_least("max_groups", max_groups, 1)
    if not 0 <= min_images <= 2:
        raise ValueError(f"min_images: got {min_images}, wanted 0, 1 or 2")
    return _convolutions(ndim, max_taps, max_extra, min_images, max_groups)


@st.composite
def _convolutions(
    draw: st.DrawFn, ndim: int, max_taps: int, max_extra: int, min_images: int, max_groups: int
) -> Convolution:
    def each(low: int, high: int) -> Shape:
        return tuple(draw(st.integers(low, high)) for _ in range(ndim))

    taps, stride, dilation = each(1, max_taps), each(1, 3), each(1, 2)
    kind = draw(st.sampled_from(["valid", "same", "explicit", "explicit"]))
    pads = tuple(zip(each(0, 2), each(0, 2), strict=True))
    total = [sum(p) if kind == "explicit" else 0 for p in pads]
    least = [
        1 if kind == "same" else max(1, (t - 1) * d + 1 - p)
        for t, d, p in zip(taps, dilation, total, strict=True)
    ]
    return Convolution(
        size=tuple(a + b for a, b in zip(least, each(0, max_extra), strict=True)),
        taps=taps,
        stride=stride,
        dilation=dilation,
        padding=pads if kind == "explicit" else kind,
        groups=draw(st.integers(1, max_groups)),
        channels=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        images=draw(st.integers(min_images, 2)),
        seed=draw(seeds()),
    )


def small_convolutions(ndim: int = 2) -> SearchStrategy[Convolution]:
    """Ones whose every gradient entry finite differences can afford.

    One or two taps along each axis, at most 40 elements in the map, and some tap meets it, so
    that the result depends on it.
    """
    found = convolutions(ndim, max_taps=2, max_extra=1, min_images=1, max_groups=2)
    return found.map(_reduced).filter(lambda c: c.meets)


def _reduced(c: Convolution) -> Convolution:
    for smaller in (c, replace(c, images=1), replace(c, images=1, groups=1)):
        if smaller.images * math.prod(smaller.size) * smaller.c_in <= 40:
            break
    return smaller  # the last is 4 × 4 × 2 at most
