"""Convolutional layers, with Keras's names and paddings and channels last."""

from __future__ import annotations

import math
from typing import Any

from ..arguments import float_dtype, whole
from ..errors import nearest
from ..ops import conv1d, conv2d, conv2d_transpose, leaky_relu
from ..ops.geometry import IntOrPair, Padding, check_window, pair
from ..ops.normalization import shift
from ..tensor import Tensor, TensorLike
from .dense import Weighted
from .initializers import Initializer
from .module import Module, Parameter


class _Convolution(Weighted):
    """What the convolutional layers share: their settings and their bias."""

    bias: Parameter

    def __new__(cls, *args: Any, **settings: Any) -> Any:
        if cls.__module__ == __name__:  # others may have settings of their own
            inits = (cls.__init__.__code__, _Convolution.__init__.__code__)
            known = {name for init in inits for name in init.co_varnames[1 : init.co_argcount]}
            for name in settings.keys() - known:
                raise TypeError(f"{cls.__name__} has no setting {name!r}{nearest(name, known)}")
        return super().__new__(cls, *args, **settings)

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Padding = "valid",
        dilation: Any = 1,
        groups: int = 1,
        use_bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        dtype: str = "float32",
    ) -> None:
        if whole("filters", filters) % whole("groups", groups):
            raise ValueError(
                f"filters: got {filters} in {groups} groups, wanted a multiple of groups"
            )
        check_window("kernel_size", kernel_size, stride, padding, dilation)
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride
        self.padding, self.dilation, self.groups = padding, dilation, groups
        self.use_bias, self.init, self.dtype = use_bias, init, float_dtype("dtype", dtype)

    def _create(self, taps: tuple[int, ...], channels: int, transposed: bool = False) -> None:
        if channels % self.groups:
            raise ValueError(
                f"{self.title}: {channels} input channels don't make {self.groups} equal groups"
            )
        size = math.prod(taps)
        fans = (size * channels // self.groups, size * self.filters // self.groups)
        ends = (channels // self.groups, self.filters)
        if transposed:
            ends = (self.filters // self.groups, channels)
        self.add_parameter("weight", (*taps, *ends), self.init, fans=fans, dtype=self.dtype)
        if self.use_bias:
            self.add_parameter("bias", (self.filters,), dtype=self.dtype)

    @property
    def _settings(self) -> tuple[Any, Any, Any, Any]:
        return self.stride, self.padding, self.dilation, self.groups

    def _biased(self, y: Tensor, slope: float) -> Tensor:
        if self.use_bias:
            return shift(y, self.bias, slope)
        return y if slope == 1 else leaky_relu(y, slope)


class Conv2D(_Convolution):
    """Convolution of maps (N, H, W, C) to (N, H′, W′, filters); see ``minigan.conv2d``."""

    per_sample = True

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        self._create(pair("kernel_size", self.kernel_size), _maps(self, input_shapes[0])[3])

    def compute(self, x: TensorLike, weight: Any, slope: float = 1.0) -> Tensor:
        x = self.input(x, "maps (N, H, W, C)", 4)
        self.check_channels(x, weight.shape[2] * self.groups)
        return self._biased(conv2d(x, weight, *self._settings), slope)


class Conv2DTranspose(_Convolution):
    """The adjoint of a convolution, (N, h, w, C) to (N, H, W, filters): with stride s it enlarges
    a map s times; see ``minigan.conv2d_transpose``, also for ``output_size``.
    """

    per_sample = True
    outputs_axis = -2

    def __init__(
        self,
        filters: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: Padding = "valid",
        output_size: tuple[int, int] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(filters, kernel_size, stride, padding, **settings)
        self.output_size = output_size

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        channels = _maps(self, input_shapes[0])[3]
        self._create(pair("kernel_size", self.kernel_size), channels, transposed=True)

    def compute(self, x: TensorLike, weight: Any, slope: float = 1.0) -> Tensor:
        x = self.input(x, "maps (N, H, W, C)", 4)
        self.check_channels(x, weight.shape[3])
        return self._biased(conv2d_transpose(x, weight, *self._settings, self.output_size), slope)


class Conv1D(_Convolution):
    """Convolution of sequences (N, L, C) to (N, L′, filters); see ``minigan.conv1d``."""

    per_sample = True

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        if len(input_shapes[0]) != 3:
            raise ValueError(f"{self.title}: got shape {input_shapes[0]}, wanted (N, L, C)")
        self._create((self.kernel_size,), input_shapes[0][2])

    def compute(self, x: TensorLike, weight: Any, slope: float = 1.0) -> Tensor:
        x = self.input(x, "sequences (N, L, C)", 3)
        self.check_channels(x, weight.shape[1] * self.groups)
        return self._biased(conv1d(x, weight, *self._settings), slope)


def _maps(layer: Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 4:
        raise ValueError(f"{layer.title}: got an input of shape {shape}, wanted maps (N, H, W, C)")
    return shape
