"""Products of matrices on the CPU, by tiles that BLAS does in the thread that asks.

OpenBLAS shares a product among threads of its own from 2¹⁸ multiplications on (a matrix and a
vector from 9,216 elements), and these threads then run idle for tens of milliseconds, in wait for
the next one: to work beside them takes twice as long. So large products are cut into tiles that
are too small to be shared, and ``workers`` has several threads at several tiles. A tile is also
small enough for BLAS to read where it lies: larger ones it copies first. How a product is cut is a
matter of its shape alone, and so are its bits.

Products of middle size are left to BLAS: its threads are sooner there, as they wait for more. So
are those of two matrices with sums so long that much of the time would go into adding up parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from .. import workers
from ..buffers import empty

TILE, VECTOR = 1 << 17, 1 << 13
"""The most multiplications of a tile, and of one that is of a matrix and a vector."""

DEPTH = 256
"""The most terms of a tile's sums; with a vector, ``VECTOR``."""

ROWS, LINE = 32, 16
"""The rows that a tile has at least, if there are so many; and the numbers of a cache line, of
which its columns are a multiple, if there are more."""

LARGE, LARGE_VECTOR = 1 << 26, 1 << 18
"""Multiplications from which ``matmul`` cuts a product of two matrices, and with a vector."""

PER_ELEMENT = 16
"""Multiplications that take as long as to write an element."""

SHARES = 8
"""Parts that a large product is taken in, more than the threads there usually are."""


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
    large = work >= LARGE_VECTOR and m >= ROWS if n == 1 else work >= LARGE and k <= DEPTH and m > 1
    if not large:
        return np.matmul(a, b, out=out)
    if m < n:
        shares = [(a[None], b[None, :, part], out[None, :, part]) for part in _shares(n)]
    else:
        shares = [(a[None, part], b[None], out[None, part]) for part in _shares(m)]
    workers.each(products, shares, work // PER_ELEMENT)
    return out


def products(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write the products of stacks of matrices, (r, m, k) and (r, k, n), to ``out``, in tiles."""
    (_, m, n), k = out.shape, a.shape[2]
    if k == 1:
        return np.multiply(a, b, out=out)
    parts = max(1, -(-k // (VECTOR if 1 in (m, n) else DEPTH)))
    step = -(-k // parts)
    _in_tiles(a[..., :step], b[:, :step], out)
    if step < k:
        more = empty(np, out.shape, out.dtype)
        for i in range(step, k, step):
            _in_tiles(a[..., i : i + step], b[:, i : i + step], more)
            out += more
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


@lru_cache(maxsize=1024)
def _tile(m: int, n: int, k: int) -> tuple[int, int]:
    """How many rows and columns a tile has."""
    most = max(1, (VECTOR if 1 in (m, n) else TILE) // max(1, k))
    if m * n <= most:
        return max(1, m), max(1, n)
    columns = _even(n, max(1, most // min(m, max(ROWS, most // n))))
    return _even(m, max(1, most // columns)), columns


def _even(n: int, most: int) -> int:
    """The size of parts of n: at most that, about alike, and whole lines if they can be."""
    if n <= most or most < LINE:
        return min(n, most)
    size = -(-n // -(-n // most))
    return min(-(-size // LINE), most // LINE) * LINE


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
