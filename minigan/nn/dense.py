"""Layers that are products with a matrix: dense and embedding."""

from __future__ import annotations

from typing import Any

from ..arguments import float_dtype, whole
from ..ops import affine, embedding, leaky_relu, matmul, reshape, transpose
from ..tensor import Tensor, TensorLike
from .initializers import Initializer
from .module import Module, Parameter


class Weighted(Module):
    """A layer that is linear in its ``weight``, for which another may be given to ``forward``.

    So a wrapper can normalise the weight, and writes to no parameter: layer(x, weight / σ).
    """

    weight: Parameter
    use_bias = False
    outputs_axis = -1
    """The axis of the weight along which the outputs are."""

    def forward(self, x: Any, weight: TensorLike = None) -> Tensor:
        return self.compute(x, self.weight if weight is None else weight)

    def compute(self, x: Any, weight: Any) -> Tensor:
        """The result for x with this weight: what a subclass defines.

        Dense layers and convolutions also take the ``slope`` of a leaky ReLU that they do last.
        """
        raise TypeError(f"{type(self).__name__} does not define compute()")

    @property
    def folds(self) -> bool:
        """Whether ``folded`` saves a pass, the one that adds the bias being there anyway."""
        return self._created and self.use_bias

    def folded(self, x: Any, slope: float) -> Tensor:
        """The leaky ReLU of that slope of the result, done in one with it."""
        compute: Any = self.compute
        return compute(x, self.weight, slope)

    def matrix(self) -> Tensor:
        """The weight as (rest, outputs): all axes but the one of the outputs put together."""
        w: Tensor = self.weight
        axis = self.outputs_axis % w.ndim
        if axis != w.ndim - 1:
            w = transpose(w, (*(i for i in range(w.ndim) if i != axis), axis))
        return reshape(w, (-1, w.shape[-1]))


class Dense(Weighted):
    """y = x·W + b on the last axis: (…, inputs) to (…, units). W is (inputs, units)."""

    per_sample = True

    bias: Parameter

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        init: str | Initializer = "glorot_uniform",
        dtype: str = "float32",
    ) -> None:
        self.units = whole("units", units)
        self.use_bias, self.init, self.dtype = use_bias, init, float_dtype("dtype", dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        if len(input_shapes[0]) < 2:
            raise ValueError(f"{self.title}: got shape {input_shapes[0]}, wanted (N, …, inputs)")
        inputs = input_shapes[0][-1]
        fans = (inputs, self.units)
        self.add_parameter("weight", fans, self.init, fans=fans, dtype=self.dtype)
        if self.use_bias:
            self.add_parameter("bias", (self.units,), dtype=self.dtype)

    def compute(self, x: TensorLike, weight: Any, slope: float = 1.0) -> Tensor:
        x = self.input(x, "(N, …, inputs)")
        self.check_channels(x, weight.shape[0])
        if self.use_bias:
            return affine(x, weight, self.bias, slope)
        y = matmul(x, weight)
        return y if slope == 1 else leaky_relu(y, slope)


class Embedding(Weighted):
    """A trained vector of ``width`` numbers for each of ``count`` ids: (…) to (…, width)."""

    input_dtype = "int64"

    def __init__(
        self,
        count: int,
        width: int,
        init: str | Initializer = "glorot_uniform",
        dtype: str = "float32",
    ) -> None:
        self.count, self.width = whole("count", count), whole("width", width)
        self.init, self.dtype = init, float_dtype("dtype", dtype)

    def create(self, *input_shapes: tuple[int, ...]) -> None:
        shape = (self.count, self.width)
        self.add_parameter("weight", shape, self.init, fans=shape, dtype=self.dtype)

    def compute(self, x: Any, weight: Any) -> Tensor:
        return embedding(weight, x)
