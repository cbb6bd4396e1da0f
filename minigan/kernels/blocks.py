"""Large arrays a block at a time: several passes over a block find it in the processor's cache.

Maps are (N, H, W, C) to the reader, in any order in memory, so blocks are taken in the order in
which the elements lie there. On a GPU an array is one block, as there each pass is a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..backend import Array, array_module
from ..buffers import memory_order

BLOCK = 1 << 16  # elements: four blocks of float32 are a megabyte


def flat_blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Blocks of arrays of one shape, each of one axis, in the order of the first one's memory.

    Blocks of the first array are views, if it has no gaps; those of others may be copies.
    """
    order = memory_order(arrays[0])
    flat = [a.transpose(order).reshape(-1) for a in arrays]
    return _cut(flat, len(flat[0]), BLOCK)


def rows(x: Array, order: Sequence[int]) -> Array:
    """x (…, C) as (n, C), the rows in the given order of axes: a view where x lies so."""
    return x.transpose(order).reshape(-1, x.shape[-1])


def row_blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Blocks of arrays (n, C), a number of rows each."""
    return _cut(arrays, len(arrays[0]), rows_of_block(arrays[0]))


def rows_of_block(x: Array) -> int:
    """How many rows of x (n, C) a block has, all of them on a GPU."""
    most = max(1, BLOCK // max(1, x.shape[1]))
    return min(len(x), most) if array_module(x) is np else len(x)


def _cut(arrays: Sequence[Array], n: int, step: int) -> Iterator[tuple[Array, ...]]:
    if n <= step or array_module(arrays[0]) is not np:
        return iter([tuple(arrays)])
    return (tuple([a[i : i + step] for a in arrays]) for i in range(0, n, step))
