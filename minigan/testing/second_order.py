"""Second order: the gradient's own change, along lines through inputs, seen in every element.

For outputs f(x) and a cotangent v, let G(x, v) = J(x)ᵀv be the gradient and d a direction for x.
Differentiating ⟨G, d⟩ by the tape claims

    ∂⟨G, d⟩/∂x = Hᵀd, H being the Hessian of ⟨v, f⟩,      ∂⟨G, d⟩/∂v = J d.

As H is symmetric the first is Hd, the derivative of G along d, and the second the derivative of f
along d: differences along one line measure every element of both. They are taken of the first
gradient, which has to be right for that: first order comes first. A line through all inputs shows
what happens when they move together, one through each input alone its block of the Hessian.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .comparison import Comparison, verdict
from .diagnosis import Evidence
from .differences import Measured, at_finer_steps, derivatives, noise_floor
from .errors import GradientMismatch
from .probes import Arrays, along, flat, only, random_direction, random_like, unflat
from .subjects import TensorFunction


def check_second(
    subject: TensorFunction,
    outputs: list[np.ndarray],
    rng: np.random.Generator,
    tolerance: float,
    lines: int,
) -> None:
    """Compare Hd and Jd for ``lines`` random d, and for a d in each input alone."""
    names = [f"second-order gradient of {name}" for name in subject.names]
    count = len(names)
    # Explanations count cotangents as further inputs, as they are at this order.
    names += [
        f"second-order gradient of cotangent {j} (input {count + j} here)"
        for j in range(len(outputs))
    ]
    widest = np.zeros(len(names))
    everywhere = [random_direction(subject.inputs, rng) for _ in range(lines)]
    alone = range(count) if count > 1 else range(0)
    for direction in (*everywhere, *(only(everywhere[0], i) for i in alone)):
        line = _Line(subject, outputs, random_like(outputs, rng), direction)
        claimed, found = claims(subject, line.cotangents, direction), line.measure(tolerance)
        for k, name in enumerate(names):
            if not found[k].value.size:
                continue
            widest[k] = max(widest[k], np.abs(found[k].value).max())
            comparison = line.compare(name, k, claimed[k], found[k], widest[k])
            verdict(comparison, tolerance)
    check_symmetric(subject, outputs, rng)


def check_symmetric(
    subject: TensorFunction, outputs: list[np.ndarray], rng: np.random.Generator
) -> None:
    """⟨a, Hb⟩ = ⟨b, Ha⟩ but for rounding, H as the tape claims it: no differences are taken."""
    cotangents = random_like(outputs, rng)
    a, b = random_direction(subject.inputs, rng), random_direction(subject.inputs, rng)
    count = len(subject.inputs)
    products = []
    for left, right in ((a, b), (b, a)):
        claimed = claims(subject, cotangents, right)[:count]
        terms = [np.ravel(x * h) for x, h in zip(left, claimed, strict=True) if h is not None]
        products.append(np.concatenate([np.zeros(1), *terms]))
    size = float(sum(np.abs(p).sum() for p in products))
    one, other = (float(p.sum()) for p in products)
    if not abs(one - other) <= 1e-10 * size:
        raise GradientMismatch(
            f"the Hessian is not symmetric: ⟨a, Hb⟩ is {one:.12g} and ⟨b, Ha⟩ {other:.12g} for "
            "random a and b, so a gradient of a gradient is wrong"
        )


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


class _Line:
    """The gradient for some cotangents, and the outputs, along one direction."""

    def __init__(
        self,
        subject: TensorFunction,
        outputs: list[np.ndarray],
        cotangents: list[np.ndarray],
        direction: list[np.ndarray],
    ) -> None:
        self.subject, self.cotangents, self.direction = subject, cotangents, direction
        self.parts = [*subject.inputs, *outputs]
        self.base = self.everything(0.0)
        stored = np.finfo(float).eps / 2 * np.abs(self.base)
        self.floor = np.maximum(noise_floor(self), stored)

    def everything(self, t: float) -> np.ndarray:
        moved = along(self.subject.inputs, self.direction, t)
        found = self.subject.gradients(moved, [self.cotangents])[0]
        pairs = zip(moved, found, strict=True)
        gradients = [np.zeros_like(x) if g is None else g for x, g in pairs]
        return flat([*gradients, *self.subject.values(moved)])

    def __call__(self, t: float) -> np.ndarray:
        return np.asarray(self.everything(t) - self.base)

    def measure(self, tolerance: float) -> list[Measured]:
        """The derivatives of each input's gradient and of each output."""
        sizes = [a.size for a in self.parts]
        owner = np.repeat(np.arange(len(sizes)), sizes)

        def enough(values: np.ndarray) -> np.ndarray:
            largest = np.zeros(len(sizes))
            np.maximum.at(largest, owner, np.abs(values[0]))
            return np.asarray(tolerance / 20 * largest[owner])[None]

        return self._split(derivatives([self], self.floor, enough))

    def compare(self, name: str, k: int, claimed: Any, found: Measured, wider: float) -> Comparison:
        """The k-th claim beside what was measured."""

        def again() -> list[Measured]:
            return [self._split(each)[k] for each in at_finer_steps([self], self.floor)]

        inputs = (*self.subject.inputs, *self.cotangents)
        scene = (inputs, (), tuple(self.direction), (None,) * len(self.parts))
        evidence = Evidence(claimed, found.value, float(found.noise.max()), k, *scene)
        return Comparison(name, claimed, found, wider, evidence, full_digits=True, again=again)

    def _split(self, found: Measured) -> list[Measured]:
        pieces = zip(*(unflat(part[0], self.parts) for part in found), strict=True)
        return [Measured(*piece) for piece in pieces]
