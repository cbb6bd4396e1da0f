"""Calls of what works on maps and sequences, and of what normalises."""

from __future__ import annotations

from typing import Any

import references
from hypothesis import strategies as st
from reference.case import EPS, FILLED, FULL, Case, mostly

from minigan.testing.strategies import arrays, axes, convolutions, shapes


def convolved(ndim: int) -> Any:
    found = convolutions(ndim, max_extra=4)
    return found.map(lambda c: Case([c.map(), c.weights()], c.settings))


@st.composite
def transposed_convolutions(draw: Any) -> Case:
    """Back to the very size that the convolution came from, or to the size taken by default."""
    c = draw(convolutions(max_extra=4))
    settings = dict(c.transposed_settings)
    usual = references.default_size(c.positions, c.taps, c.stride, c.padding, c.dilation)
    if min(usual) > 0 and draw(st.booleans()):
        settings["output_size"] = None
    return Case([c.result(), c.weights()], settings)


@st.composite
def pools(draw: Any) -> Case:
    taps = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    kind = draw(st.sampled_from(["valid", "same", "explicit"]))
    padding: Any = kind
    if kind == "explicit":
        padding = tuple((draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))) for n in taps)
    size = [n + draw(st.integers(0, 4)) for n in taps]
    stride = draw(st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    x = draw(arrays((draw(st.integers(1, 2)), *size, draw(st.integers(1, 3)))))
    return Case([x], {"size": taps, "stride": stride, "padding": padding})


def maps(channels: int = 1) -> Any:
    """(N, H, W, C) with C a multiple of ``channels``."""
    found = mostly(shapes(4, 4, 2, 5), shapes(4, 4, 1, 3))
    return arrays(found.map(lambda s: (*s[:3], s[3] * channels)))


@st.composite
def enlarged(draw: Any) -> Case:
    factors = st.integers(1, 4)
    return Case([draw(maps())], {"factor": draw(factors | st.tuples(factors, factors))})


@st.composite
def shuffles(draw: Any) -> Case:
    factor = draw(st.integers(1, 3))
    return Case([draw(maps(factor**2))], {"factor": factor})


@st.composite
def normalized(draw: Any) -> Case:
    x = draw(arrays(FILLED))
    return Case([x], {"axis": draw(axes(x.ndim)), "eps": draw(EPS)})


@st.composite
def affine(draw: Any, least: int) -> Case:
    """x of ``least`` axes or more, γ and β; two elements or more in every mean."""
    x = draw(arrays(mostly(FULL, shapes(least, 4, min_side=2))))
    scale, shift = draw(arrays(x.shape[-1:])), draw(arrays(x.shape[-1:]))
    return Case([x, scale, shift], {"eps": draw(EPS)})
