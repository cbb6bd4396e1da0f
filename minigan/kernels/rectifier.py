"""A leaky ReLU on arrays: y = x where x > 0, else slope·x, and its gradient, on the signs of y."""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from ..buffers import empty


def bend(x: Array, slope: float, out: Array) -> None:
    """Write y, which may be over x."""
    real = x.dtype.type
    if not slope:  # which times infinity is no number
        # With both bounds, as NumPy's maximum of an array and a number is several times as slow.
        x.clip(real(0), real(np.inf), out=out)
        return
    xp = array_module(x)
    scaled = empty(xp, x.shape, x.dtype) if out is x else out
    xp.multiply(x, real(slope), out=scaled)
    larger = xp.maximum if slope <= 1 else xp.minimum
    larger(x, scaled, out=out)


def gate(g: Array, signs: Array, slope: float, out: Array) -> None:
    """Write g where ``signs`` > 0, slope·g elsewhere; not over g.

    As a product with 1 or slope, several times as fast as a selection.
    """
    low, high = sorted((g.dtype.type(slope), g.dtype.type(1)))
    out[...] = signs > 0 if slope <= 1 else signs <= 0
    if slope > 1:
        out *= high
    if slope:
        out.clip(low, high, out=out)
    out *= g
