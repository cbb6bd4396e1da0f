"""A backward pass written by hand in NumPy, wrong three times: found and explained.

Layer normalisation, y = γ·x̂ + β with x̂ = (x − mean)/σ over the last axis, is the usual stumbling
block: mean and σ depend on x too. Each slip below has been made in public code. ``check_vjp``
needs two plain functions, forward and vjp, and the inputs at which to look.

    python examples/wrong_gradient.py
"""

import numpy as np

from minigan.testing import GradientMismatch, check_vjp


def normalized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x̂ and 1/σ."""
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    return (x - x.mean(axis=-1, keepdims=True)) * inverse, inverse


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """γ·x̂ + β for x (N, C), γ and β (C,)."""
    return gamma * normalized(x)[0] + beta


def right(g: np.ndarray, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple:
    """The gradients of x, γ and β from that of the result, g."""
    hat, inverse = normalized(x)
    h = g * gamma
    along = (h * hat).mean(axis=-1, keepdims=True)
    return (h - h.mean(axis=-1, keepdims=True) - hat * along) * inverse, (g * hat).sum(0), g.sum(0)


def without_the_mean(g: np.ndarray, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple:
    """Forgets that the mean depends on x."""
    hat, inverse = normalized(x)
    h = g * gamma
    return (h - hat * (h * hat).mean(axis=-1, keepdims=True)) * inverse, *right(g, x, gamma, beta)[
        1:
    ]


def without_the_sum(g: np.ndarray, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple:
    """Forgets that γ was broadcast over the batch."""
    dx, _, d_beta = right(g, x, gamma, beta)
    return dx, g * normalized(x)[0], d_beta


def averaged(g: np.ndarray, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple:
    """Takes the mean over the batch where the sum belongs."""
    dx, d_gamma, _ = right(g, x, gamma, beta)
    return dx, d_gamma, g.mean(0)


def main() -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(5, 6)), rng.uniform(0.5, 2, 6), rng.normal(size=6)]
    for vjp in (without_the_mean, without_the_sum, averaged, right):
        name = vjp.__name__.replace("_", " ")
        try:
            check_vjp(layer_norm, vjp, inputs)
        except GradientMismatch as error:
            print(f"{name}: {error}\n")
        else:
            print(f"{name}: agrees with finite differences")


if __name__ == "__main__":
    main()
