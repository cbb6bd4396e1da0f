"""Products of matrices on the CPU, by tiles that BLAS does in the thread that asks.

OpenBLAS shares a product among threads of its own from 2¹⁸ multiplications on (a matrix and a
vector from 9,216 elements), and these threads then run idle for tens of milliseconds, in wait for
the next one: to work beside them takes twice as long. So large products are cut into tiles that
are too small to be shared, and ``workers`` has several threads at several tiles. A tile is also
small enough for BLAS to read where it lies: larger ones it copies first. Whether and how a product
is cut is a matter of its shape and of ``shared``, never of the number of threads, and so are its
bits.

Products of middle size are left to BLAS: its threads are sooner there, as they wait for more. So
are those of two matrices with sums so long that much of the time would go into adding up parts.
That is best where nothing else wants the cores: small networks live on it. In large ones with
convolutions, which have threads of ours at work all the time, none is ``shared`` but ``HUGE`` ones,
for which tiles are too slow, and those that NumPy's ``einsum`` makes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import numpy as np

from .. import workers
from ..buffers import empty

TILE, VECTOR = 1 << 17, 1 << 13
"""The most multiplications of a tile, and of one that is of a matrix and a vector."""

DEPTH = 256
"""The most terms of a tile's sums; with a vector, ``VECTOR``."""

SHALLOW = 64
"""The least terms of a tile's sums where it has all rows and columns."""

ROWS, LINE = 32, 16
"""The rows that a tile has at most where there are many columns, half of them at the least; and the
numbers of a cache line, of which its columns are a multiple, if there are more."""

LARGE, LARGE_VECTOR = 1 << 26, 1 << 18
"""Multiplications from which ``matmul`` cuts a product of two matrices, and with a vector."""

HUGE = 1 << 30
"""Multiplications from which a product with longer sums than ``DEPTH`` is BLAS's in any case."""

PER_ELEMENT = 16
"""Multiplications that take as long as to write an element."""

SHARES = 8
"""Parts that a large product is taken in, more than the threads there usually are."""

LONG = 4
"""Times that a product's sums are as long as its rows and columns, where it is cut along them."""

SHORT = 128
"""Terms of sums below which a second factor that lies turned is better copied, for ``ROWS`` twice:
products with it are half as fast."""

PITCH, PAGE = 16, 1 << 12
"""Elements between rows of what is ``spaced``; and a distance in bytes at which numbers share a set
of the first cache."""

shared: ContextVar[bool | None] = ContextVar("minigan_blas_threads", default=None)
"""Whether BLAS may share products of middle size; None where nobody says, and then it may."""


@contextmanager
def unshared_if(busy: bool) -> Iterator[None]:
    """Within the block no product is shared, if our threads are busy and nobody says otherwise."""
    token = shared.set(False if busy and shared.get() is None else shared.get())
    try:
        yield
    finally:
        shared.reset(token)


def is_shared() -> bool:
    """Whether BLAS may share products of middle size here."""
    return shared.get() is not False


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write the product of two matrices, (m, k) and (k, n), to ``out``."""
    (m, k), n = a.shape, b.shape[1]
    work = m * n * k
    if k == 1:  # NumPy's matmul does not ask BLAS then: many times as slow
        if work > TILE:
            return np.multiply(a, b, out=out)
        if out.flags.c_contiguous:
            return np.dot(a, b, out=out)
        out[...] = np.dot(a, b)
        return out
    if work < _least(m, n, k):
        return np.matmul(a, b, out=out)
    return tiled(a, b, out)


def tiled(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """As ``matmul``, in tiles; by several threads if it is large."""
    (m, k), n = a.shape, b.shape[1]
    size = m * n * k // PER_ELEMENT
    if size < workers.SMALLEST:
        products(a[None], b[None], out[None])
        return out
    b = _readable(a, b)
    if k >= LONG * max(m, n):

        def part(terms: slice) -> np.ndarray:
            return products(a[None, :, terms], b[None, terms], empty(np, (1, m, n), out.dtype))

        first, *others = workers.results(part, zip(_shares(k)), size)
        out[...] = first[0]
        for other in others:
            out += other[0]
        return out
    if m < n:
        shares = [(a[None], b[None, :, some], out[None, :, some]) for some in _shares(n)]
    else:
        shares = [(a[None, some], b[None], out[None, some]) for some in _shares(m)]
    workers.each(products, shares, size)
    return out


def _least(m: int, n: int, k: int) -> float:
    """The multiplications from which a product is done in tiles."""
    if not is_shared():
        huge = m * n * k >= HUGE and k > DEPTH
        return math.inf if huge else (VECTOR if 1 in (m, n) else TILE) + 1
    if n == 1:
        return LARGE_VECTOR if m >= ROWS else math.inf
    return LARGE if k <= DEPTH and m > 1 else math.inf


def _readable(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The second factor as BLAS reads it fast with the first: both may lie turned, not it alone."""
    if not _is_turned(b) or _is_turned(a) or b.shape[-2] >= SHORT or a.shape[-2] < 2 * ROWS:
        return b
    copy = empty(np, b.shape, b.dtype)
    copy[...] = b
    return copy


