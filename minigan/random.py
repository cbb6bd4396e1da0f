"""Random numbers that are a function of (seed, stream, step), so that their state is a counter.

Words come from Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
the key is a hash of the seed and the stream's name, the 256-bit counter holds (block, draw, step).
Two streams never share a word, and any draw can be repeated without replaying those before it.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .backend import Array

Shape = int | Sequence[int]


class Stream:
    """The random numbers of one purpose (``name``) in one run (``seed``) at one ``step``.

    Successive draws from one stream differ; a stream made again with the same three values
    repeats them bit for bit.
    """

    def __init__(self, seed: int, name: str = "", step: int = 0) -> None:
        seed, step = operator.index(seed), operator.index(step)
        if seed < 0 or step < 0:
            raise ValueError(f"seed and step must not be negative, got {seed} and {step}")
        from hashlib import blake2b  # here, as it takes longer to load than this module

        digest = blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
        self.seed, self.name, self.step = seed, name, step
        self._key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
        self._draw = 0

    def words(self, count: int) -> Array:
        """The next draw: ``count`` uniformly distributed 64-bit words."""
        counter = np.array([0, self._draw, self.step, 0], dtype=np.uint64)
        self._draw += 1
        generator = np.random.Philox(counter=counter, key=self._key)
        return generator.random_raw(count)

    def uniform(
        self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = "float32"
    ) -> Array:
        """Uniform on [low, high): 24 random bits a number in float32 and float16, 53 in float64."""
        low, high = float(low), float(high)
        if not low <= high:
            raise ValueError(f"low must not be above high, got {low} and {high}")
        draw = _fill(shape, dtype, lambda count, real: low + (high - low) * self._unit(count, real))
        # Rounding may have reached high, which is outside.
        below = np.nextafter(draw.dtype.type(high), draw.dtype.type(low))
        return np.minimum(draw, below, out=draw)

    def normal(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = "float32"
    ) -> Array:
        """Normal numbers by Box and Muller: √(−2 ln u)·(cos 2πv, sin 2πv) with u in (0, 1]."""
        mean, std = float(mean), float(std)

        def draw(count: int, real: np.dtype) -> Array:
            half = (count + 1) // 2
            unit = self._unit(2 * half, real)
            # u is in [0, 1), so 1 − u is in (0, 1] and its logarithm is finite.
            radius = np.sqrt(-2 * np.log1p(-unit[:half]))
            angle = unit[half:] * real.type(2 * np.pi)
            both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
            return mean + std * both[:count]

        return _fill(shape, dtype, draw)

    def keep_mask(self, shape: Shape, drop: float) -> Array:
        """Booleans, each False with probability ``drop``, to a resolution of 2⁻¹⁶."""
        size = int(np.prod(shape))
        bits = self.words(-(-size // 4)).view(np.uint16)[:size]
        return (bits >= round(drop * 65536)).reshape(shape)

    def integers(self, high: int, shape: Shape) -> Array:
        """Integers uniform on 0 … high − 1 (by remainder: biased by less than high · 2⁻⁶⁴)."""
        if high < 1:
            raise ValueError(f"high must be at least 1, got {high}")
        words = self.words(int(np.prod(shape))) % np.uint64(high)
        return words.astype(np.int64).reshape(shape)

    def permutation(self, count: int) -> Array:
        """The numbers 0 … count − 1 in a random order."""
        return np.argsort(self.words(count), kind="stable")

    def _unit(self, count: int, real: np.dtype) -> Array:
        if real == np.float64:
            return (self.words(count) >> np.uint64(11)) * 2.0**-53
        halves = self.words(-(-count // 2)).view(np.uint32)[:count]
        return (halves >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _fill(shape: Shape, dtype: Any, draw: Any) -> Array:
    dtype = np.dtype(dtype)
    real = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    return draw(int(np.prod(shape)), real).astype(dtype, copy=False).reshape(shape)


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
