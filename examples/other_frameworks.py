"""Gradients written for other frameworks, checked by minigan: the adapters are three lines.

``check_vjp`` takes two functions on plain arrays. Each framework below gets a softplus with a
gradient of its own, once right and once wrong; the ones that are not installed are named.

    python examples/other_frameworks.py
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from minigan.testing import GradientMismatch, check_vjp

X = np.random.default_rng(0).normal(size=(3, 4))


def with_torch(factor: float) -> tuple[Callable, Callable]:
    """A ``torch.autograd.Function``."""
    import torch

    class Softplus(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.log1p(torch.exp(x))

        @staticmethod
        def backward(ctx, g):
            return factor * g * torch.sigmoid(ctx.saved_tensors[0])

    # The adapter:
    def vjp(g: np.ndarray, x: np.ndarray) -> np.ndarray:
        leaf = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(Softplus.apply(leaf), leaf, torch.tensor(g))[0].numpy()

    return lambda x: Softplus.apply(torch.tensor(x)).numpy(), vjp


def with_jax(factor: float) -> tuple[Callable, Callable]:
    """A ``jax.custom_vjp``, in double precision."""
    import jax

    jax.config.update("jax_enable_x64", True)
    softplus = jax.custom_vjp(lambda x: jax.numpy.log1p(jax.numpy.exp(x)))
    softplus.defvjp(
        lambda x: (jax.numpy.log1p(jax.numpy.exp(x)), x),
        lambda x, g: (factor * g * jax.nn.sigmoid(x),),
    )

    # The adapter:
    def vjp(g: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.asarray(jax.vjp(softplus, x)[1](jax.numpy.asarray(g))[0])

    return lambda x: np.asarray(softplus(x)), vjp


def with_numpy(factor: float) -> tuple[Callable, Callable]:
    """Two functions of NumPy's need no adapter."""
    return lambda x: np.log1p(np.exp(x)), lambda g, x: factor * g / (1 + np.exp(-x))


def main() -> None:
    for name, make in (("numpy", with_numpy), ("torch", with_torch), ("jax", with_jax)):
        if find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        check_vjp(*make(1.0), [X])
        print(f"{name}: the right gradient agrees")
        try:
            check_vjp(*make(0.5), [X])
        except GradientMismatch as error:
            print(f"{name}: {error}")


if __name__ == "__main__":
    main()
