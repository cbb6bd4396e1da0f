"""Work channel by channel on maps (…, C) of few channels, as on wide rows.

NumPy goes along the last axis, and starts anew for each row: with 64 channels that takes half of
the time, with 3 nearly all. So k rows in succession are taken for one of k·C numbers, a channel's
number stands k times in a row, and a channel's sum is one of k sums.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from ..buffers import empty, memory_order
from . import rectifier
from .blocks import each_part, each_row_block, rows

WIDE = 1024
"""Numbers in a row from which more make no difference."""

FEWEST = 1 << 15
"""Elements of an array below which all this takes longer than it saves."""


def order_of(x: Array) -> list[int]:
    """The axes as they lie in memory, but the channels last."""
    return [axis for axis in memory_order(x) if axis != x.ndim - 1] + [x.ndim - 1]


def widened(*flats: Array) -> list[Array]:
    """Arrays of one shape (n, C) as (n/k, k·C), which are views: k is a power of two."""
    n, c = flats[0].shape
    if n * c < FEWEST or not all(type(a) is np.ndarray and a.flags.c_contiguous for a in flats):
        return list(flats)
    k = min(n & -n, 1 << max(0, (WIDE // c).bit_length() - 1))
    return [flat.reshape(n // k, k * c) for flat in flats]


def repeated(of_channels: Array, c: int, width: int) -> Array:
    """A number for each of C channels, or one for all, for rows of that width."""
    return of_channels if width == c else np.resize(of_channels, width)


def gathered(of_columns: Array, c: int) -> Array:
    """Sums (…, k·C) as (…, C), the adjoint of ``repeated``."""
    *rest, width = of_columns.shape
    return of_columns if width == c else of_columns.reshape(*rest, width // c, c).sum(axis=-2)


def sums(x: Array) -> Array:
    """Each channel's sum, (C,)."""
    if x.size < FEWEST:
        return x.sum(axis=tuple(range(x.ndim - 1)))
    (flat,) = widened(rows(x, order_of(x)))
    return gathered(flat.sum(axis=0), x.shape[-1])


def shifted(x: Array, shift: Array, slope: float = 1.0) -> Array:
    """x + shift, a number for each channel, or the leaky ReLU of it of another ``slope``."""
    if x.size < FEWEST:
        result = x + shift
        if slope != 1:
            rectifier.bend(result, slope, result)
        return result
    order = order_of(x)
    result = empty(array_module(x), x.shape, x.dtype, order)
    flat, into = widened(rows(x, order), rows(result, order))
    by = repeated(shift, x.shape[-1], flat.shape[1])

    def write(part: Array, out: Array) -> None:
        array_module(x).add(part, by, out=out)
        if slope != 1:
            rectifier.bend(out, slope, out)

    (each_part if slope == 1 else each_row_block)(write, flat, into)
    return result
