"""Functions that move elements without changing them; each adjoint moves them back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import Array, array_module
from ..tape import as_operands, astype, broadcast_to, primitive, vjp
from ..tensor import Tensor, TensorLike, as_tensor
from .indexing import getitem, take


@vjp(lambda g, x_shape: reshape(g, x_shape))
def reshape(x: Array, /, shape: Any) -> Array:
    """x with its elements, in C order, in another shape; one size may be −1."""
    return x.reshape(shape)


@vjp(lambda g, axes: transpose(g, None if axes is None else _inverse(axes)))
def transpose(x: Array, /, axes: Sequence[int] | None = None) -> Array:
    """x with its axes in another order, reversed by default; the adjoint undoes the order."""
    return array_module(x).transpose(x, axes)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


def swap_last(x: TensorLike) -> Tensor:
    """x with its last two axes exchanged: the transpose of each matrix in a stack."""
    x = as_tensor(x)
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def together(name: str, values: Sequence[TensorLike]) -> list[Tensor]:
    """The values as tensors of one dtype, which constants don't widen, as in arithmetic."""
    tensors = as_operands(name, values)
    dtype = next((t.dtype for t in tensors if t.dtype.kind == "f"), np.float64)
    return [t if t.dtype == dtype else astype(t, dtype) for t in tensors]


def maps(name: str, x: TensorLike) -> Tensor:
    """x as a tensor, which has to be maps (N, H, W, C)."""
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"{name}: got shape {x.shape}, wanted maps (N, H, W, C)")
    return x


def _pieces(g: Tensor, parts_shape: Sequence[tuple[int, ...]], axis: int) -> list[Tensor]:
    ends = np.cumsum([shape[axis] for shape in parts_shape])
    lead = (slice(None),) * (axis % g.ndim)
    return [
        getitem(g, (*lead, slice(int(end) - shape[axis], int(end))))
        for end, shape in zip(ends, parts_shape, strict=True)
    ]


def _join(*parts: Array, axis: int) -> Array:
    return array_module(parts[0]).concatenate(parts, axis=axis)


_concatenate = primitive(_join, _pieces, name="concatenate")


def concatenate(parts: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """The parts one after another along ``axis``. Each gets its own slice of g."""
    if not len(parts):
        raise ValueError("concatenate needs at least one part")
    return _concatenate(*parts, axis=axis)


def stack(parts: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """The parts, all of one shape, along a new ``axis``."""
    tensors = together("stack", parts)
    shapes = {t.shape for t in tensors}
    if len(shapes) != 1:
        raise ValueError(f"stack needs parts of one shape, got {sorted(shapes)}")
    ndim = tensors[0].ndim + 1
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis: got {axis} for {ndim} axes")
    at = axis % ndim
    return concatenate([reshape(t, (*t.shape[:at], 1, *t.shape[at:])) for t in tensors], axis=at)


def split(x: TensorLike, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """x cut along ``axis`` into equal ``sections``, or before the given positions."""
    x = as_tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis: got {axis} for {x.ndim} axes")
    size, lead = x.shape[axis], (slice(None),) * (axis % x.ndim)
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or size % sections:
            raise ValueError(f"split: {size} elements don't make {sections} equal sections")
        cuts = [size // sections * i for i in range(1, sections)]
    else:
        cuts = list(sections)
    starts, ends = [None, *cuts], [*cuts, None]
    return [getitem(x, (*lead, slice(a, b))) for a, b in zip(starts, ends, strict=True)]


Widths = Sequence[tuple[int, int]]


def pad(x: TensorLike, widths: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    """x with ``widths`` (before, after) added to each axis, as in ``numpy.pad``.

    ``mode`` is "constant" (filled with ``value``), "edge" or "reflect". The adjoint of filling
    cuts the padding off; the other two are ``take`` with repeated indices.
    """
    x = as_tensor(x)
    pairs = tuple((int(a), int(b)) for a, b in np.broadcast_to(np.asarray(widths), (x.ndim, 2)))
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"widths: got {widths}, wanted numbers that are not negative")
    if mode == "constant":
        return _pad(x, pairs, value)
    if mode not in ("edge", "reflect"):
        raise ValueError(f'mode: got {mode!r}, wanted "constant", "edge" or "reflect"')
    for axis, pair in enumerate(pairs):
        if pair != (0, 0):
            x = take(x, np.pad(np.arange(x.shape[axis]), pair, mode=mode), axis)  # type: ignore[call-overload]
    return x


@vjp(lambda g, x_shape, widths: getitem(g, _core(x_shape, widths)))
def _pad(x: Array, /, widths: Widths, value: float) -> Array:
    shape = [n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)]
    result = array_module(x).full(shape, value, dtype=x.dtype)
    result[_core(x.shape, widths)] = x
    return result


def _core(shape: Sequence[int], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


@vjp(lambda g, axis: flip(g, axis))
def flip(x: Array, /, axis: Any = None) -> Array:
    """x in reverse order along ``axis`` (all by default); its own inverse and adjoint."""
    return array_module(x).flip(x, axis)


@vjp(lambda g, shift, axis: roll(g, _negated(shift), axis))
def roll(x: Array, /, shift: Any, axis: Any = None) -> Array:
    """x moved ``shift`` places along ``axis``, what falls off the end coming in at the start."""
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
    "concatenate",
    "flatten",
    "flip",
    "pad",
    "reshape",
    "roll",
    "split",
    "stack",
    "transpose",
]
