"""Optimisers by the rules that they go by: SGD, RMSprop and Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import number
from ..backend import Array, array_module
from ..buffers import empty_like
from .optimizer import Optimizer
from .schedules import Schedule


class SGD(Optimizer):
    """v ← μv + g, w ← w − lr·v; with Nesterov w ← w − lr·(g + μv) (Sutskever et al., 2013).

    ``momentum`` is μ; at 0 there is no v and the step is w ← w − lr·g. ``weight_decay`` adds
    that multiple of w to g.
    """

    elementwise, kernel = True, "sgd"

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **clipping: Any,
    ) -> None:
        super().__init__(lr, **clipping)
        self.momentum, self.nesterov = number("momentum", momentum, "[0, 1)"), nesterov
        if nesterov and not momentum:
            raise ValueError("nesterov needs a momentum above 0")
        self.weight_decay = number("weight_decay", weight_decay, "[0, inf)")
        self.slots = ("velocity",) if momentum else ()

    def numbers(self, dtype: np.dtype) -> tuple[float, ...]:
        return self.lr, self.momentum, self.nesterov, self.weight_decay

    def update(self, weight: Array, gradient: Array, *slots: Array) -> None:
        lr, mu, _, decay = self._scalars(weight.dtype)
        if self.weight_decay:
            gradient = gradient + decay * weight
        if slots:
            (velocity,) = slots
            velocity *= mu
            velocity += gradient
            gradient = gradient + mu * velocity if self.nesterov else velocity
        weight -= lr * gradient


class RMSprop(Optimizer):
    """s ← ρs + (1 − ρ)g², w ← w − lr·g/(√s + ε) (Hinton, Coursera lecture 6e, 2012).

    ``momentum`` μ makes it v ← μv + g/(√s + ε), w ← w − lr·v.
    """

    elementwise, kernel = True, "rmsprop"

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        *,
        rho: float = 0.9,
        eps: float = 1e-7,
        momentum: float = 0.0,
        **clipping: Any,
    ) -> None:
        super().__init__(lr, **clipping)
        self.rho, self.eps = number("rho", rho, "[0, 1)"), number("eps", eps, "[0, inf)")
        self.momentum = number("momentum", momentum, "[0, 1)")
        self.slots = ("square", "velocity") if momentum else ("square",)

    def numbers(self, dtype: np.dtype) -> tuple[float, ...]:
        return self.lr, self.rho, 1 - self.rho, self._eps(dtype, self.eps), self.momentum

    def update(self, weight: Array, gradient: Array, *slots: Array) -> None:
        lr, rho, rest, eps, mu = self._scalars(weight.dtype)
        square = slots[0]
        square *= rho
        square += rest * gradient * gradient
        change = gradient / (array_module(weight).sqrt(square) + eps)
        if self.momentum:
            velocity = slots[1]
            velocity *= mu
            velocity += change
            change = velocity
        weight -= lr * change


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − lr·m̂/(√v̂ + ε) (Kingma and Ba, 2015).

    m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ) undo the bias towards the zeros that m and v start from.
    ``amsgrad`` puts the largest v so far in v's place (Reddi, Kale and Kumar, 2018); as the bias is
    undone after that, an early large gradient does not count for ever more; ``weight_decay``
    is decoupled: w also shrinks by lr·weight_decay·w (Loshchilov and Hutter, 2019).
    """

    elementwise, kernel = True, "adam"

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        amsgrad: bool = False,
        weight_decay: float = 0.0,
        **clipping: Any,
    ) -> None:
        super().__init__(lr, **clipping)
        self.beta1 = number("beta1", beta1, "[0, 1)")
        self.beta2 = number("beta2", beta2, "[0, 1)")
        self.eps, self.amsgrad = number("eps", eps, "[0, inf)"), amsgrad
        self.weight_decay = number("weight_decay", weight_decay, "[0, inf)")
        self.slots = ("mean", "square", "largest") if amsgrad else ("mean", "square")

    def numbers(self, dtype: np.dtype) -> tuple[float, ...]:
        t = int(self.state["steps"])
        # m̂/(√v̂ + ε) with b = √(1 − β₂ᵗ) taken out of the root: m̂·b/(√v + ε·b).
        root = (1 - self.beta2**t) ** 0.5
        eps, kept = self._eps(dtype, self.eps * root), 1 - self.lr * self.weight_decay
        rate = self.lr * root / (1 - self.beta1**t)
        return self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, eps, kept, rate

    def update(self, weight: Array, gradient: Array, *slots: Array) -> None:
        beta1, rest1, beta2, rest2, eps, kept, rate = self._scalars(weight.dtype)
        xp, (mean, square) = array_module(weight), slots[:2]
        work = empty_like(square)  # every step in place: 0-d arrays would turn into scalars
        if self.beta1:
            xp.multiply(gradient, rest1, out=work)
            mean *= beta1
            mean += work
        else:
            mean[...] = gradient
        xp.multiply(gradient, gradient, out=work)
        work *= rest2
        square *= beta2
        square += work
        if self.amsgrad:
            square = xp.maximum(slots[2], square, out=slots[2])
        xp.sqrt(square, out=work)
        work += eps
        if self.weight_decay:
            weight *= kept
        xp.divide(mean, work, out=work)
        work *= rate
        weight -= work
