"""Activations as layers, and dropout."""

from __future__ import annotations

from .. import ops
from ..arguments import number
from ..tensor import Tensor, TensorLike
from .module import Module


class ReLU(Module):
    """max(x, 0)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.relu(x)


class LeakyReLU(Module):
    """x where positive, else slope·x. Keras's default slope is 0.3, PyTorch's 0.01."""

    per_sample = True

    def __init__(self, slope: float = 0.3) -> None:
        self.slope = number("slope", slope, "[0, inf)")

    def forward(self, x: TensorLike) -> Tensor:
        return ops.leaky_relu(x, self.slope)


class ELU(Module):
    """x where positive, else α(eˣ − 1)."""

    per_sample = True

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("alpha", alpha)

    def forward(self, x: TensorLike) -> Tensor:
        return ops.elu(x, self.alpha)


class GELU(Module):
    """The Gaussian error linear unit, in its tanh form."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.gelu(x)


class Sigmoid(Module):
    """1/(1 + e⁻ˣ)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.sigmoid(x)


class Tanh(Module):
    """Hyperbolic tangent."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.tanh(x)


class Softplus(Module):
    """ln(1 + eˣ)."""

    per_sample = True

    def forward(self, x: TensorLike) -> Tensor:
        return ops.softplus(x)


class Softmax(Module):
    """eˣ over its sum along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: TensorLike) -> Tensor:
        return ops.softmax(x, self.axis)


class Dropout(Module):
    """In training, each element zero with probability ``rate``, the others scaled by 1/(1 − rate).

    The numbers come from the stream in force: the trainer's, or ``minigan.random.use``.
    """

    def __init__(self, rate: float) -> None:
        self.rate = number("rate", rate, "[0, 1)")

    def forward(self, x: TensorLike) -> Tensor:
        return ops.dropout(x, self.rate if self.in_training else 0.0)
