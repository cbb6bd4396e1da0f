"""Arithmetic, comparison and selection, element by element, with NumPy's broadcasting.

Throughout, y is the result, g = ∂L/∂y the gradient that arrives, and each gradient below is
∂L/∂operand = g · ∂y/∂operand, summed by the tape over axes along which the operand was broadcast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array, array_module
from ..buffers import result_of
from ..primitives import add, as_operands, elementwise
from ..tensor import Tensor, TensorLike, as_tensor
from .elementwise import log


@elementwise(lambda g: g, lambda g: -g)
def subtract(a: Array, b: Array, /) -> Array:
    """a − b. ∂y/∂a = 1, ∂y/∂b = −1."""
    return array_module(a).subtract(a, b, out=result_of(a, b))


@elementwise(lambda g, b: g * b, lambda g, a: g * a)
def multiply(a: Array, b: Array, /) -> Array:
    """a·b. ∂y/∂a = b, ∂y/∂b = a."""
    return array_module(a).multiply(a, b, out=result_of(a, b))


@elementwise(lambda g, b: g / b, lambda g, b, out: -g * out / b)
def divide(a: Array, b: Array, /) -> Array:
    """a/b. ∂y/∂a = 1/b, ∂y/∂b = −a/b² = −y/b."""
    return array_module(a).divide(a, b, out=result_of(a, b))


@elementwise(lambda g: -g)
def negative(x: Array, /) -> Array:
    """−x. ∂y/∂x = −1."""
    return array_module(x).negative(x, out=result_of(x))


def power(base: TensorLike, exponent: TensorLike) -> Tensor:
    """baseᵖ, with p a number or a tensor. ∂y/∂base = p·baseᵖ⁻¹, ∂y/∂p = y·ln base.

    Both are taken as 0 where base and p are 0 (0⁰ = 1), and ∂y/∂p as 0 where base is 0.
    """
    if isinstance(exponent, (int, float)):
        # A float64 of NumPy's is a float too, but one that would widen the arrays.
        number = float(exponent) if isinstance(exponent, float) else exponent
        return _power_number(as_tensor(base), number)
    return _power(base, exponent)


@elementwise(lambda g, x, p: g * (p * _power_number(x, p - 1)) if p else g * 0.0)
def _power_number(x: Array, /, p: float) -> Array:
    return x * x if p == 2 else x**p


def _power_base_gradient(g: Tensor, a: Tensor, p: Tensor) -> Tensor:
    at_zero = (a == 0) & (p == 0)  # where p·aᵖ⁻¹ would be 0·∞
    return g * p * _power(a, where(at_zero, 1.0, p - 1))


def _power_exponent_gradient(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    at_zero = a == 0
    return where(at_zero, 0.0, g * out * log(where(at_zero, 1.0, a)))


@elementwise(_power_base_gradient, _power_exponent_gradient)
def _power(a: Array, p: Array, /) -> Array:
    return a**p


def _share(a: Tensor, b: Tensor) -> Array:
    """1 where a > b, ½ where they tie, else 0: constant but at ties, so it has no gradient."""
    return (a > b).astype(a.dtype) + (a == b).astype(a.dtype) * a.dtype.type(0.5)


@elementwise(lambda g, a, b: g * _share(a, b), lambda g, a, b: g * _share(b, a))
def maximum(a: Array, b: Array, /) -> Array:
    """The larger of a and b. The larger one gets g; at a tie each gets g/2."""
    return array_module(a).maximum(a, b)


@elementwise(lambda g, a, b: g * _share(b, a), lambda g, a, b: g * _share(a, b))
def minimum(a: Array, b: Array, /) -> Array:
    """The smaller of a and b. The smaller one gets g; at a tie each gets g/2."""
    return array_module(a).minimum(a, b)


def where(condition: Any, a: TensorLike, b: TensorLike) -> Tensor:
    """a where ``condition`` (booleans) holds, else b. Each gets g where it was taken."""
    condition = condition._array if isinstance(condition, Tensor) else condition
    return _where(array_module(condition).asarray(condition).astype(bool), a, b)


@elementwise(
    None,
    lambda g, condition: where(condition, g, 0.0),
    lambda g, condition: where(condition, 0.0, g),
)
def _where(condition: Array, a: Array, b: Array, /) -> Array:
    return array_module(a).where(condition, a, b)


def _inside(x: Tensor, low: Any, high: Any) -> Array:
    inside = x == x  # bounds as Python's numbers, as ``clip`` takes them
    if low is not None:
        inside &= x >= float(low)
    if high is not None:
        inside &= x <= float(high)
    return inside


@elementwise(lambda g, x, low, high: where(_inside(x, low, high), g, 0.0))
def clip(x: Array, /, low: Any = None, high: Any = None) -> Array:
    """x held to [low, high] (numbers; None for no bound).

    Inside, bounds included, ∂y/∂x = 1; outside it is 0.
    """
    if low is None and high is None:
        raise ValueError("clip needs at least one of low and high")
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise TypeError("clip: low and high must be numbers; maximum and minimum take tensors")
    # Floats of Python's: a float64 of NumPy's would widen the arrays.
    return array_module(x).clip(x, *(None if n is None else float(n) for n in (low, high)))


@elementwise(lambda g, x: g * sign(x))
def absolute(x: Array, /) -> Array:
    """|x|. ∂y/∂x = sign x, taken as 0 at x = 0."""
    return abs(x)


@elementwise(lambda g: g * 0.0)
def sign(x: Array, /) -> Array:
    """−1, 0 or 1 with the sign of x. Piecewise constant: the gradient is 0, also at x = 0."""
    return array_module(x).sign(x)


def _plain(name: str) -> Any:
    """A comparison: tensors or arrays in, a plain array of booleans out, nothing to track."""

    def compare(a: TensorLike, b: TensorLike) -> Array:
        a, b = (t._array if isinstance(t, Tensor) else t for t in (a, b))
        # A number goes with any array, and NumPy's and CuPy's functions know its dtype.
        if array_module(a) is not array_module(b) and not (np.isscalar(a) or np.isscalar(b)):
            a, b = (t._array for t in as_operands(name, (a, b)))
        xp = array_module(a) if hasattr(a, "shape") else array_module(b)
        return getattr(xp, name)(a, b)

    compare.__name__ = compare.__qualname__ = name
    compare.__doc__ = f"numpy.{name} of the values: an array of booleans, which is not tracked."
    return compare


greater = _plain("greater")
greater_equal = _plain("greater_equal")
less = _plain("less")
less_equal = _plain("less_equal")
equal = _plain("equal")
not_equal = _plain("not_equal")

__all__ = [
    "absolute",
    "add",
    "clip",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "sign",
    "subtract",
    "where",
]
