"""PyTorch's function for each of minigan's, under its name and with its arguments.

Most are PyTorch's own or one line away. Maps are moved from channels last to channels first and
back, and "same" padding, whose halves may differ, is put around the map first.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import references
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from minigan.random import Stream


def plain(value: Any) -> Any:
    """NumPy's arrays as PyTorch's; anything else as it is."""
    return torch.tensor(value.copy()) if isinstance(value, np.ndarray) else value


# Reductions: PyTorch takes an empty tuple of axes for all of them, NumPy for none.


def over(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``reduce(x, dim, keepdim)`` with NumPy's ``axis`` and ``keepdims``."""

    def reduced(x: Tensor, axis: Any = None, keepdims: bool = False, **settings: Any) -> Tensor:
        if axis == ():
            return reduce(x[None], dim=(0,), keepdim=False, **settings)
        dim = tuple(range(x.ndim)) if axis is None else axis
        if dim == ():  # all axes of a number
            return reduce(x[None], dim=(0,), keepdim=False, **settings)
        return reduce(x, dim=dim, keepdim=keepdims, **settings)

    return reduced


def variance(x: Tensor, dim: Any, keepdim: bool, ddof: int) -> Tensor:
    return torch.var(x, dim=dim, keepdim=keepdim, correction=ddof)


def moments(x: Tensor, axis: Any) -> tuple[Tensor, Tensor]:
    settings = {"axis": axis, "keepdims": True}
    return over(torch.mean)(x, **settings), over(variance)(x, **settings, ddof=0)


# Losses


def binary_cross_entropy(p: Tensor, target: float, eps: float) -> Tensor:
    """PyTorch bounds the logarithms and not the probabilities, so these are held first."""
    return F.binary_cross_entropy(p.clamp(eps, 1 - eps), torch.full_like(p, target))


# Shapes


def transpose(x: Tensor, axes: Any) -> Tensor:
    return x.permute(tuple(reversed(range(x.ndim))) if axes is None else axes)


def flip(x: Tensor, axis: Any) -> Tensor:
    dims = range(x.ndim) if axis is None else axis
    return torch.flip(x, [dims] if isinstance(dims, int) else list(dims))


def getitem(x: Tensor, index: Any) -> Tensor:
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
        # PyTorch has no slices that go back: the elements by their places, which NumPy finds.
        return torch.take(x, plain(np.arange(x.numel()).reshape(x.shape)[index]))
    return x[tuple(plain(part) for part in parts)]


def take(x: Tensor, indices: np.ndarray, axis: int | None) -> Tensor:
    if axis is None:
        return torch.take(x, plain(indices))
    return x[(slice(None),) * (axis % x.ndim) + (plain(indices),)]


def pad(x: Tensor, widths: Any, mode: str, value: float) -> Tensor:
    if mode == "constant":
        return F.pad(x, [n for pair in reversed(widths) for n in pair], value=value)
    mode = "replicate" if mode == "edge" else mode
    for axis, pair in enumerate(widths):  # one after another, as the last axis of (1, rest, size)
        last = x.movedim(axis, -1)
        padded = F.pad(last.reshape(1, -1, last.shape[-1]), pair, mode=mode)
        x = padded.reshape(*last.shape[:-1], -1).movedim(-1, axis)
    return x


def dropout(x: Tensor, rate: float, stream: Any) -> Tensor:
    """PyTorch's elements by minigan's draw, as no two libraries draw the same."""
    if rate == 0:
        return x
    again = Stream(stream.seed, stream.name, stream.step)
    keep = plain(again.keep_mask(tuple(x.shape), rate))
    return torch.where(keep, x / (1 - rate), 0)


# Maps


def first(x: Tensor) -> Tensor:
    """(N, …, C) as (N, C, …)."""
    return x.movedim(-1, 1)


def last(x: Tensor) -> Tensor:
    """(N, C, …) as (N, …, C)."""
    return x.movedim(1, -1)


