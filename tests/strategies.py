"""What the property tests draw: shapes, values, axes, einsum subscripts, convolution settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = int(os.environ.get("MINIGAN_FUZZ", "0"))
"""Set to n to draw n times as many examples, other ones in every run."""


def examples(count: int) -> settings:
    """``count`` examples, the same in every run, so that a passing suite passes again."""
    return settings(
        max_examples=count * max(1, FUZZ),
        derandomize=not FUZZ,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


# Values


def values(seed: int, shape: tuple[int, ...], kind: str = "any") -> np.ndarray:
    """Generic float64 values: no ties, no zeros, and as far from a kink as ``kind`` says.

    "any" is normal; "positive" is in [0.3, 2]; "off_zero" at least 0.2 from 0; "unit" inside
    (−0.9, 0.9); "distinct" leaves 0.05 around every multiple of 0.2, and at most one element
    between two of them.
    """
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    if kind == "any":
        flat = rng.normal(size=size)
    elif kind == "positive":
        flat = rng.uniform(0.3, 2.0, size)
    elif kind == "off_zero":
        flat = rng.choice([-1, 1], size) * rng.uniform(0.2, 2.0, size)
    elif kind == "unit":
        flat = rng.uniform(-0.9, 0.9, size)
    elif kind == "distinct":
        flat = (rng.permutation(size) - size // 2 + 0.5 + rng.uniform(-0.2, 0.2, size)) / 5
    else:
        raise ValueError(kind)
    return flat.reshape(shape)


seeds = st.integers(0, 2**32 - 1)


@st.composite
def shapes(
    draw: Any, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> tuple[int, ...]:
    """0-d, size 0 and length-1 axes are all likely."""
    return tuple(
        draw(st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims))
    )


@st.composite
def arrays(draw: Any, shape: Any = None, kind: str = "any") -> np.ndarray:
    """An array of ``shape`` (a tuple, or a strategy for one)."""
    shape = draw(shapes()) if shape is None else shape
    return values(draw(seeds), shape if isinstance(shape, tuple) else draw(shape), kind)


@st.composite
def broadcastable(draw: Any, count: int = 2, max_dims: int = 3) -> list[tuple[int, ...]]:
    """Shapes that NumPy broadcasts together: leading axes missing, other axes of length 1."""
    whole = draw(shapes(max_dims=max_dims))
    found = []
    for _ in range(count):
        tail = whole[draw(st.integers(0, len(whole))) :]
        found.append(tuple(1 if draw(st.booleans()) else n for n in tail))
    return found


@st.composite
def axes(draw: Any, ndim: int) -> Any:
    """None, a number, or a tuple (possibly empty), counted from either end."""
    kind = draw(st.sampled_from(["all", "one", "some"]))
    if kind == "all" or not ndim:
        return None
    if kind == "one":
        return draw(st.integers(-ndim, ndim - 1))
    chosen = draw(st.lists(st.integers(0, ndim - 1), unique=True))
    return tuple(a - ndim if draw(st.booleans()) else a for a in chosen)


@st.composite
def arrays_with_axis(draw: Any, kind: str = "any", min_side: int = 1) -> tuple[np.ndarray, Any]:
    """An array and an ``axis`` to reduce it over; no axis is empty unless ``min_side`` is 0."""
    a = draw(arrays(shapes(min_side=min_side), kind))
    return a, draw(axes(a.ndim))


@st.composite
def permutations(draw: Any, ndim: int) -> tuple[int, ...] | None:
    """An order for ``transpose``, axes counted from either end, or None."""
    if draw(st.booleans()):
        return None
    order = draw(st.permutations(range(ndim)))
    return tuple(a - ndim if draw(st.booleans()) else a for a in order)


@st.composite
def einsums(draw: Any) -> tuple[str, list[np.ndarray]]:
    """Subscripts and operands: letters shared, summed away or doubled, "…", no "->"."""
    sizes = {c: draw(st.integers(1, 3)) for c in "abc"}
    dots = draw(st.sampled_from([(), (2,), (2, 3), (1, 2)]))
    words, operands = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.text("abc", max_size=3 if not dots else 2))
        width = draw(st.integers(0, len(dots)))
        shape = (*dots[len(dots) - width :], *(sizes[c] for c in letters))
        words.append("..." + letters if dots else letters)
        operands.append(values(draw(seeds), shape))
    used = sorted(set("".join(words)) - {"."})
    if draw(st.booleans()):
        return ",".join(words), operands
    kept = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
    return ",".join(words) + "->" + ("..." if dots else "") + "".join(kept), operands


# Convolution


@dataclass(frozen=True)
class Convolution:
    """The settings of one convolution, and the sizes of what it is applied to."""

    size: tuple[int, int]
    taps: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Any
    groups: int
    channels: tuple[int, int]  # in and out, of each group
    images: int
    seed: int

    @property
    def c_in(self) -> int:
        return self.channels[0] * self.groups

    @property
    def c_out(self) -> int:
        return self.channels[1] * self.groups

    @property
    def settings(self) -> dict[str, Any]:
        return {n: getattr(self, n) for n in ("stride", "padding", "dilation", "groups")}

    def map(self) -> np.ndarray:
        return values(self.seed, (self.images, *self.size, self.c_in))

    def weights(self) -> np.ndarray:
        return values(self.seed + 1, (*self.taps, self.channels[0], self.c_out))


@st.composite
def convolutions(
    draw: Any, max_taps: int = 3, max_extra: int = 2, min_images: int = 0
) -> Convolution:
    """Any settings whose window fits; sizes just large enough, or up to ``max_extra`` larger."""
    taps, stride, dilation = (
        (draw(st.integers(1, n)), draw(st.integers(1, n))) for n in (max_taps, 3, 2)
    )
    kind = draw(st.sampled_from(["valid", "same", "explicit", "explicit"]))
    padding: Any = kind
    total = (0, 0)
    if kind == "explicit":
        side = st.integers(0, 2)
        padding = ((draw(side), draw(side)), (draw(side), draw(side)))
        total = (sum(padding[0]), sum(padding[1]))
    least = [
        1 if kind == "same" else max(1, (t - 1) * d + 1 - p)
        for t, d, p in zip(taps, dilation, total, strict=True)
    ]
    return Convolution(
        size=(
            least[0] + draw(st.integers(0, max_extra)),
            least[1] + draw(st.integers(0, max_extra)),
        ),
        taps=taps,
        stride=stride,
        dilation=dilation,
        padding=padding,
        groups=draw(st.integers(1, 3 if max_taps > 2 else 2)),
        channels=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        images=draw(st.integers(min_images, 2)),
        seed=draw(seeds),
    )


@st.composite
def small_convolutions(draw: Any) -> Convolution:
    """Ones that finite differences can afford: at most about 40 elements in the map."""
    found = draw(convolutions(max_taps=2, max_extra=1, min_images=1))
    return replace(found, images=1) if found.map().size > 24 else found
