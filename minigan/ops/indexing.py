"""Picking elements by index, and its adjoint, adding into a zero array at the same index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import Array, array_module, is_array
from ..kernels import cuda
from ..primitives import vjp
from ..tensor import Tensor, TensorLike, as_tensor
from .shape import reshape

WIDE = 128
"""Elements of a row from which on it is added by itself."""

_BASIC = (int, np.integer, slice, type(None), type(Ellipsis))


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, _BASIC) and not isinstance(part, bool) for part in parts)


def _wide_rows(index: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """The rows that an array names if they are wide: ``np.add.at`` takes up to 50 times as long."""
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    named = isinstance(index, np.ndarray) and index.dtype.kind in "iu"
    return index if named and math.prod(shape[1:]) >= WIDE else None


@vjp(lambda g, x_shape, index: put(g, index, x_shape), plain=True)
def getitem(x: Array, /, index: Any) -> Array:
    """x[index], with NumPy's basic and advanced indexing.

    The i-th picked element is y = x[k(i)], so ∂L/∂x[k] is the sum of all g whose index is k: g is
    added into zeros at ``index``, several times where an element was picked several times. An array
    in ``index`` is kept as it is, not copied: don't write to it before the backward pass.
    """
    return x[index]


@vjp(lambda g, index: getitem(g, index), plain=True)
def put(x: Array, /, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with x added at ``index``: the adjoint of ``getitem``, and it of this."""
    xp, basic = array_module(x), _is_basic(index)
    if not basic and cuda.has_kernels(x):
        return cuda.add_at(x, index, shape)
    result = xp.zeros(shape, dtype=x.dtype)
    if basic:  # then no element is met twice
        result[index] = x
    elif xp is np and (rows := _wide_rows(index, shape)) is not None:
        for row, added in zip(rows.flat, x.reshape(-1, *shape[1:]), strict=True):
            result[row] += added
    else:
        xp.add.at(result, index, x)
    return result


def index_tensor(x: Tensor, index: Any) -> Tensor:
    """``tensor[index]``: as ``getitem``, with a clear error for an index that is a tensor."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, Tensor) for part in parts):
        raise TypeError("an index must be made of integers or booleans, not of a float tensor")
    return getitem(x, index)


def take(x: TensorLike, indices: Any, axis: int | None = None) -> Tensor:
    """The elements of x at ``indices`` along ``axis`` (of the flattened x by default)."""
    x = as_tensor(x)
    indices = indices if is_array(indices) else np.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices: got dtype {indices.dtype}, wanted integers")
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis: got {axis} for {x.ndim} axes")
    if x.device != "cpu" and array_module(indices) is np:  # CuPy would take it modulo the size
        size = x.shape[axis]
        for index in indices[(indices < -size) | (indices >= size)].flat:
            raise IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")
    return getitem(x, (*(slice(None),) * (axis % x.ndim), indices))


def embedding(table: TensorLike, ids: Any) -> Tensor:
    """The rows of ``table`` (count, width) named by the integers ``ids``: ids.shape + (width,).

    A row used several times gets the sum of the gradients of its uses.
    """
    table, ids = as_tensor(table), ids if is_array(ids) else np.asarray(ids)
    if table.ndim != 2:
        raise ValueError(f"table: got shape {table.shape}, wanted (count, width)")
    if ids.dtype.kind not in "iu":
        raise TypeError(f"ids: got dtype {ids.dtype}, wanted integers")
    # To look at ids on a GPU would wait for it: there, one that is out of range wraps around.
    known = array_module(ids) is np and ids.size
    if known and (ids.min() < 0 or ids.max() >= table.shape[0]):
        raise IndexError(
            f"ids: got values from {int(ids.min())} to {int(ids.max())}, "
            f"wanted 0 to {table.shape[0] - 1}, a row of the table each"
        )
    return getitem(table, ids)


__all__ = ["embedding", "getitem", "take"]