def first_taps(w: Tensor) -> Tensor:
    """Weights (taps…, in, out) as (out, in, taps…), in C order, which second gradients need."""
    return w.movedim((-1, -2), (0, 1)).contiguous()


def around(x: Tensor, pads: Any, value: float = 0.0) -> Tensor:
    """x (N, C, H, W) with ((top, bottom), (left, right)) around it."""
    return F.pad(x, [*pads[1], *pads[0]], value=value)


def padded_same(convolve: Any, x: Tensor, w: Tensor, dilation: Any, groups: int) -> Tensor:
    """With PyTorch's own "same", which warns that some windows cost a copy of the map."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return convolve(x, w, padding="same", dilation=dilation, groups=groups)


def conv2d(x: Tensor, w: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    x, w = first(x), first_taps(w)
    if padding == "same" and stride == (1, 1):  # PyTorch's own has no other stride
        return last(padded_same(F.conv2d, x, w, dilation, groups))
    pads = references.sides(padding, x.shape[2:], w.shape[2:], stride, dilation)
    return last(F.conv2d(around(x, pads), w, stride=stride, dilation=dilation, groups=groups))


def conv1d(x: Tensor, w: Tensor, stride: int, padding: Any, dilation: int, groups: int) -> Tensor:
    x, w = first(x), first_taps(w)
    if padding == "same" and stride == 1:
        return last(padded_same(F.conv1d, x, w, dilation, groups))
    if padding == "same":
        padding = references.same_padding(x.shape[2], w.shape[2], stride, dilation)
    x = x if padding == "valid" else F.pad(x, padding)
    return last(F.conv1d(x, w, stride=stride, dilation=dilation, groups=groups))


def conv2d_transpose(
    x: Tensor, w: Tensor, stride: Any, padding: Any, dilation: Any, groups: int, output_size: Any
) -> Tensor:
    """PyTorch's without padding, cut to what lies inside, and with zeros where no window came."""
    x, w = first(x), first_taps(w)
    size = output_size or references.default_size(
        x.shape[2:], w.shape[2:], stride, padding, dilation
    )
    pads = references.sides(padding, size, w.shape[2:], stride, dilation)
    whole = F.conv_transpose2d(x, w, stride=stride, dilation=dilation, groups=groups)
    top, left = pads[0][0], pads[1][0]
    ends = (top + size[0], left + size[1])
    grown = around(whole, [(0, max(0, ends[a] - whole.shape[2 + a])) for a in (0, 1)])
    return last(grown[:, :, top : ends[0], left : ends[1]])


def max_pool2d(x: Tensor, size: Any, stride: Any, padding: Any) -> Tensor:
    pads = references.sides(padding, x.shape[1:3], size, stride or size)
    return last(F.max_pool2d(around(first(x), pads, -math.inf), size, stride))


def avg_pool2d(x: Tensor, size: Any, stride: Any, padding: Any) -> Tensor:
    """The mean with the padding's zeros over the share of the window that is inside."""
    pads = references.sides(padding, x.shape[1:3], size, stride or size)
    inside = F.avg_pool2d(around(torch.ones_like(first(x)), pads), size, stride)
    return last(F.avg_pool2d(around(first(x), pads), size, stride) / inside)


