"""Batch normalisation of x (…, C), over all axes but the last, in as few passes as it takes.

With the mean μ and the variance v of a channel and r = 1/√(v + ε), y = γr·(x − μ) + β: so each
element is shifted, scaled and shifted, and only x is kept. Of a gradient g (of n elements of a
channel) two sums are needed, s₀ = Σg and s₁ = Σg·(x − μ), which give

    β' = s₀,    γ' = r·s₁,    x' = γr·(g − s₀/n − (x − μ)·r²·s₁/n).

The last one is Ioffe's and Szegedy's (2015) four formulas put together: with x̂ = (x − μ)·r it is
γr·(g − mean g − x̂·mean(g·x̂)).

A leaky ReLU that follows is done in the same passes. Its gradient comes first, and takes the signs
of y, which are found again from x.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from ..buffers import empty
from . import cuda
from .blocks import each_row_block, rows, sum_of_row_blocks
from .channels import gathered, order_of, repeated, widened
from .rectifier import bend, gate


def column_moments(x: Array) -> tuple[Array, Array]:
    """μ and v (C,), in x's dtype, of float16 in float32. Sums of blocks are added in float64."""
    xp, wide = array_module(x), _wide(x)
    flat = rows(x, order_of(x))
    n, c = flat.shape
    if cuda.has_kernels(x):
        return cuda.column_moments(flat)
    (flat,) = widened(flat)
    total = sum_of_row_blocks(lambda part: part.sum(axis=0, dtype=wide), flat)
    mean = (gathered(total, c) / n).astype(wide)
    centre = repeated(mean, c, flat.shape[1])

    def squares(part: Array) -> Array:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, wide))
        return xp.einsum("nc,nc->c", centred, centred)

    return mean, (gathered(sum_of_row_blocks(squares, flat), c) / n).astype(wide)


def normalize(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float, slope: float
) -> Array:
    """y, or what a leaky ReLU of that slope makes of it: 1 for none."""
    flat, into, result = _flat_and_result(x)
    if cuda.has_kernels(x):
        cuda.normalize(flat, into, gamma, beta, mean, variance, eps, slope)
    else:
        _standardize(flat, into, mean, gamma * inverse_deviation(variance, eps), beta, slope)
    return result


def standardize(x: Array, centre: Array, scale: Array, shift: Array) -> Array:
    """scale·(x − centre) + shift, all but x (C,)."""
    flat, into, result = _flat_and_result(x)
    if cuda.has_kernels(x):
        cuda.standardize(flat, into, centre, scale, shift)
    else:
        _standardize(flat, into, centre, scale, shift, 1.0)
    return result


def _standardize(
    x: Array, out: Array, centre: Array, scale: Array, shift: Array, slope: float
) -> None:
    xp, c = array_module(x), x.shape[1]
    x, out = widened(x, out)
    centre, scale, shift = (repeated(a, c, x.shape[1]) for a in (centre, scale, shift))

    def write(part: Array, out: Array) -> None:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, centre.dtype))
        centred *= scale
        xp.add(centred, shift, out=out, casting="same_kind")
        if slope != 1:
            bend(out, slope, out)

    each_row_block(write, x, out)


def normalize_gradient(
    g: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    eps: float,
    slope: float,
) -> tuple[Array, Array, Array]:
    """x', γ' and β'."""
    flat, into, result = _flat_and_result(x)
    flat_g = rows(g, order_of(x))
    if cuda.has_kernels(x):
        norm = gamma, beta, mean, variance, eps, slope
        return (result, *cuda.normalize_gradient(flat_g, flat, into, *norm))
    xp, wide, (n, c) = array_module(x), mean.dtype, flat.shape
    flat, flat_g, into = widened(flat, flat_g, into)
    r = inverse_deviation(variance, eps)
    on_g = gamma * r
    centre, scale, shift = (repeated(a, c, flat.shape[1]) for a in (mean, on_g, beta))

    def sums(part: Array, g: Array, out: Array) -> Array:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, wide))
        if slope != 1:  # the gradient of y, kept for the second pass
            y = xp.multiply(centred, scale, out=empty(xp, part.shape, wide))
            y += shift
            gate(g, y, slope, out)
            g = out
        return xp.stack([g.sum(axis=0, dtype=wide), xp.einsum("nc,nc->c", g, centred)])

    sum_g, sum_gx = gathered(sum_of_row_blocks(sums, flat, flat_g, into), c)
    on_x = (-on_g * r * r * (sum_gx / n)).astype(wide)
    level = (-on_g * (sum_g / n)).astype(wide)
    on_x, level = (repeated(a, c, flat.shape[1]) for a in (on_x, level))

    def write(part: Array, g: Array, out: Array) -> None:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, wide))
        centred *= on_x
        centred += level
        scaled = xp.multiply(g, scale, out=empty(xp, part.shape, wide))
        xp.add(centred, scaled, out=out, casting="same_kind")

    each_row_block(write, flat, flat_g if slope == 1 else into, into)
    return result, (r * sum_gx).astype(x.dtype), sum_g.astype(x.dtype)


def inverse_deviation(variance: Array, eps: float) -> Array:
    """r = 1/√(v + ε)."""
    return 1 / array_module(variance).sqrt(variance + variance.dtype.type(eps))


def _flat_and_result(x: Array) -> tuple[Array, Array, Array]:
    """x as (n, C), an array of the same shape to write to, and that one in x's shape."""
    order = order_of(x)
    result = empty(array_module(x), x.shape, x.dtype, order)
    return rows(x, order), rows(result, order), result


def _wide(x: Array) -> np.dtype:
    """The dtype of sums: float16's squares overflow from 256."""
    return np.dtype("float32") if x.dtype == np.float16 else x.dtype
