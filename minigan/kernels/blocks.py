"""Large arrays a block at a time: several passes over a block find it in the processor's cache.

Maps are (N, H, W, C) to the reader, in any order in memory, so blocks are taken in the order in
which the elements lie there. On a GPU an array is one block, as there each pass is a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from .. import workers
from ..backend import Array, array_module
from ..buffers import empty, memory_order

BLOCK = 1 << 16  # elements: four blocks of float32 are a megabyte
SHARED = 1 << 19  # elements, where several cores take blocks: each call waits for the interpreter
PARTS = 4  # more than the threads that there usually are, as one may be late


def each_block(function: Callable[..., object], *arrays: Array) -> None:
    """``function`` of each of ``flat_blocks``, on several cores: none may depend on another."""
    workers.each(function, flat_blocks(*arrays), _work(arrays))


def each_row_block(function: Callable[..., object], *arrays: Array) -> None:
    """``function`` of each of ``row_blocks``, likewise."""
    workers.each(function, row_blocks(*arrays), _work(arrays))


def each_part(function: Callable[..., object], *arrays: Array) -> None:
    """``function`` of arrays of one length, a quarter of it at a time, on several cores."""
    n, size = len(arrays[0]), max(a.size for a in arrays)
    workers.each(function, _cut(arrays, n, max(1, -(-n // PARTS))), size)


def sum_of_row_blocks(function: Callable[..., Array], *arrays: Array) -> Array:
    """What ``function`` returns for each of ``row_blocks``, added in their order in float64."""
    first, *rest = workers.results(function, row_blocks(*arrays), _work(arrays))
    total = first.astype("float64")
    for more in rest:
        total += more
    return total


def flat_blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Blocks of arrays of one shape, in the order of the first one's memory.

    They have one axis, or all axes if another array lies in another order and what the first one
    has at each place of its slowest axis fits two blocks. Blocks of the first array are views, if
    it has no gaps; those of others may be copies. Arrays no larger than a block are given whole.
    """
    if arrays[0].size <= BLOCK:
        return iter([arrays])
    order, size = memory_order(arrays[0]), _size(arrays)
    turned = [a.transpose(order) for a in arrays]
    each = turned[0].size // len(turned[0])
    if each <= 2 * size and not all(a.flags.c_contiguous for a in turned):
        return _cut(turned, len(turned[0]), max(1, size // each))
    flat = [a.reshape(-1) for a in turned]
    return _cut(flat, len(flat[0]), size)


def rows(x: Array, order: Sequence[int]) -> Array:
    """x (…, C) as (n, C), the rows in the given order of axes: a view where x lies so."""
    turned, shape = x.transpose(order), (math.prod(x.shape[:-1]), x.shape[-1])
    if x.size < workers.SMALLEST or type(x) is not np.ndarray or turned.flags.c_contiguous:
        return turned.reshape(shape)
    with suppress(ValueError, TypeError):  # it takes a copy, or NumPy is older than 2.1
        return turned.reshape(shape, copy=False)
    copy = empty(np, turned.shape, x.dtype)
    longest = max(range(x.ndim), key=lambda axis: turned.shape[axis])
    each_part(np.copyto, np.moveaxis(copy, longest, 0), np.moveaxis(turned, longest, 0))
    return copy.reshape(shape)


def row_blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Blocks of arrays (n, C), a number of rows each."""
    return _cut(arrays, len(arrays[0]), max(1, _size(arrays) // max(1, arrays[0].shape[1])))


def _work(arrays: Sequence[Array]) -> int:
    """Elements of such arrays, in pairs: a pass over one reads it and writes another."""
    return sum(a.size for a in arrays) // 2


def _size(arrays: Sequence[Array]) -> int:
    """Elements of a block of one of the arrays: of equal ones for two cores, if for several."""
    if _work(arrays) < workers.SMALLEST:
        return BLOCK
    size = arrays[0].size
    return -(-size // (2 * -(-size // (2 * SHARED))))


def _cut(arrays: Sequence[Array], n: int, step: int) -> Iterator[tuple[Array, ...]]:
    if n <= step or array_module(arrays[0]) is not np:
        return iter([tuple(arrays)])
    return (tuple([a[i : i + step] for a in arrays]) for i in range(0, n, step))
