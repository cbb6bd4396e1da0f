"""HIPS autograd's side, eager on NumPy.

It has no convolution but SciPy's of one map with one kernel, which adds every product by itself.
So windows of maps and their adjoint are two primitives here, each the other's backward, and a
convolution is a product of windows and weights: what its users write, differentiable to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from autograd.scipy.special import expit
from autograd.tracer import getval

from .. import networks as n
from ..workloads import Workload
from . import play
from .eager import EagerPackage, Grid
from .functional import Array


def versions() -> dict[str, str]:
    return {"autograd": version("autograd"), "numpy": np.__version__}


def set_threads(count: int) -> None:
    """Nothing: BLAS has read the number from the environment."""


def variants(workload: Workload) -> list[str]:
    return play.ways(workload)


def build(workload: Workload, weights: tuple[n.Weights, n.Weights], variant: str) -> Any:
    return play.Runner(Package(), workload, weights, variant)


@primitive
def unfold(maps: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.unfold(maps)


@primitive
def fold(windows: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.fold(windows)


defvjp(unfold, lambda ans, maps, grid: lambda g: fold(g, grid), argnums=[0])
defvjp(fold, lambda ans, windows, grid: lambda g: unfold(g, grid), argnums=[0])


class Package(EagerPackage):
    numpy = anp
    sigmoid = staticmethod(expit)
    unfold = staticmethod(unfold)
    fold = staticmethod(fold)

    def softplus(self, x: Array) -> Array:
        return anp.logaddexp(np.float32(0), x)

    def detached(self, x: Array) -> Array:
        return getval(x)

    def pullback(self, f: Callable[[Any], Any], x: Any) -> tuple[Array, Callable[..., Any], Any]:
        found: list[Any] = []

        def kept(x: Any) -> Array:
            y, beside = f(x)
            found.append(values(beside))
            return y

        pull, y = autograd.make_vjp(kept)(x)
        return y, pull, found[0]


def values(found: Any) -> Any:
    """The arrays in nested tuples, without what is recorded of them."""
    return tuple(map(values, found)) if isinstance(found, tuple) else getval(found)
