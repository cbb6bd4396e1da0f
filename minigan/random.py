"""Random numbers that are a function of (seed, stream, step), so that their state is a counter.

Words come from Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
the key is a hash of the seed and the stream's name, the 256-bit counter holds (block, draw, step).
Two streams never share a word, and any draw can be repeated without replaying those before it.
"""

from __future__ import annotations

import math
import operator
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import numpy as np

from . import workers
from .arguments import whole
from .backend import Array, array_module, library_on
from .buffers import empty
from .errors import NotCapturable
from .kernels import cuda

Shape = int | Sequence[int]

AT_A_TIME = 1 << 17
"""Bits of a mask, whose words then come from memory that is in the cache already."""


class Stream:
    """The random numbers of one purpose (``name``) in one run (``seed``) at one ``step``.

    Successive draws from one stream differ; a stream made again with the same three values
    repeats them bit for bit. They are made on ``device`` unless a draw says where.
    """

    def __init__(self, seed: int, name: str = "", step: int = 0, device: str = "cpu") -> None:
        seed, step = operator.index(seed), operator.index(step)
        if seed < 0 or step < 0:
            raise ValueError(f"seed and step must not be negative, got {seed} and {step}")
        self.seed, self.name, self.step = seed, name, step
        self._key = _key(seed, f"{name}")
        self._draw, self.device = 0, device
        self._later: Array | None = None

    def later(self, step: Array) -> Stream:
        """The same, at the step that stands in a GPU's memory (float64, (1,)) by then."""
        return self._twin(self.name, step)

    def apart(self, name: str) -> Stream:
        """The numbers of another purpose at the same step."""
        return self._twin(name, self._later)

    def _twin(self, name: str, later: Array | None) -> Stream:
        twin = Stream(self.seed, name, self.step, self.device)
        twin._later = later
        return twin

    def words(self, count: int, device: str | None = None) -> Array:
        """The next draw: ``count`` uniformly distributed 64-bit words."""
        device = device or self.device
        if device == "cpu":
            return self._words(count, self._next_draw_here())
        place = self._key, self._next_draw(), self.step, self._later
        return cuda.philox(library_on(device), count, *place)

    def _words(self, count: int, draw: int, start: int = 0) -> Array:
        """So many words of a draw, from four times ``start`` on."""
        if not hasattr(_of_thread, "philox"):  # a new one costs a call of the operating system
            _of_thread.philox = np.random.Philox(key=0)
        counter = np.array([start, draw, self.step, 0], dtype=np.uint64)
        state = {"counter": counter, "key": self._key}
        _of_thread.philox.state = _FRESH | {"state": state}
        return _of_thread.philox.random_raw(count)

    def _next_draw_here(self) -> int:
        """The number of the next draw, whose words the CPU makes."""
        if self._later is not None:
            raise NotCapturable(f"random numbers ({self.name}) are drawn on the CPU")
        return self._next_draw()

    def _next_draw(self) -> int:
        draw, self._draw = self._draw, self._draw + 1
        return draw

    def uniform(
        self,
        shape: Shape,
        low: float = 0.0,
        high: float = 1.0,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> Array:
        """Uniform on [low, high): 24 random bits a number in float32 and float16, 53 in float64.

        The same bits on every device.
        """
        low, high = float(low), float(high)
        if not low <= high:
            raise ValueError(f"low must not be above high, got {low} and {high}")
        unit = self._unit(_size(shape), _real(dtype), device)
        draw = _shaped(low + (high - low) * unit, shape, dtype)
        # Rounding may have reached high, which is outside.
        below = np.nextafter(draw.dtype.type(high), draw.dtype.type(low))
        return array_module(draw).minimum(draw, below, out=draw)

    def normal(
        self,
        shape: Shape,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> Array:
        """Normal numbers by Box and Muller: √(−2 ln u)·(cos 2πv, sin 2πv) with u in (0, 1].

        On another device they may differ in the last bits, as its logarithms and cosines do.
        """
        count, real, mean, std = _size(shape), _real(dtype), float(mean), float(std)
        half = (count + 1) // 2
        unit = self._unit(2 * half, real, device)
        xp = array_module(unit)
        # u is in [0, 1), so 1 − u is in (0, 1] and its logarithm is finite.
        radius = xp.sqrt(-2 * xp.log1p(-unit[:half]))
        angle = unit[half:] * real.type(2 * np.pi)
        both = xp.concatenate([radius * xp.cos(angle), radius * xp.sin(angle)])
        return _shaped(mean + std * both[:count], shape, dtype)

    def keep_mask(self, shape: Shape, drop: float, device: str | None = None) -> Array:
        """Booleans, each False with probability ``drop``, to a resolution of 2⁻¹⁶."""
        size, least = _size(shape), round(drop * 65536)
        if (device or self.device) != "cpu":
            bits = self.words(-(-size // 4), device).view("uint16")[:size]
            return (bits >= least).reshape(shape)
        mask, draw = empty(np, (size,), np.bool_), self._next_draw_here()

        def fill(start: int) -> None:
            part = mask[start : start + AT_A_TIME]
            words = self._words(-(-len(part) // 4), draw, start // 16)
            bits = words.view("uint16")[: len(part)]
            np.greater_equal(bits, least, out=part)

        workers.each(fill, zip(range(0, size, AT_A_TIME)), 2 * size)
        return mask.reshape(shape)

    def integers(self, high: int, shape: Shape) -> Array:
        """Integers uniform on 0 … high − 1 (by remainder: biased by less than high · 2⁻⁶⁴)."""
        high = whole("high", high)
        words = self.words(_size(shape)) % np.uint64(high)
        return words.astype(np.int64).reshape(shape)

    def permutation(self, count: int) -> Array:
        """The numbers 0 … count − 1 in a random order."""
        return np.argsort(self.words(count), kind="stable")

    def _unit(self, count: int, real: np.dtype, device: str | None) -> Array:
        """Numbers in [0, 1)."""
        if real == np.float64:
            return (self.words(count, device) >> np.uint64(11)) * 2.0**-53
        halves = self.words(-(-count // 2), device).view("uint32")[:count]
        return (halves >> np.uint32(8)).astype("float32") * np.float32(2.0**-24)


def _size(shape: Shape) -> int:
    return math.prod(shape) if isinstance(shape, (tuple, list)) else int(np.prod(shape))


def _real(dtype: Any) -> np.dtype:
    """The dtype that numbers of ``dtype`` are computed in."""
    return np.dtype(np.float64 if np.dtype(dtype) == np.float64 else np.float32)


def _shaped(numbers: Array, shape: Shape, dtype: Any) -> Array:
    return numbers.astype(dtype, copy=False).reshape(shape)


@lru_cache(maxsize=64)
def _key(seed: int, name: str) -> Array:
    """A hash of the two, in 128 bits."""
    from hashlib import blake2b  # here, as it takes longer to load than this module

    digest = blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    key.flags.writeable = False  # as all streams of that name show it
    return key


_of_thread = threading.local()

_FRESH = {
    "bit_generator": "Philox",
    "buffer": np.zeros(4, np.uint64),
    "buffer_pos": 4,
    "has_uint32": 0,
    "uinteger": 0,
}
"""What NumPy's generator calls the state of one that no word was taken of yet, but its place."""

_current: ContextVar[Stream | None] = ContextVar("minigan_random_stream", default=None)


@contextmanager
def use(stream: Stream | int) -> Iterator[Stream]:
    """Let layers that draw (dropout) take their numbers from ``stream`` within the block.

    An integer is short for ``Stream(seed)``. Outside any such block a layer draws from a stream
    of the operating system's entropy, so its numbers differ from run to run.
    """
    stream = stream if isinstance(stream, Stream) else Stream(stream)
    token = _current.set(stream)
    try:
        yield stream
    finally:
        _current.reset(token)


def current() -> Stream:
    """The stream in force here, or a new one of fresh entropy."""
    return _current.get() or Stream(int.from_bytes(os.urandom(7), "little"), "entropy")
