"""Where a generator's noise comes from."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..arguments import number, whole
from ..backend import Array, to_device
from ..nn import Module
from ..random import Stream


@runtime_checkable
class Latent(Protocol):
    """A distribution of noise vectors of ``size`` numbers."""

    # Also, if ``draw`` makes its numbers where its stream does: anywhere = True

    @property
    def size(self) -> int: ...

    def draw(self, count: int, stream: Stream) -> Array: ...


class _Size(NamedTuple):
    size: int = 100


class _Range(NamedTuple):
    size: int = 100
    low: float = -1.0
    high: float = 1.0


class Normal(_Size):
    """z ~ N(0, I), ``size`` numbers a sample."""

    anywhere = True

    def __new__(cls, size: int = 100) -> Normal:
        whole("latent size", size)
        return super().__new__(cls, int(size))

    def draw(self, count: int, stream: Stream) -> Array:
        """``count`` vectors, float32 (count, size)."""
        return stream.normal((count, self.size))


class Uniform(_Range):
    """Every number uniform on [low, high), ``size`` numbers a sample."""

    anywhere = True

    def __new__(cls, size: int = 100, low: float = -1.0, high: float = 1.0) -> Uniform:
        whole("latent size", size)
        low, high = number("low", low), number("high", high)
        if not low < high:
            raise ValueError(f"low: got {low}, high: got {high}, wanted low below high")
        return super().__new__(cls, int(size), low, high)

    def draw(self, count: int, stream: Stream) -> Array:
        """``count`` vectors, float32 (count, size)."""
        return stream.uniform((count, self.size), self.low, self.high)


def noise_for(network: Module, latent: Latent, count: int, stream: Stream) -> Array:
    """``count`` vectors of ``latent``, of the dtype and on the device of ``network``."""
    noise = latent.draw(count, stream)
    if np.shape(noise) != (count, latent.size):
        raise ValueError(
            f"latent: {type(latent).__name__}.draw gave {type(noise).__name__} of shape "
            f"{np.shape(noise)}, wanted an array of shape {(count, latent.size)}"
        )
    like = network.first_parameter()
    return noise if like is None else to_device(noise.astype(like.dtype, copy=False), like.device)
