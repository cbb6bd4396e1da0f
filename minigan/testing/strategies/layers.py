"""Which layers fit on a network that is being grown, and how a layer is given its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ... import nn
from ..values import KINDS, Shape

Layers = list[SearchStrategy[nn.Module]]

AFFINE = (nn.Dense, nn.Conv1D, nn.Conv2D, nn.Conv2DTranspose)
NORMS = (nn.BatchNorm, nn.InstanceNorm, nn.LayerNorm)
KINKED = (nn.ReLU, nn.LeakyReLU, nn.ELU)
MAX_POOLING = (nn.MaxPooling2D, nn.GlobalMaxPooling2D)
SMOOTH: tuple[type[nn.Module], ...] = (nn.Tanh, nn.Sigmoid, nn.Softplus, nn.GELU)
RECTIFIERS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU,
    partial(nn.LeakyReLU, 0.1),
    partial(nn.LeakyReLU, 2.0),
    nn.ELU,
    partial(nn.ELU, 0.7),
)

MARGIN = 0.06
"""How far the input of a relu, leaky_relu or elu is from zero, at least."""


class Allowed(NamedTuple):
    """Which layers may be drawn."""

    batch_norm: bool
    dropout: bool
    kinks: bool


class Growth:
    """A network so far: its layers, its input, and the values that reach its end.

    ``has_shift``: a constant was added to each channel that no nonlinearity has met yet, so that
    a norm over positions or samples would undo it. ``is_centred``: the sum over positions does
    not depend on the input, so that a mean over them would be a constant.
    """

    def __init__(self, shape: Shape, training: bool, rng: np.random.Generator) -> None:
        self.training, self.rng = training, rng
        self.layers: list[nn.Module] = []
        self.input = self.before = self.output = rng.normal(size=shape)
        self.has_shift = self.is_centred = False
        self.is_alive = True

    @property
    def shape(self) -> Shape:
        """The shape at the end."""
        return self.output.shape

    @property
    def shift(self) -> nn.Parameter | None:
        """The last layer's parameter that is added to each channel of the output."""
        last = self.layers[-1] if self.layers else None
        if isinstance(last, NORMS):
            return last.beta
        return last.bias if isinstance(last, AFFINE) and last.use_bias else None

    def add(self, layer: nn.Module) -> None:
        """Put ``layer`` at the end, with random parameters, and its input off its kinks."""
        if isinstance(layer, (*KINKED, *MAX_POOLING)):
            self._leave_kinks(layer)
        randomize(layer, self.shape, self.rng)
        self._note(layer)
        self.layers.append(layer)
        self.before, self.output = self.output, layer(self.output).numpy()
        self.is_alive = self.is_alive and int(np.count_nonzero(self.output)) >= 2

    def _leave_kinks(self, layer: nn.Module) -> None:
        if self.shift is not None:
            self.shift.assign(self.shift.numpy() - thresholds(self.output))
            self.output = self.layers[-1](self.before).numpy()
            return
        kind, scale = ("off_zero", 1.0) if isinstance(layer, KINKED) else ("distinct", 0.25)
        flat = scale * KINDS[kind](self.rng, math.prod(self.shape))
        self.input = self.output = flat.reshape(self.shape)

    def _note(self, layer: nn.Module) -> None:
        """Whether there is still a shift and a constant sum behind ``layer``."""
        if isinstance(layer, (*SMOOTH, nn.Softmax)) or self._is_bent_by(layer):
            self.has_shift = False
            self.is_centred = isinstance(layer, nn.Softmax) and layer.axis == 1
        elif isinstance(layer, NORMS):
            self.has_shift, self.is_centred = True, isinstance(layer, nn.InstanceNorm)
        elif isinstance(layer, AFFINE):
            self.has_shift = self.has_shift or layer.use_bias

    def _is_bent_by(self, layer: nn.Module) -> bool:
        """Whether each channel has elements on both sides of the layer's kink."""
        x = self.output.reshape(-1, self.shape[-1])
        return isinstance(layer, KINKED) and bool(np.all((x > 0).any(0) & (x < 0).any(0)))


def thresholds(x: np.ndarray) -> np.ndarray:
    """A number for each channel that is at least ``MARGIN`` from all of its elements.

    It is the middle of the widest gap between two elements or, where all gaps are narrow, below
    all of them, so that some elements are always above it.
    """
    rows = np.sort(x.reshape(-1, x.shape[-1]), axis=0)
    rows = np.concatenate([rows[:1] - 2 * MARGIN, rows])
    gaps = np.diff(rows, axis=0)
    gaps[0] *= 1 + 1e-9  # the gap below all of them must be wide enough in spite of rounding
    widest = gaps.argmax(0)
    columns = np.arange(rows.shape[1])
    return (rows[widest, columns] + rows[widest + 1, columns]) / 2


def randomize(layer: nn.Module, shape: Shape, rng: np.random.Generator) -> None:
    """Make the layer's parameters, none of them at a default that hides a term (γ = 1, β = 0)."""
    layer.build((None, *shape[1:]), seed=0)
    for name, parameter in layer.named_state().items():
        if name == "weight":
            new = rng.normal(size=parameter.shape) / math.sqrt(math.prod(parameter.shape[:-1]))
        else:
            kind = {"gamma": "off_zero", "running_var": "positive"}.get(name, "any")
            new = KINDS[kind](rng, parameter.size)
        parameter.assign(new.reshape(parameter.shape))


