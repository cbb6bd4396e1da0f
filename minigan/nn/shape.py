"""Layers that move, repeat or pool elements."""

from __future__ import annotations

import math

from .. import ops
from ..arguments import one_of, whole
from ..ops.geometry import IntOrPair, Padding, check_window, pair
from ..tensor import Tensor, TensorLike, as_tensor
from .module import Module


class Flatten(Module):
    """(N, …) to (N, everything else)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.flatten(x)


class Reshape(Module):
    """(N, …) to (N, *shape), where one size may be −1: what is left."""

    per_sample = True

    def __init__(self, *shape: int) -> None:
        self.shape = tuple(whole("shape", n, -1) for n in shape)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        size, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        shape = [size // max(1, known) if n == -1 else n for n in self.shape]
        if math.prod(shape) != size:
            raise ValueError(f"{self.title}: can't make {self.shape} of a sample of {x.shape[1:]}")
        return ops.reshape(x, (x.shape[0], *shape))


class UpSampling2D(Module):
    """Maps ``size`` times larger, by "nearest" or "bilinear" ``interpolation``."""

    per_sample = True

    def __init__(self, size: IntOrPair = 2, interpolation: str = "nearest") -> None:
        pair("size", size)
        self.size = size
        self.interpolation = one_of("interpolation", interpolation, ("nearest", "bilinear"))

    def forward(self, x: TensorLike) -> Tensor:
        if self.interpolation == "nearest":
            return ops.upsample_nearest(x, self.size)
        return ops.upsample_bilinear(x, self.size)


class PixelShuffle(Module):
    """(N, H, W, r²·C) to (N, r·H, r·W, C)."""

    per_sample = True

    def __init__(self, factor: int = 2) -> None:
        self.factor = whole("factor", factor)

    def forward(self, x: TensorLike) -> Tensor:
        return ops.pixel_shuffle(x, self.factor)


class _Pooling2D(Module):
    """What the pooling layers share: their windows."""

    def __init__(
        self, size: IntOrPair = 2, stride: IntOrPair | None = None, padding: Padding = "valid"
    ) -> None:
        check_window("size", size, 1 if stride is None else stride, padding)
        self.size, self.stride, self.padding = size, stride, padding


class MaxPooling2D(_Pooling2D):
    """The largest element of each window."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.max_pool2d(x, self.size, self.stride, self.padding)


class AveragePooling2D(_Pooling2D):
    """The mean of each window, padding not counted."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.avg_pool2d(x, self.size, self.stride, self.padding)


class GlobalAveragePooling2D(Module):
    """The mean of each channel's map: (N, H, W, C) to (N, C)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.global_avg_pool2d(x)


class GlobalSumPooling2D(Module):
    """The sum of each channel's map: (N, H, W, C) to (N, C)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.global_sum_pool2d(x)


class GlobalMaxPooling2D(Module):
    """The largest element of each channel's map: (N, H, W, C) to (N, C)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.global_max_pool2d(x)
