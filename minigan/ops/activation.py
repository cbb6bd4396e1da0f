"""Activations. With y = f(x), each gradient is g · f′(x), written with y where that is enough."""

from __future__ import annotations

import math

import numpy as np

from ..arguments import number
from ..backend import Array, array_module
from ..buffers import empty_like, result_of
from ..kernels import cuda, rectifier
from ..kernels.blocks import each_block
from ..primitives import elementwise, vjp
from ..tensor import Tensor, TensorLike
from .arithmetic import clip, where
from .elementwise import exp
from .reduction import axes_of
from .reduction import sum as sum_over

_GELU_SCALE, _GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


@elementwise(lambda g, out: g * (1.0 - out * out))
def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent. f′ = 1 − tanh²x = 1 − y²."""
    return array_module(x).tanh(x, out=result_of(x))


@elementwise(lambda g, out: g * (out * (1.0 - out)))
def sigmoid(x: Array, /) -> Array:
    """1/(1 + e⁻ˣ). f′ = y(1 − y).

    A small y keeps its digits; where e⁻ˣ overflows, y is 0.
    """
    return logistic(x)


def logistic(x: Array) -> Array:
    """``sigmoid`` of an array."""
    xp, one, result = array_module(x), x.dtype.type(1), empty_like(x)
    xp.negative(x, out=result)
    with np.errstate(over="ignore"):
        xp.exp(result, out=result)
    result += one
    return xp.divide(one, result, out=result)


@elementwise(lambda g, x: g * sigmoid(x))
def softplus(x: Array, /) -> Array:
    """ln(1 + eˣ), computed as max(x, 0) + ln(1 + e^−|x|). f′ = sigmoid(x)."""
    xp = array_module(x)
    return xp.maximum(x, x.dtype.type(0)) + xp.log1p(xp.exp(-abs(x)))


@elementwise(lambda g, out: gated(g, signs=out, slope=0.0))
def relu(x: Array, /) -> Array:
    """max(x, 0). f′ = 1 for x > 0, else 0, also at x = 0."""
    # With both bounds, as NumPy's maximum of an array and a number is several times as slow.
    return x.clip(x.dtype.type(0), x.dtype.type(np.inf), out=result_of(x))


@elementwise(lambda g, out, slope: gated(g, signs=out, slope=slope))
def leaky_relu(x: Array, /, slope: float = 0.3) -> Array:
    """x for x > 0, else slope·x, with slope ≥ 0 (Maas, Hannun and Ng, 2013; Keras's default 0.3).

    f′ = 1 for x > 0, else slope, also at x = 0. As slope ≥ 0, y > 0 exactly where x > 0, so the
    result tells the sign and x need not be kept.
    """
    check_slope(slope)
    if cuda.has_kernels(x):
        return cuda.bend(x, slope)
    result = empty_like(x)
    each_block(lambda out, part: rectifier.bend(part, slope, out), result, x)
    return result


def bent(x: Array, slope: float) -> Array:
    """``leaky_relu`` of an array that nothing else needs, in its place."""
    if cuda.has_kernels(x):
        return cuda.bend(x, slope)
    each_block(lambda part: rectifier.bend(part, slope, part), x)
    return x


def check_slope(slope: float) -> None:
    """Raise ``ValueError`` or ``TypeError`` unless a leaky ReLU can have that slope."""
    if type(slope) is not float or not 0 <= slope < math.inf:
        number("slope", slope, "[0, inf)")


@vjp(lambda g, signs, slope: gated(g, signs, slope), plain=True)
def gated(x: Array, /, signs: TensorLike, slope: float) -> Array:
    """x where ``signs`` > 0, slope·x elsewhere: linear in x, so it is its own adjoint."""
    signs = signs._array if isinstance(signs, Tensor) else signs
    if cuda.has_kernels(x):
        return cuda.gate(x, signs, slope)
    result = empty_like(signs)
    each_block(lambda out, g, s: rectifier.gate(g, s, slope, out), result, x, signs)
    return result


@elementwise(lambda g, x, out, alpha: where(x > 0, g, g * (out + alpha)))
def elu(x: Array, /, alpha: float = 1.0) -> Array:
    """x for x > 0, else α(eˣ − 1) (Clevert, Unterthiner and Hochreiter, 2016).

    f′ = 1 for x > 0, else α·eˣ = y + α, also at x = 0.
    """
    number("alpha", alpha)
    xp = array_module(x)
    below = xp.expm1(xp.minimum(x, x.dtype.type(0)))
    return xp.where(x > 0, x, x.dtype.type(alpha) * below)


def _gelu_gradient(g: Tensor, x: Tensor) -> Tensor:
    x = clip(x, -10, 10)  # beyond, t is ±1 to the last bit
    t = tanh(_GELU_SCALE * (x + _GELU_CUBE * x**3))
    inner = _GELU_SCALE * (1.0 + 3 * _GELU_CUBE * x**2)
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)


@elementwise(_gelu_gradient)
def gelu(x: Array, /) -> Array:
    """½x(1 + t), t = tanh u, u = √(2/π)(x + 0.044715x³) (Hendrycks and Gimpel, 2016).

    The tanh form, everywhere. f′ = ½(1 + t) + ½x(1 − t²)u′ with u′ = √(2/π)(1 + 3·0.044715x²).
    """
    xp, real = array_module(x), x.dtype.type
    near = xp.clip(x, real(-10), real(10))  # beyond, t is ±1 to the last bit
    u = real(_GELU_SCALE) * (near + real(_GELU_CUBE) * near * near * near)
    return real(0.5) * x * (real(1) + xp.tanh(u))


@vjp(lambda g, out, axis: out * (g - sum_over(g * out, axis, keepdims=True)), plain=True)
def softmax(x: Array, /, axis: int = -1) -> Array:
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ along ``axis``.

    ∂yᵢ/∂xⱼ = yᵢ(δᵢⱼ − yⱼ), so the gradient is y·(g − Σ g·y).
    """
    xp, axes = array_module(x), axes_of(axis, x.ndim)
    e = xp.exp(x - x.max(axis=axes, keepdims=True))
    return e / e.sum(axis=axes, keepdims=True)


def _log_softmax_gradient(g: Tensor, out: Tensor, axis: int) -> Tensor:
    return g - exp(out) * sum_over(g, axis, keepdims=True)


@vjp(_log_softmax_gradient, plain=True)
def log_softmax(x: Array, /, axis: int = -1) -> Array:
    """yᵢ = xᵢ − ln Σⱼ e^xⱼ along ``axis``.

    ∂yᵢ/∂xⱼ = δᵢⱼ − e^yⱼ, so the gradient is g − e^y·Σ g.
    """
    xp, axes = array_module(x), axes_of(axis, x.ndim)
    shifted = x - x.max(axis=axes, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=axes, keepdims=True))


__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]
