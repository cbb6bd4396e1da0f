"""tinygrad's side, on its CPU device: the whole step is one ``TinyJit``.

Everything is lazy, so whatever two gradients share is computed once and whatever is not asked for
is not. Its kernels are compiled by clang. ``BEAM`` in the environment makes it search for faster
ones, which takes it minutes for each of dozens.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from tinygrad import Tensor, TinyJit

from .. import networks as n
from ..workloads import Workload
from . import functional, play
from .functional import Array, Same, State


def versions() -> dict[str, str]:
    return {"tinygrad": version("tinygrad")}


def set_threads(count: int) -> None:
    """Nothing: its CPU device runs kernels one after the other on one core."""


def variants(workload: Workload) -> list[str]:
    return play.ways(workload)


def build(workload: Workload, weights: tuple[n.Weights, n.Weights], variant: str) -> Any:
    return play.Runner(Package(), workload, weights, variant)


class Functions:
    """The array functions by NumPy's names."""

    ones_like, log, sqrt, tanh = Tensor.ones_like, Tensor.log, Tensor.sqrt, Tensor.tanh

    @staticmethod
    def concatenate(parts: list[Tensor]) -> Tensor:
        return parts[0].cat(*parts[1:])


class Random:
    uniform = staticmethod(lambda shape: Tensor.rand(*shape))
    normal = staticmethod(lambda shape: Tensor.randn(*shape))


def leaves(nested: Any) -> list[Tensor]:
    """The tensors in nested tuples."""
    return [nested] if isinstance(nested, Tensor) else [t for part in nested for t in leaves(part)]


class Package(functional.Package):
    numpy = Functions
    sigmoid = staticmethod(Tensor.sigmoid)
    softplus = staticmethod(Tensor.softplus)
    detached = staticmethod(Tensor.detach)

    def array(self, values: np.ndarray) -> Tensor:
        return Tensor(np.ascontiguousarray(values)).contiguous().realize()

    def count(self) -> Tensor:
        return Tensor([0.0]).contiguous().realize()

    def random(self, state: State) -> type[Random]:
        return Random

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step writes into the state's tensors; its own arguments are the batch and draws."""
        held: dict[str, Any] = {}

        def written(*tensors: Tensor) -> Any:
            batch, draws = (tensors[:-1], tensors[-1]) if held["drawn"] else (tensors, None)
            after, result = step(held["state"], batch, draws)
            values = [t.contiguous() for t in leaves(after)]
            old = leaves(held["state"])
            Tensor.realize(*values, *leaves(result))
            for before, value in zip(old, values, strict=True):
                before.assign(value)
            Tensor.realize(*old)
            return result

        jit = TinyJit(written)

        def run(state: State, batch: tuple[Tensor, ...], draws: Tensor | None) -> tuple[State, Any]:
            held["state"], held["drawn"] = state, draws is not None
            return state, jit(*batch, *([] if draws is None else [draws]))

        return run

    def numbers(self, result: Any) -> Any:
        return [t.item() for t in result] if isinstance(result, tuple) else result.numpy()

    def pullback(self, f: Callable[[Any], Any], x: Any) -> tuple[Tensor, Callable[..., Any], Any]:
        y, found = f(x)

        def pull(g: Tensor) -> Any:
            gradients = y.gradient(*(x if isinstance(x, tuple) else [x]), gradient=g)
            return tuple(gradients) if isinstance(x, tuple) else gradients[0]

        return y, pull, found

    def conv(self, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        (_, *down), (_, *across) = (Same.of(m, weight.shape[0], stride) for m in x.shape[1:3])
        y = x.permute(0, 3, 1, 2).conv2d(
            weight.permute(3, 2, 0, 1), stride=stride, padding=(*across, *down)
        )
        return y.permute(0, 2, 3, 1)

    def conv_transposed(self, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        sides = (Same.of(stride * m, weight.shape[0], stride) for m in x.shape[1:3])
        (_, *down), (_, *across) = sides
        y = x.permute(0, 3, 1, 2).conv_transpose2d(
            weight.permute(3, 2, 0, 1), stride=stride, padding=(*across, *down)
        )
        return y.permute(0, 2, 3, 1)

    def bend(self, x: Tensor, slope: float) -> Tensor:
        return x.leaky_relu(slope) if slope else x.relu()

    def mask(self, drawn: Tensor, rate: float) -> Tensor:
        return (drawn >= rate) * (1 / (1 - rate))

    def upsample(self, x: Array) -> Array:
        return x.repeat_interleave(2, 1).repeat_interleave(2, 2)