# Which layers fit


def fitting(growth: Growth, allowed: Allowed) -> Layers:
    """Strategies for the layers that may come next."""
    found = [_dense(), st.sampled_from(SMOOTH).map(lambda layer: layer())]
    found += _softmax(growth) + _norms(growth, allowed)
    if allowed.kinks and (not growth.layers or growth.shift is not None):
        found.append(st.sampled_from(RECTIFIERS).map(lambda make: make()))
    if allowed.dropout and growth.output.size >= 8:
        found.append(st.builds(nn.Dropout, st.sampled_from([0.2, 0.4])))
    by_rank = {2: _for_vectors, 3: _for_sequences, 4: _for_maps}
    return found + by_rank[len(growth.shape)](growth, allowed)


def _dense() -> SearchStrategy[nn.Module]:
    return st.builds(nn.Dense, st.integers(2, 4), use_bias=st.booleans(), dtype=st.just("float64"))


def _softmax(growth: Growth) -> Layers:
    axes = [-1] if growth.shape[-1] > 1 else []
    if len(growth.shape) > 2 and growth.shape[1] > 1 and not growth.has_shift:
        axes.append(1)
    return [st.builds(nn.Softmax, st.sampled_from(axes))] if axes else []


def _norms(growth: Growth, allowed: Allowed) -> Layers:
    """With fewer than three elements to normalise over, the result is almost a constant.

    With one channel, β is the same number everywhere, which a softmax further on would undo.
    """
    *positions, channels = growth.shape
    settings: Any = {"eps": st.sampled_from([0.1, 0.01]), "dtype": st.just("float64")}
    found: Layers = []
    if channels > 2:
        found.append(st.builds(nn.LayerNorm, **settings))
    if channels == 1 or growth.has_shift:
        return found
    if math.prod(positions[1:]) > 2:
        found.append(st.builds(nn.InstanceNorm, **settings))
    if allowed.batch_norm:
        found.append(st.builds(nn.BatchNorm, decay=st.sampled_from([0.9, 0.0]), **settings))
    return found


def _for_vectors(growth: Growth, allowed: Allowed) -> Layers:
    channels = growth.shape[-1]
    shapes = [shape for n, shape in ((2, (2, -1)), (4, (2, -1, 2))) if channels % n == 0]
    return [st.sampled_from(shapes).map(lambda shape: nn.Reshape(*shape))] if shapes else []


def _for_sequences(growth: Growth, allowed: Allowed) -> Layers:
    return [_convolution(nn.Conv1D, growth.shape), st.builds(nn.Flatten)]


def _for_maps(growth: Growth, allowed: Allowed) -> Layers:
    height, width, channels = growth.shape[1:]
    found = [_convolution(nn.Conv2D, growth.shape), st.builds(nn.Flatten)]
    found.append(st.builds(nn.Reshape, st.just(-1), st.just(channels)))
    pair = st.tuples(st.integers(1, min(2, height)), st.integers(1, min(2, width)))
    pooling: Any = {
        "stride": st.sampled_from([None, 1]),
        "padding": st.sampled_from(["valid", "same"]),
    }
    if not growth.is_centred:
        found += [st.builds(nn.GlobalAveragePooling2D), st.builds(nn.GlobalSumPooling2D)]
        found.append(st.builds(nn.AveragePooling2D, pair, **pooling))
    if allowed.kinks and not growth.layers:
        found += [st.builds(nn.GlobalMaxPooling2D), st.builds(nn.MaxPooling2D, pair, **pooling)]
    if channels % 4 == 0:
        found += 5 * [st.builds(nn.PixelShuffle)]  # as few maps have the channels for it
    if height * width <= 9:
        found.append(_transposed(growth.shape))
    if 1 < height * width <= 9:
        factors = st.sampled_from([2, (1, 2), (2, 1)])
        found.append(st.builds(nn.UpSampling2D, factors, st.sampled_from(["nearest", "bilinear"])))
    return found


@st.composite
def _convolution(draw: st.DrawFn, layer: type[nn.Conv1D | nn.Conv2D], shape: Shape) -> nn.Module:
    taps = tuple(draw(st.integers(1, min(3, n))) for n in shape[1:-1])
    # With padding of one and a stride of two, a single tap could miss a map of one.
    paddings: list[Any] = ["valid", "same", *([1] if min(taps) > 1 else [])]
    padding = draw(st.sampled_from(paddings))
    stride = draw(st.integers(1, 2))
    dilation = draw(st.integers(1, 2)) if padding == "same" else 1
    return layer(
        kernel_size=taps if layer is nn.Conv2D else taps[0],
        stride=stride,
        padding=padding,
        dilation=dilation,
        **_channels(draw, shape[-1]),
    )


@st.composite
def _transposed(draw: st.DrawFn, shape: Shape) -> nn.Module:
    return nn.Conv2DTranspose(
        kernel_size=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.sampled_from(["valid", "same"])),
        **_channels(draw, shape[-1]),
    )


def _channels(draw: st.DrawFn, channels: int) -> dict[str, Any]:
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
    return {
        "filters": draw(st.sampled_from([n for n in (2, 3, 4) if n % groups == 0])),
        "groups": groups,
        "use_bias": draw(st.booleans()),
        "dtype": "float64",
    }
