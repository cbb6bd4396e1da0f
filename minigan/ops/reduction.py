"""Reductions over one axis, several, or all, with NumPy's ``axis`` and ``keepdims``.

The reduced axes of the gradient g are first put back with length one; ``_spread`` does that and
repeats g along them, which is the adjoint of summing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import whole
from ..backend import Array, array_module
from ..primitives import broadcast_to, vjp
from ..tensor import Tensor
from .elementwise import exp
from .shape import reshape

Axis = Any  # None, an int, or a tuple of ints


_HALF_HOLDS = 65_504
"""The largest number of float16."""


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """``axis`` as a tuple of distinct non-negative numbers; None means all axes."""
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if not isinstance(axis, (tuple, list)) else tuple(axis)
    for a in axes:
        if type(a) is not int:
            whole("axis", a, None)
        if not -ndim <= a < ndim:
            raise ValueError(f"axis: got {a} for {ndim} axes")
    axes = tuple(int(a) % ndim for a in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis: got {axis}, in which an axis is repeated")
    return axes


def count_over(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements each result of a reduction over ``axis`` combines."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


def _kept(g: Tensor, shape: tuple[int, ...], axis: Axis) -> Tensor:
    axes = axes_of(axis, len(shape))
    return reshape(g, tuple(1 if i in axes else n for i, n in enumerate(shape)))


def _spread(g: Tensor, shape: tuple[int, ...], axis: Axis) -> Tensor:
    return broadcast_to(_kept(g, shape, axis), shape)


@vjp(lambda g, x_shape, axis: _spread(g, x_shape, axis), plain=True)
def sum(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Σx over ``axis``. ∂y/∂xᵢ = 1: every summand gets the g of its sum."""
    return x.sum(axis=axes_of(axis, x.ndim), keepdims=keepdims)


@vjp(lambda g, x_shape, axis: _spread(_divided(g, x_shape, axis), x_shape, axis), plain=True)
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Σx/n over ``axis``. ∂y/∂xᵢ = 1/n."""
    return x.mean(axis=axes_of(axis, x.ndim), keepdims=keepdims)


def _divided(g: Tensor, shape: tuple[int, ...], axis: Axis) -> Tensor:
    count = count_over(shape, axis)
    if count > _HALF_HOLDS and g.dtype == "float16":
        return g * (1.0 / count)  # a count that it does not hold would make it 0
    return g / count


def _var_gradient(g: Tensor, x: Tensor, axis: Axis, ddof: int) -> Tensor:
    scale = 2.0 / (count_over(x.shape, axis) - ddof)
    return _spread(g * scale, x.shape, axis) * (x - mean(x, axis, keepdims=True))


@vjp(_var_gradient, plain=True)
def var(x: Array, /, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Σ(x − x̄)²/(n − ddof) over ``axis``; biased by default, as in NumPy.

    ∂y/∂xᵢ = 2(xᵢ − x̄)/(n − ddof): the terms through x̄ cancel, as Σ(x − x̄) = 0.
    """
    if count_over(x.shape, axis) <= whole("ddof", ddof, 0):
        raise ValueError(f"var over {count_over(x.shape, axis)} elements needs a smaller ddof")
    return x.var(axis=axes_of(axis, x.ndim), ddof=ddof, keepdims=keepdims)


def _extreme_gradient(g: Tensor, x: Tensor, out: Tensor, axis: Axis) -> Tensor:
    ties = (x == _kept(out, x.shape, axis)).astype(x.dtype)
    share = ties / ties.sum(axis=axes_of(axis, x.ndim), keepdims=True)
    return _spread(g, x.shape, axis) * share


@vjp(_extreme_gradient, plain=True)
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over ``axis``. It gets g; n elements that tie get g/n each."""
    return x.max(axis=axes_of(axis, x.ndim), keepdims=keepdims)


@vjp(_extreme_gradient, plain=True)
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over ``axis``. It gets g; n elements that tie get g/n each."""
    return x.min(axis=axes_of(axis, x.ndim), keepdims=keepdims)


def _norm_gradient(g: Tensor, x: Tensor, out: Tensor, axis: Axis) -> Tensor:
    y = _kept(out, x.shape, axis)
    return x * (_kept(g, x.shape, axis) * ((y > 0) / (y + (y == 0))))  # a factor of 0 at y = 0


@vjp(_norm_gradient, plain=True)
def norm(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """y = √Σx², the Euclidean length over ``axis``; that of float16 is taken in float32.

    ∂y/∂xᵢ = xᵢ/y. Where y = 0 there is no derivative, and every one is taken as 0.
    """
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    squares = (wide * wide).sum(axis=axes_of(axis, x.ndim), keepdims=keepdims)
    return array_module(x).sqrt(squares)


def _logsumexp_gradient(g: Tensor, x: Tensor, out: Tensor, axis: Axis) -> Tensor:
    return _spread(g, x.shape, axis) * exp(x - _spread(out, x.shape, axis))


@vjp(_logsumexp_gradient, plain=True)
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """ln Σeˣ over ``axis``, shifted by the maximum (if finite) so that it can't overflow.

    ∂y/∂xᵢ = e^xᵢ/Σe^xⱼ = e^(xᵢ − y), the softmax.
    """
    xp, axes = array_module(x), axes_of(axis, x.ndim)
    top = x.max(axis=axes, keepdims=True)
    top = xp.where(xp.isfinite(top), top, x.dtype.type(0))
    with np.errstate(divide="ignore"):  # ln 0 = −∞, where every x is −∞
        result = top + xp.log(xp.exp(x - top).sum(axis=axes, keepdims=True))
    return result if keepdims else result.squeeze(axes)


__all__ = ["logsumexp", "max", "mean", "min", "norm", "sum", "var"]
