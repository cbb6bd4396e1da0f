"""Binary cross-entropy, averaged over all elements, from probabilities and from logits.

With the target t, a number in [0, 1], the cross-entropy of a probability p is
−t·ln p − (1 − t)·ln(1 − p). Each is one primitive: losses are small, and a step has several.
"""

from __future__ import annotations

from typing import Any

from ..arguments import number
from ..backend import Array, array_module
from ..kernels.cuda import cross_entropy, cross_entropy_slope, has_kernels
from ..primitives import elementwise, vjp
from ..tensor import Tensor
from .activation import logistic, sigmoid
from .arithmetic import clip, where


def _check(target: float, eps: float = 0.0) -> None:
    number("target", target, "[0, 1]")
    number("eps", eps, "[0, 0.5)")


def _from_probabilities_gradient(g: Tensor, p: Tensor, target: float, eps: float) -> Any:
    held, slope = clip(p, eps, 1 - eps), g / max(1, p.size)
    if target == 1:
        slope = -slope / held
    elif target == 0:
        slope = slope / (1.0 - held)
    else:
        slope = slope * ((1.0 - target) / (1.0 - held) - target / held)
    return where((p >= eps) & (p <= 1 - eps), slope, 0.0)


@vjp(_from_probabilities_gradient, plain=True)
def binary_cross_entropy(p: Array, /, target: float, eps: float = 1e-7) -> Array:
    """E[−t·ln p − (1 − t)·ln(1 − p)] of probabilities p, held to [eps, 1 − eps] as in Keras.

    With n elements, ∂y/∂p = ((1 − t)/(1 − p) − t/p)/n, and 0 where p is held.
    """
    _check(target, eps)
    xp, real = array_module(p), p.dtype.type
    held = xp.clip(p, real(eps), real(1 - eps))
    result = xp.zeros_like(held)
    if target > 0:
        result -= real(target) * xp.log(held)
    if target < 1:
        result -= real(1 - target) * xp.log(real(1) - held)
    return result.mean()


@elementwise(lambda g, x: g * (sigmoid(x) * sigmoid(-x)))
def _slope(x: Array, /, target: float) -> Array:
    """σ(x) − t, without the difference where that would lose digits. f′ = σ(x)·σ(−x)."""
    if has_kernels(x):
        return cross_entropy_slope(x, target)
    real, slope = x.dtype.type, x.dtype.type(0)
    if target < 1:
        slope = real(1 - target) * logistic(x)
    if target > 0:
        slope = slope - real(target) * logistic(-x)
    return slope


@vjp(lambda g, x, target: g / max(1, x.size) * _slope(x, target), plain=True)
def binary_cross_entropy_with_logits(x: Array, /, target: float) -> Array:
    """The same of p = σ(x), as E[max(x, 0) − t·x + ln(1 + e^−|x|)], which can't overflow.

    With n elements, ∂y/∂x = (σ(x) − t)/n = ((1 − t)·σ(x) − t·σ(−x))/n.
    """
    _check(target)
    if has_kernels(x):
        return cross_entropy(x, target).mean()
    xp = array_module(x)
    linear = xp.maximum(x, x.dtype.type(0)) - x.dtype.type(target) * x
    return (linear + xp.log1p(xp.exp(-abs(x)))).mean()


__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]
