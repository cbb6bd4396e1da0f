"""JAX's side: the whole step is one compiled function, which writes over its own state.

A convolution, its adjoint in the maps (a transposed convolution) and its weights' gradient close
under differentiation. Their derivatives are stated as such: those that JAX takes of the adjoint by
itself are the same numbers, but XLA takes many times as long for them on a processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import networks as n
from ..workloads import Workload
from . import functional, play
from .functional import Array, State

MAPS = ("NHWC", "HWIO", "NHWC")


def versions() -> dict[str, str]:
    return {"jax": jax.__version__}


def set_threads(count: int) -> None:
    os.environ["NPROC"] = str(count)  # read when the first array is made


def variants(workload: Workload) -> list[str]:
    return play.ways(workload)


def build(workload: Workload, weights: tuple[n.Weights, n.Weights], variant: str) -> Any:
    return play.Runner(Package(), workload, weights, variant)


class Random:
    """Draws of one step."""

    def __init__(self, count: Array) -> None:
        self.key = jax.random.fold_in(jax.random.key(0), count)

    def uniform(self, shape: tuple[int, ...]) -> Array:
        self.key, key = jax.random.split(self.key)
        return jax.random.uniform(key, shape)

    def normal(self, shape: tuple[int, ...]) -> Array:
        self.key, key = jax.random.split(self.key)
        return jax.random.normal(key, shape)


def plain(x: Array, weight: Array, stride: int) -> Array:
    return jax.lax.conv_general_dilated(x, weight, (stride, stride), "SAME", dimension_numbers=MAPS)


def to_weight(x: Array, g: Array, weight: Array) -> Array:
    """The weight's gradient, of a convolution from maps x to maps with the gradient g."""
    return jax.vjp(lambda w: plain(x, w, x.shape[1] // g.shape[1]), weight)[1](g)[0]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: Array, weight: Array, stride: int) -> Array:
    return plain(x, weight, stride)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def adjoint(x: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """What ``convolve`` with this weight, from maps of that shape, pulls x back to."""
    like = jnp.zeros(shape, x.dtype)
    return jax.vjp(lambda y: plain(y, weight, shape[1] // x.shape[1]), like)[1](x)[0]


convolve.defvjp(
    lambda x, weight, stride: (plain(x, weight, stride), (x, weight)),
    lambda _, kept, g: (adjoint(g, kept[1], kept[0].shape), to_weight(kept[0], g, kept[1])),
)
adjoint.defvjp(
    lambda x, weight, shape: (adjoint(x, weight, shape), (x, weight)),
    lambda shape, kept, g: (
        convolve(g, kept[1], shape[1] // kept[0].shape[1]),
        to_weight(g, kept[0], kept[1]),
    ),
)


class Package(functional.Package):
    numpy = jnp
    sigmoid = staticmethod(jax.nn.sigmoid)
    softplus = staticmethod(jax.nn.softplus)
    detached = staticmethod(jax.lax.stop_gradient)

    def array(self, values: np.ndarray) -> Array:
        return jnp.array(values)

    def count(self) -> Array:
        return jnp.zeros((), "int32")

    def random(self, state: State) -> Random:
        return Random(state.count)

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(step, donate_argnums=0)

    def pullback(self, f: Callable[[Any], Any], x: Any) -> tuple[Array, Callable[..., Any], Any]:
        y, pull, found = jax.vjp(f, x, has_aux=True)
        return y, lambda g: pull(g)[0], found

    def conv(self, x: Array, weight: Array, stride: int) -> Array:
        return convolve(x, weight, stride)

    def conv_transposed(self, x: Array, weight: Array, stride: int) -> Array:
        count, height, width, _ = x.shape
        return adjoint(x, weight, (count, stride * height, stride * width, weight.shape[2]))

    def bend(self, x: Array, slope: float) -> Array:
        return jax.nn.leaky_relu(x, slope) if slope else jax.nn.relu(x)
