"""Functions of one variable, element by element. With y = f(x), each gradient is g · f′(x)."""

from __future__ import annotations

from ..backend import Array, array_module
from ..primitives import elementwise


@elementwise(lambda g, out: g * out)
def exp(x: Array, /) -> Array:
    """eˣ. f′ = eˣ = y."""
    return array_module(x).exp(x)


@elementwise(lambda g, x: g / x)
def log(x: Array, /) -> Array:
    """ln x. f′ = 1/x."""
    return array_module(x).log(x)


@elementwise(lambda g, x: g / (1.0 + x))
def log1p(x: Array, /) -> Array:
    """ln(1 + x), exact for small x. f′ = 1/(1 + x)."""
    return array_module(x).log1p(x)


@elementwise(lambda g, out: g * (out + 1.0))
def expm1(x: Array, /) -> Array:
    """eˣ − 1, exact for small x. f′ = eˣ = y + 1."""
    return array_module(x).expm1(x)


@elementwise(lambda g, out: g / (2.0 * out))
def sqrt(x: Array, /) -> Array:
    """√x. f′ = 1/(2√x) = 1/(2y), infinite at 0."""
    return array_module(x).sqrt(x)


@elementwise(lambda g, x: g * cos(x))
def sin(x: Array, /) -> Array:
    """sin x (radians). f′ = cos x."""
    return array_module(x).sin(x)


@elementwise(lambda g, x: -g * sin(x))
def cos(x: Array, /) -> Array:
    """cos x (radians). f′ = −sin x."""
    return array_module(x).cos(x)


__all__ = ["cos", "exp", "expm1", "log", "log1p", "sin", "sqrt"]
