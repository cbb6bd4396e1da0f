"""Where a generator's noise comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..backend import Array
from ..random import Stream


class Latent(Protocol):
    """A distribution of noise vectors of ``size`` numbers."""

    @property
    def size(self) -> int: ...

    def draw(self, count: int, stream: Stream) -> Array: ...


@dataclass(frozen=True)
class Normal:
    """z ~ N(0, I), ``size`` numbers a sample."""

    size: int = 100

    def draw(self, count: int, stream: Stream) -> Array:
        """``count`` vectors, float32 (count, size)."""
        return stream.normal((count, self.size))


@dataclass(frozen=True)
class Uniform:
    """Every number uniform on [low, high), ``size`` numbers a sample."""

    size: int = 100
    low: float = -1.0
    high: float = 1.0

    def draw(self, count: int, stream: Stream) -> Array:
        """``count`` vectors, float32 (count, size)."""
        return stream.uniform((count, self.size), self.low, self.high)
