"""Batch normalisation of x (…, C), over all axes but the last, in as few passes as it takes.

With the mean μ and the variance v of a channel and r = 1/√(v + ε), y = γr·(x − μ) + β: so each
element is shifted, scaled and shifted, and only x is kept. Of a gradient g (of n elements of a
channel) two sums are needed, s₀ = Σg and s₁ = Σg·(x − μ), which give

    β' = s₀,    γ' = r·s₁,    x' = γr·(g − s₀/n − (x − μ)·r²·s₁/n).

The last one is Ioffe's and Szegedy's (2015) four formulas put together: with x̂ = (x − μ)·r it is
γr·(g − mean g − x̂·mean(g·x̂)).
"""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from ..buffers import empty, memory_order
from . import cuda
from .blocks import each_row_block, rows, sum_of_row_blocks


def column_moments(x: Array) -> tuple[Array, Array]:
    """μ and v (C,), in x's dtype, of float16 in float32. Sums of blocks are added in float64."""
    xp, wide = array_module(x), _wide(x)
    flat = rows(x, _order(x))
    if cuda.has_kernels(x):
        return cuda.column_moments(flat)
    total = sum_of_row_blocks(lambda part: part.sum(axis=0, dtype=wide), flat)
    mean = (total / len(flat)).astype(wide)

    def squares(part: Array) -> Array:
        centred = xp.subtract(part, mean, out=empty(xp, part.shape, wide))
        return xp.einsum("nc,nc->c", centred, centred)

    return mean, (sum_of_row_blocks(squares, flat) / len(flat)).astype(wide)


def normalize(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float
) -> Array:
    """y."""
    return standardize(x, mean, gamma * inverse_deviation(variance, eps), beta)


def standardize(x: Array, centre: Array, scale: Array, shift: Array) -> Array:
    """scale·(x − centre) + shift, all but x (C,)."""
    xp, order = array_module(x), _order(x)
    result = empty(xp, x.shape, x.dtype, order)
    flat = rows(x, order)
    if cuda.has_kernels(x):
        cuda.standardize(flat, centre, scale, shift, rows(result, order))
        return result

    def write(part: Array, out: Array) -> None:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, centre.dtype))
        centred *= scale
        xp.add(centred, shift, out=out, casting="same_kind")

    each_row_block(write, flat, rows(result, order))
    return result


def normalize_gradient(
    g: Array, x: Array, gamma: Array, mean: Array, variance: Array, eps: float
) -> tuple[Array, Array, Array]:
    """x', γ' and β'."""
    xp, order, wide = array_module(x), _order(x), mean.dtype
    flat, slope = rows(x, order), rows(g, order)
    n = len(flat)

    def both(part: Array, g_part: Array) -> Array:
        centred = xp.subtract(part, mean, out=empty(xp, part.shape, wide))
        return xp.stack([g_part.sum(axis=0, dtype=wide), xp.einsum("nc,nc->c", g_part, centred)])

    on_gpu = cuda.has_kernels(x)
    if on_gpu:
        sum_g, sum_gx = cuda.gradient_sums(slope, flat, mean)
    else:
        sum_g, sum_gx = sum_of_row_blocks(both, flat, slope)
    r = inverse_deviation(variance, eps)
    on_g = gamma * r
    on_x = (-on_g * r * r * (sum_gx / n)).astype(wide)
    shift = (-on_g * (sum_g / n)).astype(wide)
    result = empty(xp, x.shape, x.dtype, order)

    def write(part: Array, g_part: Array, out: Array) -> None:
        centred = xp.subtract(part, mean, out=empty(xp, part.shape, wide))
        centred *= on_x
        centred += shift
        scaled = xp.multiply(g_part, on_g, out=empty(xp, part.shape, wide))
        xp.add(centred, scaled, out=out, casting="same_kind")

    if on_gpu:
        cuda.combine(slope, flat, mean, on_x, on_g, shift, rows(result, order))
    else:
        each_row_block(write, flat, slope, rows(result, order))
    return result, (r * sum_gx).astype(x.dtype), sum_g.astype(x.dtype)


def inverse_deviation(variance: Array, eps: float) -> Array:
    """r = 1/√(v + ε)."""
    return 1 / array_module(variance).sqrt(variance + variance.dtype.type(eps))


def _order(x: Array) -> list[int]:
    """The axes as they lie in memory, but the channels last."""
    return [axis for axis in memory_order(x) if axis != x.ndim - 1] + [x.ndim - 1]


def _wide(x: Array) -> np.dtype:
    """The dtype of sums: float16's squares overflow from 256."""
    return np.dtype("float32") if x.dtype == np.float16 else x.dtype
