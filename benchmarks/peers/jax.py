"""JAX's side: the whole step is one compiled function, which writes over its own state.

A transposed convolution is a convolution's adjoint. Of the ways to write it the backward pass of
the one below is the fastest by far: the weights' gradient as JAX takes it of a convolution, with
input and gradient changing places.
"""

from __future__ import annotations

import os
from collections.abc import Callable
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


def convolve(x: Array, weight: Array, stride: int) -> Array:
    return jax.lax.conv_general_dilated(x, weight, (stride, stride), "SAME", dimension_numbers=MAPS)


@jax.custom_vjp
def adjoint(x: Array, weight: Array, like: Array) -> Array:
    """What ``convolve`` with this weight, from maps of the shape of ``like``, pulls x back to."""
    return jax.vjp(lambda y: convolve(y, weight, like.shape[1] // x.shape[1]), like)[1](x)[0]


def _adjoint_forward(x: Array, weight: Array, like: Array) -> tuple[Array, Any]:
    return adjoint(x, weight, like), (x, weight, like)


def _adjoint_backward(held: Any, g: Array) -> tuple[Array, Array, Array]:
    x, weight, like = held
    y, pull = jax.vjp(lambda w: convolve(g, w, g.shape[1] // x.shape[1]), weight)
    return y, pull(x)[0], jnp.zeros_like(like)


adjoint.defvjp(_adjoint_forward, _adjoint_backward)


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
        like = jnp.zeros((count, stride * height, stride * width, weight.shape[2]), x.dtype)
        return adjoint(x, weight, like)

    def bend(self, x: Array, slope: float) -> Array:
        return jax.nn.leaky_relu(x, slope) if slope else jax.nn.relu(x)
