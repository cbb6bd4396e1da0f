"""Tensor's operators, methods and NumPy functions: which function each one is, in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import autograd, primitives
from ..backend import to_device
from ..tensor import Tensor, TensorLike, as_tensor, wrap
from . import activation, arithmetic, elementwise, indexing, joining, linear, reduction, shape


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: function(other, self)


def _reshape(self: Tensor, *sizes: Any) -> Tensor:
    return shape.reshape(self, sizes[0] if len(sizes) == 1 else sizes)


def _transpose(self: Tensor, *axes: Any) -> Tensor:
    if not axes or axes == (None,):
        return shape.transpose(self)
    return shape.transpose(self, axes[0] if isinstance(axes[0], (tuple, list)) else axes)


@primitives.vjp(lambda g, origin: to(g, origin))
def _moved(x: Any, /, device: str, origin: str) -> Any:
    return to_device(x, device)


def to(x: TensorLike, device: str) -> Tensor:
    """x on ``device``, "cpu" or "cuda"; the gradient is moved back."""
    x = as_tensor(x)
    if x.device == device:
        return x
    array = to_device(x._array, device)
    if array is x._array:  # "cuda" was cuda:0
        return x
    if not x.requires_grad:
        return wrap(array)
    return _moved(x, device, x.device)


OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": arithmetic.add,
    "__radd__": _swapped(arithmetic.add),
    "__sub__": arithmetic.subtract,
    "__rsub__": _swapped(arithmetic.subtract),
    "__mul__": arithmetic.multiply,
    "__rmul__": _swapped(arithmetic.multiply),
    "__truediv__": arithmetic.divide,
    "__rtruediv__": _swapped(arithmetic.divide),
    "__pow__": arithmetic.power,
    "__rpow__": _swapped(arithmetic.power),
    "__matmul__": linear.matmul,
    "__rmatmul__": _swapped(linear.matmul),
    "__neg__": arithmetic.negative,
    "__pos__": lambda self: self,
    "__abs__": arithmetic.absolute,
    "__lt__": arithmetic.less,
    "__le__": arithmetic.less_equal,
    "__gt__": arithmetic.greater,
    "__ge__": arithmetic.greater_equal,
    "__eq__": arithmetic.equal,
    "__ne__": arithmetic.not_equal,
    "__getitem__": indexing.index_tensor,
}

METHODS: dict[str, Any] = {
    "sum": reduction.sum,
    "mean": reduction.mean,
    "var": reduction.var,
    "max": reduction.max,
    "min": reduction.min,
    "reshape": _reshape,
    "transpose": _transpose,
    "T": property(_transpose, doc="The tensor with its axes reversed."),
    "clip": arithmetic.clip,
    "astype": primitives.astype,
    "to": to,
    "backward": autograd.backward,
}

UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: arithmetic.add,
    np.subtract: arithmetic.subtract,
    np.multiply: arithmetic.multiply,
    np.divide: arithmetic.divide,
    np.negative: arithmetic.negative,
    np.power: arithmetic.power,
    np.square: lambda x: arithmetic.power(x, 2),
    np.absolute: arithmetic.absolute,
    np.sign: arithmetic.sign,
    np.maximum: arithmetic.maximum,
    np.minimum: arithmetic.minimum,
    np.greater: arithmetic.greater,
    np.greater_equal: arithmetic.greater_equal,
    np.less: arithmetic.less,
    np.less_equal: arithmetic.less_equal,
    np.equal: arithmetic.equal,
    np.not_equal: arithmetic.not_equal,
    np.exp: elementwise.exp,
    np.expm1: elementwise.expm1,
    np.log: elementwise.log,
    np.log1p: elementwise.log1p,
    np.sqrt: elementwise.sqrt,
    np.sin: elementwise.sin,
    np.cos: elementwise.cos,
    np.tanh: activation.tanh,
    np.matmul: linear.matmul,
}

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: reduction.sum,
    np.mean: reduction.mean,
    np.var: reduction.var,
    np.max: reduction.max,
    np.min: reduction.min,
    np.amax: reduction.max,
    np.amin: reduction.min,
    np.where: arithmetic.where,
    np.clip: arithmetic.clip,
    np.einsum: linear.einsum,
    np.reshape: shape.reshape,
    np.transpose: shape.transpose,
    np.broadcast_to: shape.broadcast_to,
    np.concatenate: joining.concatenate,
    np.stack: joining.stack,
    np.split: joining.split,
    np.pad: joining.pad,
    np.flip: shape.flip,
    np.roll: shape.roll,
    np.take: indexing.take,
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
}

INSTEAD: dict[Any, str] = {
    np.linalg.norm: "mg.norm(x)",
    np.squeeze: "x.reshape(…)",
    np.expand_dims: "x.reshape(…)",
    np.ravel: "x.reshape(-1)",
    np.swapaxes: "x.transpose(…)",
    np.moveaxis: "x.transpose(…)",
    np.dot: "x @ y",
    np.inner: "mg.einsum",
    np.outer: "mg.einsum",
    np.tensordot: "mg.einsum",
    np.std: "mg.sqrt(mg.var(x))",
    np.average: "mg.mean",
    np.hstack: "mg.concatenate",
    np.vstack: "mg.concatenate",
    np.append: "mg.concatenate",
    np.array_split: "mg.split",
    np.fliplr: "mg.flip",
    np.flipud: "mg.flip",
    np.tile: "mg.concatenate",
    np.repeat: "mg.take",
    np.reciprocal: "1 / x",
    np.float_power: "mg.power",
    np.fabs: "mg.absolute",
    np.fmax: "mg.maximum",
    np.fmin: "mg.minimum",
    np.logaddexp: "mg.logsumexp",
    np.log2: "mg.log(x) / np.log(2)",
    np.log10: "mg.log(x) / np.log(10)",
    np.exp2: "mg.exp(x * np.log(2))",
    np.tan: "mg.sin(x) / mg.cos(x)",
}
"""What to write for functions of NumPy that tensors don't have."""

for _name, _function in {**OPERATORS, **METHODS}.items():
    setattr(Tensor, _name, _function)
Tensor.ufuncs.update(UFUNCS)
Tensor.functions.update(FUNCTIONS)
Tensor.instead.update(INSTEAD)
