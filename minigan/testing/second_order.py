"""Second order: the gradient's own change, along lines through inputs, seen in every element.

For outputs f(x) and a cotangent v, let G(x, v) = J(x)ᵀv be the gradient and d a direction for x.
Differentiating ⟨G, d⟩ by the tape claims

    ∂⟨G, d⟩/∂x = Hᵀd, H being the Hessian of ⟨v, f⟩,      ∂⟨G, d⟩/∂v = J d.

As H is symmetric the first is Hd, the derivative of G along d, and the second the derivative of f
along d: differences along one line measure every element of both. They are taken of the first
gradient, which has to be right for that: first order comes first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .comparison import Comparison, verdict
from .diagnosis import Evidence
from .differences import Measured, derivatives, noise_floor
from .errors import GradientMismatch
from .first_order import flat, random_cotangents, unflat
from .subjects import Arrays, TensorFunction


@np.errstate(all="ignore")  # what is not finite is judged, not warned of
def check_second(
    subject: TensorFunction,
    outputs: list[np.ndarray],
    rng: np.random.Generator,
    tolerance: float,
    lines: int,
) -> None:
    """Compare Hd and Jd for random v and so many random d; raise where one is not right."""
    for _ in range(lines):
        cotangents = random_cotangents(outputs, rng)
        direction = directions_for(subject.inputs, rng)
        claimed = claims(subject, cotangents, direction)
        found = _measure(subject, outputs, cotangents, direction, tolerance)
        parts = [*subject.inputs, *outputs]
        count = len(subject.inputs)
        names = [f"second-order gradient of input {i}" for i in range(count)]
        # Explanations count cotangents as further inputs, as they are at this order.
        names += [
            f"second-order gradient of cotangent {j} (input {count + j} here)"
            for j in range(len(outputs))
        ]
        pieces = zip(*(unflat(p[0], parts) for p in found), strict=True)
        for k, (name, (value, noise, jump)) in enumerate(zip(names, pieces, strict=True)):
            if not value.size:
                continue
            scene = ((*subject.inputs, *cotangents), (), tuple(direction), (None,) * len(parts))
            evidence = Evidence(claimed[k], value, float(noise.max()), k, *scene)
            scale = float(np.abs(value).max())
            verdict(Comparison(name, claimed[k], value, noise, jump, scale, evidence), tolerance)


@np.errstate(all="ignore")  # what is not finite is judged, not warned of
def check_symmetric(
    subject: TensorFunction, outputs: list[np.ndarray], rng: np.random.Generator
) -> None:
    """⟨a, Hb⟩ = ⟨b, Ha⟩ but for rounding, H as the tape claims it: no differences are taken."""
    cotangents = random_cotangents(outputs, rng)
    a, b = directions_for(subject.inputs, rng), directions_for(subject.inputs, rng)
    count = len(subject.inputs)
    products = []
    for left, right in ((a, b), (b, a)):
        claimed = claims(subject, cotangents, right)[:count]
        terms = [np.ravel(x * h) for x, h in zip(left, claimed, strict=True) if h is not None]
        products.append(np.concatenate([np.zeros(1), *terms]))
    size = float(sum(np.abs(p).sum() for p in products))
    one, other = (float(p.sum()) for p in products)
    if abs(one - other) > 1e-11 * size:
        raise GradientMismatch(
            f"the Hessian is not symmetric: ⟨a, Hb⟩ is {one:.12g} and ⟨b, Ha⟩ {other:.12g} for "
            "random a and b, so a gradient of a gradient is wrong"
        )


def directions_for(inputs: Arrays, rng: np.random.Generator) -> list[np.ndarray]:
    """A random direction, in proportion to the inputs where they are large."""
    return [
        np.maximum(1.0, abs(x)) * d
        for x, d in zip(inputs, random_cotangents(inputs, rng), strict=True)
    ]


def claims(subject: TensorFunction, cotangents: Arrays, direction: Arrays) -> list[Any]:
    """∂⟨G, d⟩ with respect to each input and each cotangent, as the tape has them."""
    xs = subject.tracked(subject.inputs)
    outputs = subject.outputs(xs)
    vs = [
        Tensor(v, requires_grad=True, dtype=y.dtype, device=y.device)
        for v, y in zip(cotangents, outputs, strict=True)
    ]
    first = subject.grad(outputs, xs, vs, create_graph=True)
    pairs = [
        (g, d) for g, d in zip(first, direction, strict=True) if g is not None and g.requires_grad
    ]
    leaves = [*xs, *vs]
    if not pairs:
        return [None] * len(leaves)
    found = subject.grad([g for g, _ in pairs], leaves, [d for _, d in pairs])
    return [None if g is None else g.numpy() for g in found]


def _measure(
    subject: TensorFunction,
    outputs: Arrays,
    cotangents: Arrays,
    direction: Arrays,
    tolerance: float,
) -> Measured:
    """The derivative along ``direction`` of the gradients and of the outputs, flattened."""

    def everything(t: float) -> np.ndarray:
        moved = [x + t * d for x, d in zip(subject.inputs, direction, strict=True)]
        found = subject.gradients(moved, [cotangents])[0]
        gradients = [
            np.zeros_like(x) if g is None else g for x, g in zip(moved, found, strict=True)
        ]
        return flat([*gradients, *subject.values(moved)])

    base = everything(0.0)

    def line(t: float) -> np.ndarray:
        return np.asarray(everything(t) - base)

    floor = np.maximum(noise_floor(line), np.finfo(float).eps / 2 * abs(base))
    sizes = [a.size for a in (*subject.inputs, *outputs)]
    owner = np.repeat(np.arange(len(sizes)), sizes)

    def enough(values: np.ndarray) -> np.ndarray:
        largest = np.zeros(len(sizes))
        np.maximum.at(largest, owner, abs(values[0]))
        return np.asarray(tolerance / 20 * largest[owner])[None]

    return derivatives([line], floor, enough)
