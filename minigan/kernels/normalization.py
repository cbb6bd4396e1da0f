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
from ..buffers import empty
from . import cuda
from .blocks import each_row_block, rows, sum_of_row_blocks
from .channels import gathered, order_of, repeated, widened


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
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float
) -> Array:
    """y."""
    return standardize(x, mean, gamma * inverse_deviation(variance, eps), beta)


def standardize(x: Array, centre: Array, scale: Array, shift: Array) -> Array:
    """scale·(x − centre) + shift, all but x (C,)."""
    xp, order = array_module(x), order_of(x)
    result = empty(xp, x.shape, x.dtype, order)
    flat, into = rows(x, order), rows(result, order)
    if cuda.has_kernels(x):
        cuda.standardize(flat, centre, scale, shift, into)
        return result
    flat, into = widened(flat, into)
    centre, scale, shift = (repeated(a, x.shape[-1], flat.shape[1]) for a in (centre, scale, shift))

    def write(part: Array, out: Array) -> None:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, centre.dtype))
        centred *= scale
        xp.add(centred, shift, out=out, casting="same_kind")

    each_row_block(write, flat, into)
    return result


def normalize_gradient(
    g: Array, x: Array, gamma: Array, mean: Array, variance: Array, eps: float
) -> tuple[Array, Array, Array]:
    """x', γ' and β'."""
    xp, order, wide = array_module(x), order_of(x), mean.dtype
    result = empty(xp, x.shape, x.dtype, order)
    flat, slope, into = (rows(a, order) for a in (x, g, result))
    n, c = flat.shape
    on_gpu = cuda.has_kernels(x)
    if on_gpu:
        sum_g, sum_gx = cuda.gradient_sums(slope, flat, mean)
    else:
        flat, slope, into = widened(flat, slope, into)
        centre = repeated(mean, c, flat.shape[1])

        def both(part: Array, g_part: Array) -> Array:
            centred = xp.subtract(part, centre, out=empty(xp, part.shape, wide))
            products = xp.einsum("nc,nc->c", g_part, centred)
            return xp.stack([g_part.sum(axis=0, dtype=wide), products])

        sum_g, sum_gx = gathered(sum_of_row_blocks(both, flat, slope), c)
    r = inverse_deviation(variance, eps)
    on_g = gamma * r
    on_x = (-on_g * r * r * (sum_gx / n)).astype(wide)
    shift = (-on_g * (sum_g / n)).astype(wide)
    if on_gpu:
        cuda.combine(slope, flat, mean, on_x, on_g, shift, into)
    else:
        width = flat.shape[1]
        _combine(slope, flat, into, centre, *(repeated(a, c, width) for a in (on_x, on_g, shift)))
    return result, (r * sum_gx).astype(x.dtype), sum_g.astype(x.dtype)


def _combine(
    g: Array, x: Array, out: Array, centre: Array, on_x: Array, on_g: Array, shift: Array
) -> None:
    """Write on_x·(x − centre) + on_g·g + shift."""
    xp, wide = array_module(x), centre.dtype

    def write(part: Array, g_part: Array, out: Array) -> None:
        centred = xp.subtract(part, centre, out=empty(xp, part.shape, wide))
        centred *= on_x
        centred += shift
        scaled = xp.multiply(g_part, on_g, out=empty(xp, part.shape, wide))
        xp.add(centred, scaled, out=out, casting="same_kind")

    each_row_block(write, x, g, out)


def inverse_deviation(variance: Array, eps: float) -> Array:
    """r = 1/√(v + ε)."""
    return 1 / array_module(variance).sqrt(variance + variance.dtype.type(eps))


def _wide(x: Array) -> np.dtype:
    """The dtype of sums: float16's squares overflow from 256."""
    return np.dtype("float32") if x.dtype == np.float16 else x.dtype
