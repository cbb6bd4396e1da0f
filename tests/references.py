"""Plain-loop references, written from the definitions and sharing nothing with the kernels."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np


def same_padding(size: int, taps: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's documented rule: it looks at the remainder of size / stride."""
    reach = (taps - 1) * dilation + 1
    rest = size % stride or stride
    total = max(reach - rest, 0)
    return total // 2, total - total // 2


def sides(padding: Any, size: Any, taps: Any, stride: Any, dilation: Any = (1, 1)) -> Any:
    """((top, bottom), (left, right)) for any way of writing ``padding``."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        return tuple(same_padding(*each) for each in zip(size, taps, stride, dilation, strict=True))
    if isinstance(padding, int):
        padding = (padding, padding)
    return tuple((p, p) if isinstance(p, int) else tuple(p) for p in padding)


def positions(size: int, taps: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """How often the window fits, by trying."""
    starts = range(-pads[0], size + pads[1], stride)
    return sum(start + (taps - 1) * dilation < size + pads[1] for start in starts)


def meetings(size: Any, taps: Any, stride: Any, dilation: Any, pads: Any) -> Any:
    """Every (output row, column, tap row, column, input row, column) that lies inside the map."""
    count = [positions(size[a], taps[a], stride[a], dilation[a], pads[a]) for a in (0, 1)]
    for p, q, i, j in itertools.product(*(range(n) for n in (*count, *taps))):
        row = p * stride[0] + i * dilation[0] - pads[0][0]
        col = q * stride[1] + j * dilation[1] - pads[1][0]
        if 0 <= row < size[0] and 0 <= col < size[1]:
            yield p, q, i, j, row, col


def conv2d(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> np.ndarray:
    n, size, taps = len(x), x.shape[1:3], w.shape[:2]
    pads = sides(padding, size, taps, stride, dilation)
    count = [positions(size[a], taps[a], stride[a], dilation[a], pads[a]) for a in (0, 1)]
    y = np.zeros((n, *count, w.shape[3]))
    per_in, per_out = w.shape[2], w.shape[3] // groups
    for p, q, i, j, row, col in meetings(size, taps, stride, dilation, pads):
        for o, c in itertools.product(range(w.shape[3]), range(per_in)):
            block = o // per_out
            y[:, p, q, o] += x[:, row, col, block * per_in + c] * w[i, j, c, o]
    return y


def conv2d_transpose(
    x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int, output_size: Any = None
) -> np.ndarray:
    """w is (kh, kw, out / groups, in): every x is spread over the window it stands for."""
    taps, small = w.shape[:2], x.shape[1:3]
    size = output_size or default_size(small, taps, stride, padding, dilation)
    pads = sides(padding, size, taps, stride, dilation)
    y = np.zeros((len(x), *size, w.shape[2] * groups))
    per_out, per_in = w.shape[2], w.shape[3] // groups
    for p, q, i, j, row, col in meetings(size, taps, stride, dilation, pads):
        for c, o in itertools.product(range(w.shape[3]), range(per_out)):
            block = c // per_in
            y[:, row, col, block * per_out + o] += x[:, p, q, c] * w[i, j, o, c]
    return y


def default_size(small: Any, taps: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Keras's ``deconv_output_length``; for explicit padding (small − 1)·stride + reach − pads."""
    result = []
    for a in (0, 1):
        reach = (taps[a] - 1) * dilation[a] + 1
        if padding == "same":
            result.append(small[a] * stride[a])
        elif padding == "valid":
            result.append(small[a] * stride[a] + max(reach - stride[a], 0))
        else:
            pads = sides(padding, None, None, None)[a]
            result.append((small[a] - 1) * stride[a] + reach - sum(pads))
    return tuple(result)


def conv1d(x: Any, w: Any, stride: int, padding: Any, dilation: int, groups: int) -> np.ndarray:
    length, taps = x.shape[1], len(w)
    if isinstance(padding, str):
        pads = (0, 0) if padding == "valid" else same_padding(length, taps, stride, dilation)
    else:
        pads = (padding, padding) if isinstance(padding, int) else padding
    count = positions(length, taps, stride, dilation, pads)
    y = np.zeros((len(x), count, w.shape[2]))
    per_in, per_out = w.shape[1], w.shape[2] // groups
    for p, i, c, o in itertools.product(*(range(n) for n in (count, *w.shape))):
        at = p * stride + i * dilation - pads[0]
        if 0 <= at < length:
            y[:, p, o] += x[:, at, o // per_out * per_in + c] * w[i, c, o]
    return y


def pool2d(x: Any, size: Any, stride: Any, padding: Any, combine: Any) -> np.ndarray:
    """``combine`` (max or mean) of the elements of each window that lie inside the map."""
    pads = sides(padding, x.shape[1:3], size, stride)
    count = [positions(x.shape[1 + a], size[a], stride[a], 1, pads[a]) for a in (0, 1)]
    inside: dict[Any, list[Any]] = {}
    for p, q, _, _, row, col in meetings(x.shape[1:3], size, stride, (1, 1), pads):
        inside.setdefault((p, q), []).append(x[:, row, col])
    y = np.zeros((len(x), *count, x.shape[3]))
    for (p, q), elements in inside.items():
        y[:, p, q] = combine(np.stack(elements), axis=0)
    return y


def normalize(x: np.ndarray, axes: Any, eps: float) -> np.ndarray:
    """Every slice that shares its mean, one after another, with exactly rounded sums."""
    axes = [a % x.ndim for a in axes]
    y = np.zeros_like(x)
    rest = [range(n) if a not in axes else [slice(None)] for a, n in enumerate(x.shape)]
    for index in itertools.product(*rest):
        part = x[index]
        numbers = [float(v) for v in np.ravel(part)]
        mean = math.fsum(numbers) / len(numbers)
        variance = math.fsum((v - mean) ** 2 for v in numbers) / len(numbers)
        y[index] = (part - mean) / math.sqrt(variance + eps)
    return y


def upsample_nearest(x: np.ndarray, factor: Any) -> np.ndarray:
    n, h, w, c = x.shape
    y = np.zeros((n, h * factor[0], w * factor[1], c))
    for p, q in itertools.product(range(y.shape[1]), range(y.shape[2])):
        y[:, p, q] = x[:, p // factor[0], q // factor[1]]
    return y


def upsample_bilinear(x: np.ndarray, factor: Any) -> np.ndarray:
    """Every output pixel from the four input pixels around its centre."""
    n, h, w, c = x.shape
    y = np.zeros((n, h * factor[0], w * factor[1], c))
    for p, q in itertools.product(range(y.shape[1]), range(y.shape[2])):
        for row, a in _neighbours(p, h, factor[0]):
            for col, b in _neighbours(q, w, factor[1]):
                y[:, p, q] += a * b * x[:, row, col]
    return y


def _neighbours(p: int, size: int, factor: int) -> list[tuple[int, float]]:
    at = (p + 0.5) / factor - 0.5
    low = math.floor(at)
    clamp = lambda i: min(max(i, 0), size - 1)  # noqa: E731
    return [(clamp(low), 1 - (at - low)), (clamp(low + 1), at - low)]


def pixel_shuffle(x: np.ndarray, r: int) -> np.ndarray:
    n, h, w, c = x.shape
    out = c // (r * r)
    y = np.zeros((n, h * r, w * r, out))
    for p, q, k in itertools.product(range(h * r), range(w * r), range(out)):
        y[:, p, q, k] = x[:, p // r, q // r, (p % r * r + q % r) * out + k]
    return y
