"""MyGrad's side, eager on NumPy.

- It has no second derivatives, so a gradient penalty is beyond it.
- Its batch norm and sigmoid are its own. It has no transposed convolution, and ``conv_nd`` goes
  back to its input window by window: two operations written for it, windows of maps and their
  adjoint, make both kinds of convolution, as autograd's side does.
- Arrays of networks held fast are not wrapped in tensors, and its guard of memory is off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import mygrad
import numpy as np
from mygrad.nnet.activations import sigmoid
from mygrad.nnet.layers import batchnorm
from mygrad.operation_base import Operation

from .. import networks as n
from ..workloads import Workload
from . import play
from .eager import EagerPackage, Grid
from .functional import EPS, Array

mygrad.turn_memory_guarding_off()


def versions() -> dict[str, str]:
    return {"mygrad": mygrad.__version__, "numpy": np.__version__}


def set_threads(count: int) -> None:
    """Nothing: BLAS has read the number from the environment."""


def variants(workload: Workload) -> list[str]:
    return play.ways(workload, second_order=False)


def build(workload: Workload, weights: tuple[n.Weights, n.Weights], variant: str) -> Any:
    return play.Runner(Package(), workload, weights, variant)


class Unfold(Operation):
    def __call__(self, maps: Any, grid: Grid) -> np.ndarray:
        self.variables, self.grid = (maps,), grid
        return grid.unfold(maps.data)

    def backward_var(self, grad: np.ndarray, index: int, **_: Any) -> np.ndarray:
        return self.grid.fold(grad)


class Fold(Operation):
    def __call__(self, windows: Any, grid: Grid) -> np.ndarray:
        self.variables, self.grid = (windows,), grid
        return grid.fold(windows.data)

    def backward_var(self, grad: np.ndarray, index: int, **_: Any) -> np.ndarray:
        return self.grid.unfold(grad)


class Package(EagerPackage):
    numpy = mygrad
    sigmoid = staticmethod(sigmoid)

    def softplus(self, x: Array) -> Array:
        return mygrad.logaddexp(np.float32(0), x)

    def detached(self, x: Array) -> np.ndarray:
        return x.data

    def untracked(self) -> contextlib.AbstractContextManager[Any]:
        return mygrad.no_autodiff

    def numbers(self, result: Any) -> Any:
        return super().numbers(result if isinstance(result, tuple) else result.data)

    def pullback(self, f: Callable[[Any], Any], x: Any) -> tuple[Array, Callable[..., Any], Any]:
        leaves = [mygrad.tensor(a, copy=False) for a in (x if isinstance(x, tuple) else [x])]
        y, found = f(tuple(leaves) if isinstance(x, tuple) else leaves[0])

        def pull(g: Any) -> Any:
            y.backward(g)
            gradients = tuple(leaf.grad for leaf in leaves)
            return gradients if isinstance(x, tuple) else gradients[0]

        return y, pull, found

    def unfold(self, maps: Array, grid: Grid) -> Array:
        return mygrad.execute_op(Unfold, maps, op_kwargs={"grid": grid})

    def fold(self, windows: Array, grid: Grid) -> Array:
        return mygrad.execute_op(Fold, windows, op_kwargs={"grid": grid})

    def bend(self, x: Array, slope: float) -> Array:
        return x * np.where(x > 0, np.float32(1), np.float32(slope))

    def batch_norm(self, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        y = batchnorm(x.reshape(-1, x.shape[-1]), gamma=gamma, beta=beta, eps=EPS)
        return y.reshape(x.shape), y.creator.mean, y.creator.var
