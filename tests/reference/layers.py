"""Each of minigan's layers beside PyTorch's module of the same settings, on generated inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from reference.adapters import first, first_taps, last
from reference.case import EPS, FULL

from minigan import nn
from minigan.tensor import Tensor
from minigan.testing.strategies import arrays, seeds, shapes, values

Ints = tuple[int, ...]
NAMES = {"gamma": "weight", "beta": "bias"}
"""What PyTorch calls a normalising layer's parameters."""


@dataclass
class Pair:
    """A layer, PyTorch's, and an input. ``moved`` if PyTorch's wants (N, C, …)."""

    ours: nn.Module
    theirs: torch.nn.Module
    x: np.ndarray
    moved: bool = False

    def __post_init__(self) -> None:
        self.ours.build((None, *self.x.shape[1:]), seed=1).to("float64")
        self.theirs.double()
        shapes_of = {name: p.shape for name, p in self.ours.named_parameters().items()}
        self.names = list(shapes_of)
        drawn = [values(100 + i, shape) for i, shape in enumerate(shapes_of.values())]
        self.arrays = drawn if self.x.dtype.kind == "i" else [self.x, *drawn]

    def call_ours(self, *tensors: Tensor) -> Tensor:
        """The layer of an input, if it can be differentiated, and of its parameters."""
        x, parameters = self._split(tensors)
        for name, tensor in parameters.items():
            setattr(self.ours, name, tensor)
        return self.ours(x)

    def call_theirs(self, *tensors: torch.Tensor) -> torch.Tensor:
        """The same of PyTorch's, with the parameters turned into its layout."""
        x, parameters = self._split(tensors)
        x = x if isinstance(x, torch.Tensor) else torch.tensor(x)
        named = {NAMES.get(name, name): self._turned(t) for name, t in parameters.items()}
        y = torch.func.functional_call(self.theirs, named, (first(x) if self.moved else x,))
        return last(y) if self.moved and y.ndim > 2 else y

    def _split(self, tensors: tuple[Any, ...]) -> tuple[Any, dict[str, Any]]:
        count = len(self.names)
        x = tensors[0] if len(tensors) > count else self.x
        return x, dict(zip(self.names, tensors[len(tensors) - count :], strict=True))

    def _turned(self, parameter: torch.Tensor) -> torch.Tensor:
        table = isinstance(self.ours, nn.Embedding)
        return parameter if parameter.ndim == 1 or table else first_taps(parameter)


def plain(ours: Callable[[], nn.Module], theirs: Callable[[], torch.nn.Module]) -> Any:
    """Layers without settings."""
    return arrays(FULL).map(lambda x: Pair(ours(), theirs(), x))


def scaled(ours: Any, theirs: Any) -> Any:
    """An activation with one number to set."""
    number = st.floats(0.01, 3)
    return st.builds(lambda x, a: Pair(ours(a), theirs(a), x), arrays(FULL), number)


@st.composite
def softmaxes(draw: Any) -> Pair:
    x = draw(arrays(FULL))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    return Pair(nn.Softmax(axis), torch.nn.Softmax(axis), x)


@st.composite
def dense(draw: Any) -> Pair:
    x, units, bias = draw(arrays(FULL)), draw(st.integers(1, 5)), draw(st.booleans())
    return Pair(nn.Dense(units, bias), torch.nn.Linear(x.shape[-1], units, bias), x)


@st.composite
def embedded(draw: Any) -> Pair:
    count, width = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    shape = draw(shapes(min_dims=1, min_side=1))
    ids = np.random.default_rng(draw(seeds())).integers(0, count, shape)
    return Pair(nn.Embedding(count, width), torch.nn.Embedding(count, width), ids)