def _is_turned(x: np.ndarray) -> bool:
    return x.strides[-1] != x.itemsize and x.shape[-1] > 1


def products(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write the products of stacks of matrices, (r, m, k) and (r, k, n), to ``out``, in tiles."""
    (_, m, n), k = out.shape, a.shape[2]
    if k == 1:
        return np.multiply(a, b, out=out)
    b = _readable(a, b)
    if k > DEPTH and min(m, n) > 1 and m * n <= TILE // SHALLOW:
        return _in_stacks(a, b, out)
    parts = max(1, -(-k // (VECTOR if 1 in (m, n) else DEPTH)))
    step = -(-k // parts)
    _in_tiles(a[..., :step], b[:, :step], out)
    if step < k:
        more = empty(np, out.shape, out.dtype)
        for i in range(step, k, step):
            _in_tiles(a[..., i : i + step], b[:, i : i + step], more)
            out += more
    return out


def _in_stacks(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The same where a tile has all rows and columns: those of some terms each, then their sum."""
    (r, m, n), k = out.shape, a.shape[2]
    depth = min(DEPTH, TILE // (m * n))
    count, rest = divmod(k, depth)
    left = a[..., : k - rest].reshape(r, m, count, depth).swapaxes(1, 2)  # a view, as only one
    right = b[:, : k - rest].reshape(r, count, depth, n)  # axis is taken apart
    sums = np.matmul(left, right, out=empty(np, (r, count, m, n), out.dtype))
    np.add.reduce(sums, axis=1, out=out)
    if rest:
        out += np.matmul(a[..., k - rest :], b[:, k - rest :], out=sums[:, 0])
    return out


def _in_tiles(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    (r, m, n), k = out.shape, a.shape[2]
    rows, columns = _tile(m, n, k)
    for down, p, height in _cut(m, rows):
        left = a[:, down].reshape(r, p, 1, height, k)
        for across, q, width in _cut(n, columns):
            right = b[:, :, across].reshape(r, 1, k, q, width).swapaxes(2, 3)
            into = out[:, down, across].reshape(r, p, height, q, width).swapaxes(2, 3)
            np.matmul(left, right, out=into)  # ``into`` is a view, as axes are only taken apart


def spaced(shape: Sequence[int], dtype: np.dtype, axes: int = 1) -> np.ndarray:
    """An empty array for products, with gaps between its rows, which the first ``axes`` number.

    Of rows that lie whole pages apart, only as many as the cache has ways stay in it.
    """
    count, width = math.prod(shape[:axes]), math.prod(shape[axes:])
    gap = PITCH if (width + PITCH) * dtype.itemsize % PAGE else 2 * PITCH
    return empty(np, (count, width + gap), dtype)[:, :width].reshape(shape)  # a view


@lru_cache(maxsize=1024)
def _tile(m: int, n: int, k: int) -> tuple[int, int]:
    """How many rows and columns a tile has."""
    most = max(1, (VECTOR if 1 in (m, n) else TILE) // max(1, k))
    if m * n <= most:
        return max(1, m), max(1, n)
    columns = max(1, most // _even(m, max(ROWS, most // n)))
    if n > columns >= LINE:  # whole lines
        columns = min(-(-_even(n, columns) // LINE), columns // LINE) * LINE
    columns = min(n, columns)
    return _even(m, max(1, most // columns)), columns


def _even(n: int, most: int) -> int:
    """The size of parts of n: at most that, about alike."""
    return -(-n // -(-n // most))


def _cut(n: int, step: int) -> Iterator[tuple[slice, int, int]]:
    """Parts of n, of so many pieces of one size: those of ``step``, and what is left."""
    count, rest = divmod(n, step)
    if count:
        yield slice(0, n - rest), count, step
    if rest:
        yield slice(n - rest, n), 1, rest


def _shares(n: int) -> Iterator[slice]:
    step = -(-n // (SHARES * LINE)) * LINE
    return (slice(start, start + step) for start in range(0, n, step))
