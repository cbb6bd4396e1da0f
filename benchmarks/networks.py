"""Networks in neutral terms: what layers there are, and the weights that both sides start from.

A layer is a record of its settings; each side makes its own of it. Shapes are channels last
without the batch's axis, (H, W, C) or (features,); convolutions are padded like Keras's ``same``.
Weights are laid out as minigan's: dense ones (inputs, units), convolutions (taps, taps, in, out),
transposed ones (taps, taps, out, in).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]
Weights = list[dict[str, np.ndarray]]
"""The arrays of each layer by name, in the layers' order."""


@dataclass(frozen=True)
class Dense:
    """Features to ``units`` features."""

    units: int
    bias: bool = True


@dataclass(frozen=True)
class Conv:
    """A convolution; with stride s the map becomes s times smaller."""

    filters: int
    taps: int
    stride: int = 1
    bias: bool = True


@dataclass(frozen=True)
class ConvTransposed:
    """The adjoint of a convolution; with stride s the map becomes s times larger."""

    filters: int
    taps: int
    stride: int = 1
    bias: bool = True


@dataclass(frozen=True)
class BatchNorm:
    """ε is 1e-3; running statistics keep ``decay`` of themselves at each step."""

    decay: float = 0.99


@dataclass(frozen=True)
class LeakyReLU:
    """x where positive, else slope·x."""

    slope: float


@dataclass(frozen=True)
class ReLU:
    """max(x, 0)."""


@dataclass(frozen=True)
class Tanh:
    """Hyperbolic tangent."""


@dataclass(frozen=True)
class Sigmoid:
    """1/(1 + e⁻ˣ)."""


@dataclass(frozen=True)
class Dropout:
    """Each element zero with probability ``rate``."""

    rate: float


@dataclass(frozen=True)
class Upsample:
    """Every pixel twice down and twice across."""


@dataclass(frozen=True)
class GlobalAverage:
    """A map to the mean of each channel."""


@dataclass(frozen=True)
class Reshape:
    """Features to a map."""

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> Shape:
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class Flatten:
    """A map to features."""


Layer = (
    Dense
    | Conv
    | ConvTransposed
    | BatchNorm
    | LeakyReLU
    | ReLU
    | Tanh
    | Sigmoid
    | Dropout
    | Upsample
    | GlobalAverage
    | Reshape
    | Flatten
)
Layers = tuple[Layer, ...]


def shapes(layers: Sequence[Layer], first: Shape) -> list[Shape]:
    """The shape of the input, then of what each layer makes of it."""
    found = [first]
    for layer in layers:
        found.append(_shape_after(layer, found[-1]))
    return found


def _shape_after(layer: Layer, shape: Shape) -> Shape:
    match layer:
        case Dense(units):
            return (units,)
        case Conv(filters, _, stride):
            return -(-shape[0] // stride), -(-shape[1] // stride), filters
        case ConvTransposed(filters, _, stride):
            return shape[0] * stride, shape[1] * stride, filters
        case Upsample():
            return 2 * shape[0], 2 * shape[1], shape[2]
        case GlobalAverage():
            return (shape[2],)
        case Reshape():
            return layer.shape
        case Flatten():
            return (math.prod(shape),)
    return shape


def draw_weights(
    layers: Sequence[Layer], first: Shape, rng: np.random.Generator, std: float | None
) -> Weights:
    """float32 weights: normal with deviation ``std``, or Glorot and Bengio's uniform ones.

    Biases, scales and statistics are near 0 or 1 but not equal to it: a side that mixes them up
    would be found out.
    """
    inputs = shapes(layers, first)[:-1]
    return [_draw(layer, shape, rng, std) for layer, shape in zip(layers, inputs, strict=True)]


def _draw(
    layer: Layer, shape: Shape, rng: np.random.Generator, std: float | None
) -> dict[str, np.ndarray]:
    channels = shape[-1]
    size: Shape
    match layer:
        case Dense(units, bias):
            size, area = (channels, units), 1
        case Conv(units, taps, _, bias):
            size, area = (taps, taps, channels, units), taps * taps
        case ConvTransposed(units, taps, _, bias):
            size, area = (taps, taps, units, channels), taps * taps
        case BatchNorm():
            return {
                "gamma": rng.uniform(0.8, 1.2, channels).astype("float32"),
                "beta": rng.normal(0, 0.02, channels).astype("float32"),
                "running_mean": rng.normal(0, 0.1, channels).astype("float32"),
                "running_var": rng.uniform(0.8, 1.2, channels).astype("float32"),
            }
        case _:
            return {}
    if std is None:
        std = math.sqrt(2 / (area * (channels + units)))
        weight = rng.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, size)
    else:
        weight = rng.normal(0, std, size)
    drawn = {"weight": weight.astype("float32")}
    return drawn | ({"bias": rng.normal(0, 0.02, units).astype("float32")} if bias else {})
