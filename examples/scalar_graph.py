"""One scalar graph, differentiated by hand and by minigan.

The function is f(a, b) = ln(1 + eᵃᵇ) + sin a, a softplus of a product and a sine. Every line of
``by_hand`` is one edge of the graph, read backwards; ``minigan.grad`` walks the same edges.

    python examples/scalar_graph.py
"""

import math

import minigan as mg


def by_hand(a: float, b: float) -> tuple[float, float]:
    """∂f/∂a and ∂f/∂b by the chain rule, from the result back to the inputs."""
    # forward: keep what the way back needs
    product = a * b
    # backward, starting from ∂f/∂f = 1
    d_softplus = 1.0  # f = softplus + sine: the gradient of a sum goes to both
    d_sine = 1.0
    d_product = d_softplus / (1 + math.exp(-product))  # softplus′ = sigmoid
    d_a = d_product * b + d_sine * math.cos(a)  # a is used twice: its gradients add up
    d_b = d_product * a
    return d_a, d_b


def by_minigan(a: float, b: float) -> tuple[float, float]:
    """The same, by the tape."""
    x, y = (mg.Tensor(value, requires_grad=True) for value in (a, b))
    f = mg.softplus(x * y) + mg.sin(x)
    d_x, d_y = mg.grad(f, [x, y])
    return d_x.item(), d_y.item()


def curvature(a: float, b: float) -> float:
    """∂²f/∂a²: the gradient of a gradient, since backward is itself made of primitives."""
    x = mg.Tensor(a, requires_grad=True)
    f = mg.softplus(x * b) + mg.sin(x)
    (first,) = mg.grad(f, x, create_graph=True)
    (second,) = mg.grad(first, x)
    return second.item()


def main() -> None:
    a, b = 0.7, -1.3
    s = 1 / (1 + math.exp(-a * b))
    print("              ∂f/∂a          ∂f/∂b")
    print("by hand    {:+.12f} {:+.12f}".format(*by_hand(a, b)))
    print("by minigan {:+.12f} {:+.12f}".format(*by_minigan(a, b)))
    print(f"∂²f/∂a² by hand {b * b * s * (1 - s) - math.sin(a):+.12f}")
    print(f"     by minigan {curvature(a, b):+.12f}")


if __name__ == "__main__":
    main()
