"""Normalisation: shift and scale to mean 0 and variance 1 over some axes, then γ·x̂ + β."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array, array_module
from ..buffers import empty_like
from ..kernels import channels, cuda
from ..kernels import normalization as kernel
from ..primitives import broadcast_to, elementwise, vjp
from ..tensor import Tensor, TensorLike, as_tensor
from .activation import check_slope, gated, leaky_relu
from .elementwise import sqrt
from .reduction import Axis, axes_of, mean, var
from .shape import together


def moments(x: TensorLike, axis: Axis) -> tuple[Array, Array]:
    """Mean and biased variance over ``axis``, its length kept as 1, as plain arrays.

    Those of float16, whose squares overflow from 256, are taken in float32.
    """
    array = as_tensor(x)._array
    axes = axes_of(axis, array.ndim)
    if array.ndim > 1 and sorted(axes) == list(range(array.ndim - 1)):
        shape = (*(1,) * (array.ndim - 1), array.shape[-1])
        centre, square = kernel.column_moments(array)
        return centre.reshape(shape), square.reshape(shape)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    centre = array.mean(axis=axes, keepdims=True)
    squares = array_module(array).subtract(array, centre, out=empty_like(array))
    squares *= squares
    return centre, squares.mean(axis=axes, keepdims=True)


def _normalize_gradient(g: Array, out: Array, axis: Axis, moments: Any, eps: float) -> Array:
    """On arrays, as the composed twin is there for second derivatives."""
    xp = array_module(out)
    result = xp.multiply(g, out, out=empty_like(out, moments[1].dtype))
    xp.multiply(out, result.mean(axis=axis, keepdims=True), out=result)
    result += g.mean(axis=axis, keepdims=True)
    xp.subtract(g, result, out=result)
    result *= kernel.inverse_deviation(moments[1], eps)
    return result


def _normalize_composed(x: Tensor, axis: Axis, moments: Any, eps: float) -> Tensor:
    """The same, step by step on the tape: here σ depends on x, so second derivatives are whole."""
    return (x - mean(x, axis, keepdims=True)) / sqrt(var(x, axis, keepdims=True) + eps)


@vjp(_normalize_gradient, plain=True, composed=_normalize_composed)
def _normalize(x: Array, /, axis: Axis, moments: Any, eps: float) -> Array:
    result = array_module(x).subtract(x, moments[0], out=empty_like(x, moments[0].dtype))
    result *= kernel.inverse_deviation(moments[1], eps)
    return result


def normalize(x: TensorLike, axis: Axis, eps: float = 1e-3, statistics: Any = None) -> Tensor:
    """x̂ = (x − μ)/σ with μ the mean over ``axis``, σ = √(variance + eps).

    With n elements in each mean, ∂μ/∂xⱼ = 1/n and ∂σ/∂xⱼ = x̂ⱼ/n, so
    ∂x̂ᵢ/∂xⱼ = (δᵢⱼ − 1/n − x̂ᵢx̂ⱼ/n)/σ and the gradient is (g − mean g − x̂·mean(g·x̂))/σ
    (Ioffe and Szegedy, 2015, put together). ``statistics`` are ``moments(x, axis)``, if the caller
    has them already.
    """
    x = as_tensor(x)
    axes = axes_of(axis, x.ndim)
    return _normalize(x, axes, moments(x, axes) if statistics is None else statistics, eps)


def _batch_norm_gradient(
    g: Array, x: Array, gamma: Array, beta: Array, moments: Any, eps: float, slope: float
) -> tuple[Array, Array, Array]:
    """On arrays, as the composed twin is there for second derivatives."""
    mean, variance = moments
    return kernel.normalize_gradient(g, x, gamma, beta, mean, variance, eps, slope)


def _batch_norm_composed(
    x: Tensor, gamma: Tensor, beta: Tensor, moments: Any, eps: float, slope: float
) -> Tensor:
    y = _normalize_composed(x, tuple(range(x.ndim - 1)), moments, eps) * gamma + beta
    return y if slope == 1 else leaky_relu(y, slope)


@vjp(_batch_norm_gradient, plain=True, composed=_batch_norm_composed)
def _batch_norm(
    x: Array, gamma: Array, beta: Array, /, moments: Any, eps: float, slope: float
) -> Array:
    mean, variance = moments
    return kernel.normalize(x, gamma, beta, mean, variance, eps, slope)


def batch_norm(
    x: TensorLike,
    gamma: TensorLike,
    beta: TensorLike,
    eps: float = 1e-3,
    statistics: Any = None,
    slope: float = 1.0,
) -> Tensor:
    """γ·x̂ + β for x (N, …, C), γ and β (C,), normalised over all axes but the last.

    ∂L/∂γ = Σ g·x̂ and ∂L/∂β = Σ g over those axes, by the rules of product and sum, and the
    gradient of x is that of ``normalize`` for γ·g: one pass gives the sums, another that.
    ``statistics`` are ``moments(x, axes)``, if the caller has them already. With a ``slope`` the
    result is ``leaky_relu`` of that, in the same passes.
    """
    check_slope(slope)
    x, gamma, beta = together("batch_norm", (x, gamma, beta))
    if x.ndim < 2:
        raise ValueError(f"batch_norm: got shape {x.shape}, wanted (N, …, C)")
    channels = x.shape[-1:]
    gamma, beta = (p if p.shape == channels else broadcast_to(p, channels) for p in (gamma, beta))
    if statistics is None:
        statistics = moments(x, tuple(range(x.ndim - 1)))
    return _batch_norm(x, gamma, beta, tuple([m.reshape(-1) for m in statistics]), eps, slope)


@elementwise(
    lambda g, scale: g * scale,
    lambda g, scale: -g * scale,
    lambda g, x, centre: g * (x - centre),
    lambda g: g,
)
def standardize(x: Array, centre: Array, scale: Array, shift: Array, /) -> Array:
    """scale·(x − centre) + shift, channel by channel: linear in x, in scale and in both others."""
    return kernel.standardize(x, centre, scale, shift)


def shift(x: TensorLike, by: TensorLike, slope: float = 1.0) -> Tensor:
    """x + by, a number for each channel, or with another ``slope`` the leaky ReLU of it.

    The sum is linear in both, so both gradients are its own.
    """
    check_slope(slope)
    return _shift(x, by) if slope == 1 else _bent_shift(x, by, slope=slope)


@elementwise(lambda g: g, lambda g: g, name="shift")
def _shift(x: Array, by: Array, /) -> Array:
    return channels.shifted(x, by)


@elementwise(
    lambda g: g, lambda g: g, outer=lambda g, out, slope: gated(g, out, slope), name="shift"
)
def _bent_shift(x: Array, by: Array, /, slope: float) -> Array:
    if cuda.has_kernels(x):
        return cuda.bend(channels.shifted(x, by), slope)
    return channels.shifted(x, by, slope)


def layer_norm(x: TensorLike, gamma: TensorLike, beta: TensorLike, eps: float = 1e-3) -> Tensor:
    """γ·x̂ + β for x (…, C), each sample and position normalised over its channels."""
    return normalize(x, -1, eps) * gamma + beta


def instance_norm(x: TensorLike, gamma: TensorLike, beta: TensorLike, eps: float = 1e-3) -> Tensor:
    """γ·x̂ + β for x (N, …, C), each channel of each sample normalised over its positions."""
    x = as_tensor(x)
    if x.ndim < 3:
        raise ValueError(f"instance_norm: got shape {x.shape}, wanted (N, positions…, C)")
    return normalize(x, tuple(range(1, x.ndim - 1)), eps) * gamma + beta


__all__ = ["batch_norm", "instance_norm", "layer_norm", "moments", "normalize"]
