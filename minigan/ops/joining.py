"""Putting tensors together, taking them apart and padding them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import whole
from ..backend import Array, array_module
from ..primitives import primitive, vjp
from ..tensor import Tensor, TensorLike, as_tensor
from .indexing import getitem, take
from .shape import reshape, together


def _pieces(g: Tensor, parts_shape: Sequence[tuple[int, ...]], axis: int) -> list[Tensor]:
    ends = np.cumsum([shape[axis] for shape in parts_shape])
    lead = (slice(None),) * (axis % g.ndim)
    return [
        getitem(g, (*lead, slice(int(end) - shape[axis], int(end))))
        for end, shape in zip(ends, parts_shape, strict=True)
    ]


def _join(*parts: Array, axis: int) -> Array:
    return array_module(parts[0]).concatenate(parts, axis=axis)


_concatenate = primitive(_join, _pieces, plain=True, name="concatenate")


def concatenate(parts: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """The parts one after another along ``axis``. Each gets its own slice of g."""
    if not len(parts):
        raise ValueError("concatenate needs at least one part")
    return _concatenate(*parts, axis=whole("axis", axis, None))


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
    given = np.asarray(widths)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"widths: got {widths!r}, wanted whole numbers")
    pairs = tuple((int(a), int(b)) for a, b in np.broadcast_to(given, (x.ndim, 2)))
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


@vjp(lambda g, x_shape, widths: getitem(g, _core(x_shape, widths)), plain=True)
def _pad(x: Array, /, widths: Widths, value: float) -> Array:
    shape = [n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)]
    result = array_module(x).full(shape, value, dtype=x.dtype)
    result[_core(x.shape, widths)] = x
    return result


def _core(shape: Sequence[int], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


__all__ = ["concatenate", "pad", "split", "stack"]
