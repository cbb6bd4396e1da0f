"""minigan: a small, exact GAN engine on NumPy.

    import numpy as np, minigan as mg

    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    y = mg.tanh(x @ np.ones((3, 4))).sum()
    g, = mg.grad(y, [x], create_graph=True)   # tracked, so it can be differentiated again
    (g**2).sum().backward()
    x.grad

The package is a tower; a module imports only from those below it:

    cli                       the command ``minigan``
    recipes · testing.registry    named end-to-end runs; how to check every public function
    gan · metrics             losses, cures, the game, the trainer; how good samples are
    optim                     optimisers, schedules, averaging
    nn · data · testing       layers; images; the gradient checker
    ops                       the differentiable functions
    autograd                  how gradients travel back along the tape
    primitives · tape · tensor    differentiable operations, and what is recorded of them
    settings                  what holds in a block: mg.config
    kernels · random          arrays in, arrays out
    buffers · workers         memory that goes round; several cores for one large array
    backend · files · errors
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from . import data, errors, gan, nn, ops, optim, random
from .autograd import grad
from .buffers import Buffers
from .ops import *  # noqa: F403
from .primitives import primitive, vjp
from .settings import config
from .tensor import Tensor, as_tensor, no_grad

__version__ = "0.1.0"
__all__ = [
    "Buffers",
    "Tensor",
    "as_tensor",
    "config",
    "data",
    "errors",
    "gan",
    "grad",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "random",
    "vjp",
    *ops.__all__,
]


def __getattr__(name: str) -> _Any:
    """The packages that most programs do without, imported when one is asked for."""
    if name in ("metrics", "recipes", "testing"):
        return _import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
