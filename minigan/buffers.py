"""Memory that goes round: what a dead array leaves, the next one of its size takes.

A training step makes the same arrays again and again. Large ones are handed back to the operating
system when they die, and fresh memory comes page by page, each cleared as it is first touched:
that can take longer than the arithmetic. Within ``with buffers.in_use():`` the engine makes large
results in memory of ``buffers``, to which it returns when no array shows it any more.

An array of such memory is an ordinary one, to be kept as long as one likes: its ``base`` is a
``Loan``, which all its views hold on to, and whose end gives the memory back. It belongs to the
``Buffers`` and goes with them, to whatever thread they are used in.

Outside such a block, for small arrays and on a GPU, which has a pool of its own, all these
functions do what NumPy's do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, cast

import numpy as np

from .backend import Array, array_module

SMALLEST = 1 << 17
"""Bytes below which an array is not worth it: what the C library keeps at hand, rather than ask the
operating system (glibc's threshold)."""

MOST_LARGER = 1.75
"""How many times as large as needed the memory may be, where there is none of the right size."""

_ALIGNMENT = 64  # bytes of a cache line


class Memory(np.ndarray):
    """A piece of memory: so many bytes, at an aligned address."""

    __slots__ = ("used",)

    used: bool
    """Whether it was, since the last time that idle memory was let go."""

    @classmethod
    def of(cls, size: int) -> Memory:
        """A new one of that size."""
        raw = np.empty(size + _ALIGNMENT, np.uint8)
        start = -raw.__array_interface__["data"][0] % _ALIGNMENT
        return raw[start : start + size].view(cls)


class Loan(np.ndarray):
    """What owns an array's memory while the array or a view of it lives.

    It is an array itself, of a class of its own, and what is lent is a plain view of it. NumPy lets
    a view hold on to the array that owns the memory, and passes over views on the way there if they
    are of the view's class. So a plain array, and all its views, hold on to the loan.
    """

    __slots__ = ("_home",)

    _home: list[Memory]

    def __del__(self) -> None:
        if hasattr(self, "_home"):  # which a view of a loan has not
            self._home.append(cast(Memory, self.base))


class Buffers:
    """Memory to be used again. A copy, or what a pickle gives, is empty."""

    def __init__(self) -> None:
        self._free: dict[int, list[Memory]] = {}  # by size

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the block, in this thread, large results are made in these buffers."""
        token = _in_use.set(self)
        try:
            yield
        finally:
            _in_use.reset(token)

    def array(self, shape: Sequence[int], dtype: np.dtype, strides: Any = None) -> np.ndarray:
        """An array of that shape, of any content."""
        memory, home = self._taken(_rounded(math.prod(shape) * dtype.itemsize))
        memory.used = True
        loan = Loan(shape, dtype, memory, 0, strides)
        loan._home = home
        return loan.view(np.ndarray)

    def _taken(self, size: int) -> tuple[Memory, list[Memory]]:
        """Memory of that size, or of a little more, and where it goes back to."""
        home = self._free.setdefault(size, [])
        try:
            return home.pop(), home
        except IndexError:
            return self._larger(size) or (Memory.of(size), home)

    def _larger(self, size: int) -> tuple[Memory, list[Memory]] | None:
        larger = _rounded(size + 1)  # the next size that there is
        while larger <= MOST_LARGER * size:
            place = self._free.get(larger)
            if place:
                with suppress(IndexError):  # another thread was quicker
                    return place.pop(), place
            larger = _rounded(larger + 1)
        return None

    def trim(self) -> None:
        """Let go of what was idle since the last call: in a loop, what one round did not need."""
        for free in list(self._free.values()):
            for _ in range(len(free)):  # other threads may take some, or bring some back
                with suppress(IndexError):
                    memory = free.pop(0)
                    if memory.used:
                        memory.used = False
                        free.append(memory)

    @property
    def idle(self) -> int:
        """How many bytes wait to be used."""
        return sum(size * len(free) for size, free in list(self._free.items()))

    def __reduce__(self) -> tuple[type[Buffers], tuple[()]]:
        return Buffers, ()


@contextmanager
def at_hand() -> Iterator[None]:
    """Within the block, the buffers that are in use already, or new ones for as long as it is."""
    with (_in_use.get() or Buffers()).in_use():
        yield


_in_use: ContextVar[Buffers | None] = ContextVar("minigan_buffers", default=None)


def _rounded(size: int) -> int:
    """The size of memory for so many bytes: an eighth more at most, so that few sizes differ."""
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


def buffers_for(xp: Any, size: int) -> Buffers | None:
    """The buffers that an array of so many bytes is made in, if any."""
    return _in_use.get() if xp is np and size >= SMALLEST else None


def is_view(array: Array) -> bool:
    """Whether the array shows memory that is another array's."""
    return array.base is not None and type(array.base) is not Loan


def empty(xp: Any, shape: Sequence[int], dtype: Any, order: Sequence[int] | None = None) -> Array:
    """``xp.empty``; ``order`` are the axes as they lie in memory, the slowest first."""
    dtype = np.dtype(dtype)
    buffers = buffers_for(xp, math.prod(shape) * dtype.itemsize)
    if buffers is not None:
        strides = None if order is None else _strides(shape, dtype.itemsize, order)
        return buffers.array(shape, dtype, strides)
    if order is None:
        return xp.empty(shape, dtype)
    return xp.empty([shape[axis] for axis in order], dtype).transpose(np.argsort(order).tolist())


def zeros(xp: Any, shape: Sequence[int], dtype: Any, order: Sequence[int] | None = None) -> Array:
    """``xp.zeros``, with memory laid out as in ``empty``."""
    result = empty(xp, shape, dtype, order)
    result.fill(0)
    return result


def empty_like(x: Array, dtype: Any = None) -> Array:
    """``xp.empty_like``: of x's shape, its axes in the same order in memory."""
    xp, dtype = array_module(x), x.dtype if dtype is None else np.dtype(dtype)
    buffers = buffers_for(xp, x.size * dtype.itemsize)
    if buffers is None:
        return xp.empty_like(x, dtype)
    if x.flags.c_contiguous:
        return buffers.array(x.shape, dtype)
    return buffers.array(x.shape, dtype, _strides(x.shape, dtype.itemsize, memory_order(x)))


def memory_order(x: Array) -> list[int]:
    """The axes as they lie in memory, the slowest first, those of no extent where they stand."""
    if x.flags.c_contiguous:
        return list(range(x.ndim))
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


def result_of(*arrays: Array) -> Array | None:
    """Where an elementwise result of the arrays may be written, for ``out=``; None for anywhere.

    It has the dtype of the first float.
    """
    if _in_use.get() is None:
        return None
    large = arrays[0]
    for array in arrays[1:]:  # one that is repeated does not say how its axes should lie
        if array.size > large.size or (array.size == large.size and 0 in large.strides):
            large = array
    dtype = next(array.dtype for array in arrays if array.dtype.kind == "f")
    if large.size * dtype.itemsize < SMALLEST or array_module(large) is not np:
        return None
    if all(array.shape == large.shape or _fits(array, large) for array in arrays):
        return empty_like(large, dtype)
    return None


def _fits(small: Array, large: Array) -> bool:
    """Whether one broadcasts to the other's shape."""
    ends = large.shape[large.ndim - small.ndim :]
    return small.ndim <= large.ndim and all(
        n in (1, m) for n, m in zip(small.shape, ends, strict=True)
    )


def _strides(shape: Sequence[int], itemsize: int, order: Sequence[int]) -> tuple[int, ...]:
    strides, stride = [0] * len(shape), itemsize
    for axis in reversed(order):
        strides[axis], stride = stride, stride * shape[axis]
    return tuple(strides)