def global_avg_pool2d(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(first(x), 1).flatten(1)


def global_sum_pool2d(x: Tensor) -> Tensor:
    return x.sum((1, 2))


def global_max_pool2d(x: Tensor) -> Tensor:
    return F.adaptive_max_pool2d(first(x), 1).flatten(1)


def enlarge(mode: str, **settings: Any) -> Callable[..., Tensor]:
    def enlarged(x: Tensor, factor: Any) -> Tensor:
        scale = tuple(float(f) for f in np.broadcast_to(factor, 2))
        return last(F.interpolate(first(x), scale_factor=scale, mode=mode, **settings))

    return enlarged


def pixel_shuffle(x: Tensor, factor: int) -> Tensor:
    """PyTorch's channels are C blocks of r², minigan's and TensorFlow's r² blocks of C."""
    blocks = first(x).unflatten(1, (factor**2, -1)).transpose(1, 2).flatten(1, 2)
    return last(F.pixel_shuffle(blocks, factor))


# Normalisation


def normalize(x: Tensor, axis: Any, eps: float) -> Tensor:
    """By ``layer_norm`` of the axes in question, moved to the end and flattened to one."""
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    end = range(-len(axes), 0)
    moved = x.movedim(tuple(axes), tuple(end))
    rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    normal = F.layer_norm(rows, rows.shape[-1:], eps=eps)
    return normal.reshape(moved.shape).movedim(tuple(end), tuple(axes))


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    settings = {"weight": gamma, "bias": beta, "training": True, "eps": eps}
    return last(F.batch_norm(first(x), None, None, **settings))


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], gamma, beta, eps)


def instance_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return last(F.instance_norm(first(x), weight=gamma, bias=beta, eps=eps))


ADAPTERS: dict[str, Callable[..., Any]] = {
    "absolute": torch.abs,
    "add": torch.add,
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "avg_pool2d": avg_pool2d,
    "batch_norm": batch_norm,
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "clip": lambda x, low, high: torch.clamp(x, low, high),
    "concatenate": lambda parts, axis: torch.cat(parts, dim=axis),
    "conv1d": conv1d,
    "conv2d": conv2d,
    "conv2d_transpose": conv2d_transpose,
    "cos": torch.cos,
    "divide": torch.divide,
    "dropout": dropout,
    "einsum": torch.einsum,
    "elu": F.elu,
    "embedding": lambda table, ids: F.embedding(plain(ids), table),
    "equal": torch.eq,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "flatten": lambda x: torch.flatten(x, 1),
    "flip": flip,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "getitem": getitem,
    "global_avg_pool2d": global_avg_pool2d,
    "global_max_pool2d": global_max_pool2d,
    "global_sum_pool2d": global_sum_pool2d,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "less": torch.lt,
    "less_equal": torch.le,
    "log": torch.log,
    "log1p": torch.log1p,
    "log_softmax": lambda x, axis: F.log_softmax(x, axis),
    "logsumexp": over(torch.logsumexp),
    "matmul": torch.matmul,
    "affine": lambda x, w, b, slope: F.leaky_relu(F.linear(x, w.T, b), slope),
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_with_logits": lambda x, target: F.binary_cross_entropy_with_logits(
        x, torch.full_like(x, target)
    ),
    "max": over(torch.amax),
    "max_pool2d": max_pool2d,
    "maximum": torch.maximum,
    "mean": over(torch.mean),
    "min": over(torch.amin),
    "norm": over(torch.linalg.vector_norm),
    "minimum": torch.minimum,
    "moments": moments,
    "multiply": torch.multiply,
    "negative": torch.negative,
    "normalize": normalize,
    "not_equal": torch.ne,
    "pad": pad,
    "pixel_shuffle": pixel_shuffle,
    "power": torch.pow,
    "relu": F.relu,
    "reshape": torch.reshape,
    "roll": lambda x, shift, axis: torch.roll(x, shift, axis),
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "sin": torch.sin,
    "softmax": lambda x, axis: F.softmax(x, axis),
    "softplus": lambda x: F.softplus(x, threshold=700),  # at 20, its default, it is 2e-9 off
    "split": lambda x, sections, axis: torch.tensor_split(x, sections, axis),
    "sqrt": torch.sqrt,
    "stack": lambda parts, axis: torch.stack(parts, dim=axis),
    "subtract": torch.subtract,
    "sum": over(torch.sum),
    "take": take,
    "tanh": torch.tanh,
    "to": lambda x, device: x.to(device),
    "transpose": transpose,
    "upsample_bilinear": enlarge("bilinear", align_corners=False),
    "upsample_nearest": enlarge("nearest"),
    "var": over(variance),
    "where": lambda condition, a, b: torch.where(plain(condition), a, b),
}