@dataclass(frozen=True)
class Window:
    """What PyTorch's convolutions can be told: the same padding on both sides of an axis."""

    taps: Ints
    stride: Ints
    dilation: Ints
    padding: Ints
    room: Ints  # by how much the map is larger than the window

    @property
    def reach(self) -> list[int]:
        return [(k - 1) * d + 1 for k, d in zip(self.taps, self.dilation, strict=True)]

    def size(self) -> list[int]:
        parts = zip(self.reach, self.padding, self.room, strict=True)
        return [max(1, r - 2 * p) + n for r, p, n in parts]

    def positions(self) -> list[int]:
        parts = zip(self.size(), self.reach, self.stride, self.padding, strict=True)
        return [(n + 2 * p - r) // s + 1 for n, r, s, p in parts]

    def more(self) -> list[int]:
        """By how much the map is larger than the smallest of which ``positions`` could come."""
        parts = zip(
            self.size(), self.positions(), self.reach, self.stride, self.padding, strict=True
        )
        return [n + 2 * p - r - (m - 1) * s for n, m, r, s, p in parts]


@st.composite
def windows(draw: Any, axes: int) -> Window:
    limits = ((1, 3), (1, 3), (1, 2), (0, 2), (0, 3))
    return Window(*(tuple(draw(st.integers(*each)) for _ in range(axes)) for each in limits))


@st.composite
def convolution(draw: Any, ours: Any, theirs: Any, axes: int = 2) -> Pair:
    w, groups, bias = draw(windows(axes)), draw(st.integers(1, 2)), draw(st.booleans())
    channels, filters = (draw(st.integers(1, 2)) * groups for _ in range(2))
    shared = {"stride": w.stride, "padding": w.padding, "dilation": w.dilation}
    own: dict[str, Any] = {"kernel_size": w.taps, **shared}
    if axes == 1:
        own = {name: each[0] for name, each in own.items()}
    size, other = w.size(), dict(shared)
    if ours is nn.Conv2DTranspose:
        size, own["output_size"] = w.positions(), tuple(w.size())
        other["output_padding"] = tuple(w.more())
    layer = ours(filters, groups=groups, use_bias=bias, **own)
    module = theirs(channels, filters, w.taps, groups=groups, bias=bias, **other)
    return Pair(layer, module, draw(arrays((draw(st.integers(1, 2)), *size, channels))), moved=True)


@st.composite
def pooling(draw: Any, ours: Any, theirs: Any, **settings: Any) -> Pair:
    """PyTorch's padding goes up to half of the window."""
    taps = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in taps)
    stride = draw(st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = [k + draw(st.integers(0, 3)) for k in taps]
    x = draw(arrays((2, *size, draw(st.integers(1, 3)))))
    return Pair(ours(taps, stride, padding), theirs(taps, stride, padding, **settings), x, True)


class Summing(torch.nn.Module):
    """Each map's sum, in a map of one pixel."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x.sum((2, 3), keepdim=True)


def global_pooling(ours: Any, theirs: Any) -> Any:
    both = torch.nn.Sequential(theirs(1), torch.nn.Flatten())
    return arrays(shapes(4, 4, 1, 4)).map(lambda x: Pair(ours(), both, x, True))


@st.composite
def normalizing(draw: Any, ours: Any, theirs: Any, dims: int = 4, **settings: Any) -> Pair:
    x, eps = draw(arrays(shapes(dims, dims, 2, 4))), draw(EPS)
    moved = not issubclass(theirs, torch.nn.LayerNorm)
    return Pair(ours(eps=eps), theirs(x.shape[-1], eps=eps, **settings), x, moved)


@st.composite
def enlarging(draw: Any) -> Pair:
    factor = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    theirs = torch.nn.Upsample(scale_factor=tuple(map(float, factor)), mode=mode)
    return Pair(nn.UpSampling2D(factor, mode), theirs, draw(arrays(shapes(4, 4, 1, 4))), True)


@st.composite
def shuffling(draw: Any) -> Pair:
    """To one channel, where PyTorch's order of the channels and minigan's are the same."""
    factor, (n, h, w) = draw(st.integers(1, 3)), draw(shapes(3, 3, 1, 3))
    x = draw(arrays((n, h, w, factor**2)))
    return Pair(nn.PixelShuffle(factor), torch.nn.PixelShuffle(factor), x, True)


@st.composite
def reshaping(draw: Any) -> Pair:
    x = draw(arrays(FULL))
    shape = draw(st.sampled_from([(*x.shape[:0:-1],), (-1, x.shape[-1]), (x.shape[1], -1, 1)]))
    theirs = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Unflatten(1, shape))
    return Pair(nn.Reshape(*shape), theirs, x)


PAIRS: dict[str, Any] = {
    "AveragePooling2D": pooling(
        nn.AveragePooling2D, torch.nn.AvgPool2d, ceil_mode=False, count_include_pad=False
    ),
    "BatchNorm": normalizing(nn.BatchNorm, torch.nn.BatchNorm2d)
    | normalizing(nn.BatchNorm, torch.nn.BatchNorm1d, dims=2),
    "Conv1D": convolution(nn.Conv1D, torch.nn.Conv1d, axes=1),
    "Conv2D": convolution(nn.Conv2D, torch.nn.Conv2d),
    "Conv2DTranspose": convolution(nn.Conv2DTranspose, torch.nn.ConvTranspose2d),
    "Dense": dense(),
    "ELU": scaled(nn.ELU, torch.nn.ELU),
    "Embedding": embedded(),
    "Flatten": plain(nn.Flatten, torch.nn.Flatten),
    "GELU": plain(nn.GELU, lambda: torch.nn.GELU("tanh")),
    "GlobalAveragePooling2D": global_pooling(nn.GlobalAveragePooling2D, torch.nn.AdaptiveAvgPool2d),
    "GlobalMaxPooling2D": global_pooling(nn.GlobalMaxPooling2D, torch.nn.AdaptiveMaxPool2d),
    "GlobalSumPooling2D": global_pooling(nn.GlobalSumPooling2D, Summing),
    "InstanceNorm": normalizing(nn.InstanceNorm, torch.nn.InstanceNorm2d, affine=True),
    "LayerNorm": normalizing(nn.LayerNorm, torch.nn.LayerNorm),
    "LeakyReLU": scaled(nn.LeakyReLU, torch.nn.LeakyReLU),
    "MaxPooling2D": pooling(nn.MaxPooling2D, torch.nn.MaxPool2d),
    "PixelShuffle": shuffling(),
    "ReLU": plain(nn.ReLU, torch.nn.ReLU),
    "Reshape": reshaping(),
    "Sigmoid": plain(nn.Sigmoid, torch.nn.Sigmoid),
    "Softmax": softmaxes(),
    "Softplus": plain(nn.Softplus, torch.nn.Softplus),
    "Tanh": plain(nn.Tanh, torch.nn.Tanh),
    "UpSampling2D": enlarging(),
}
