"""Rearranging a tensor without changing its elements; each adjoint moves them back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import whole
from ..backend import Array, array_module
from ..primitives import all_alike, as_operands, astype, broadcast_to, vjp
from ..tensor import Tensor, TensorLike, as_tensor


@vjp(lambda g, x_shape: reshape(g, x_shape), plain=True)
def reshape(x: Array, /, shape: Any) -> Array:
    """x with its elements, in C order, in another shape; one size may be −1."""
    return x.reshape(shape)


@vjp(lambda g, axes: transpose(g, None if axes is None else _inverse(axes)), plain=True)
def transpose(x: Array, /, axes: Sequence[int] | None = None) -> Array:
    """x with its axes in another order, reversed by default; the adjoint undoes the order."""
    return array_module(x).transpose(x, axes)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


@vjp(lambda g: swap_last(g), plain=True)
def swap_last(x: Array, /) -> Array:
    """x with its last two axes exchanged, each matrix of a stack transposed: its own adjoint."""
    return x.swapaxes(-2, -1)


def together(name: str, values: Sequence[TensorLike]) -> Sequence[Tensor]:
    """The values as tensors of one dtype, which constants don't widen, as in arithmetic."""
    tensors = all_alike(values)
    if tensors is not None:
        return tensors
    tensors = as_operands(name, values)
    dtype = next((t.dtype for t in tensors if t.dtype.kind == "f"), np.float64)
    return [t if t.dtype == dtype else astype(t, dtype) for t in tensors]


def maps(name: str, x: TensorLike) -> Tensor:
    """x as a tensor, which has to be maps (N, H, W, C)."""
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"{name}: got shape {x.shape}, wanted maps (N, H, W, C)")
    return x


@vjp(lambda g, axis: flip(g, axis), plain=True)
def flip(x: Array, /, axis: Any = None) -> Array:
    """x in reverse order along ``axis`` (all by default); its own inverse and adjoint."""
    return array_module(x).flip(x, axis)


@vjp(lambda g, shift, axis: roll(g, _negated(shift), axis), plain=True)
def roll(x: Array, /, shift: Any, axis: Any = None) -> Array:
    """x moved ``shift`` places along ``axis``, what falls off the end coming in at the start."""
    for places in np.ravel(shift).tolist():
        whole("shift", places, None)
    return array_module(x).roll(x, shift, axis)


def _negated(shift: Any) -> Any:
    return tuple(-s for s in shift) if isinstance(shift, (tuple, list)) else -shift


def flatten(x: TensorLike) -> Tensor:
    """x (N, …) as (N, everything else)."""
    x = as_tensor(x)
    if not x.ndim:
        raise ValueError("flatten: got shape (), wanted a first axis to keep")
    return reshape(x, (x.shape[0], math.prod(x.shape[1:])))


__all__ = [
    "broadcast_to",
    "flatten",
    "flip",
    "reshape",
    "roll",
    "transpose",
]
