"""Networks and optimisers as functions, for the peers that differentiate functions.

A peer gives a ``Package``: how its arrays are made, its convolutions and activations, its gradient
and how it compiles a step. The rest is written once, here and in ``play``, on maps (N, H, W, C) as
minigan's. A network's trained arrays are a flat tuple, in the order of its layers.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import networks as n
from ..workloads import Adam, RMSprop

Array = Any
Arrays = tuple[Array, ...]
EPS = 1e-3
"""Batch norm's ε."""


class Network(NamedTuple):
    """A network's arrays: trained ones, running statistics, and the optimiser's beside each."""

    trained: Arrays
    running: Arrays
    slots: tuple[Arrays, ...]


class State(NamedTuple):
    """What a step starts from and leaves behind; ``count`` is how many there were."""

    generator: Network
    discriminator: Network
    count: Any


class Package(ABC):
    """What a step needs of an automatic-differentiation package."""

    numpy: Any
    """Its array functions by NumPy's names."""
    sigmoid: Callable[[Array], Array]
    softplus: Callable[[Array], Array]
    """log(1 + eˣ)."""
    detached: Callable[[Array], Array]
    """The same numbers, through which nothing is differentiated."""

    def array(self, values: np.ndarray) -> Array:
        """Its own array of these values."""
        return values.copy()

    @abstractmethod
    def count(self) -> Any:
        """The state's count before the first step, 0."""

    @abstractmethod
    def random(self, state: State) -> Any:
        """An object with ``uniform(shape)`` in [0, 1) and ``normal(shape)``, for one step."""

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """``step(state, batch, draws) -> state, result`` as fast as the package can run it."""
        return step

    def numbers(self, result: Array | Arrays) -> Any:
        """A step's result as NumPy's array or as a list of numbers."""
        return [float(x) for x in result] if isinstance(result, tuple) else np.asarray(result)

    def untracked(self) -> contextlib.AbstractContextManager[Any]:
        """A block in which nothing will be differentiated."""
        return contextlib.nullcontext()

    @abstractmethod
    def pullback(
        self, f: Callable[[Any], tuple[Array, Any]], x: Any
    ) -> tuple[Array, Callable[[Array], Any], Any]:
        """y, a function from a gradient of y to that of x, and a; where f(x) is (y, a).

        x is an array or a tuple of arrays. The function is called once at most.
        """

    def updated(
        self, settings: Adam | RMSprop, network: Network, gradients: Arrays, count: Any
    ) -> tuple[Arrays, tuple[Arrays, ...]]:
        """The trained arrays and slots after the ``count``-th update."""
        rule = adam if isinstance(settings, Adam) else rmsprop
        triples = zip(network.trained, gradients, network.slots, strict=True)
        moved = [rule(self, settings, w, g, slots, count) for w, g, slots in triples]
        return tuple(w for w, _ in moved), tuple(slots for _, slots in moved)

    # Layers

    @abstractmethod
    def conv(self, x: Array, weight: Array, stride: int) -> Array:
        """The convolution, padded as ``Same`` says, with weights (taps, taps, in, out)."""

    @abstractmethod
    def conv_transposed(self, x: Array, weight: Array, stride: int) -> Array:
        """The adjoint of ``conv`` with these weights, (taps, taps, out, in)."""

    def bend(self, x: Array, slope: float) -> Array:
        """x where positive, else slope·x. Its slopes are known once x is: a product remains."""
        return x * self.numpy.where(x > 0, np.float32(1), np.float32(slope))

    def mask(self, drawn: Array, rate: float) -> Array:
        """0 where the draw is below ``rate``, else 1/(1 − rate)."""
        return (drawn >= rate) * np.float32(1 / (1 - rate))

    def batch_norm(self, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        """γ·(x − mean)/√(variance + ε) + β, the mean and the variance."""
        axes = tuple(range(len(x.shape) - 1))
        mean = x.mean(axes)
        centred = x - mean
        variance = (centred * centred).mean(axes)
        return centred * (gamma / self.numpy.sqrt(variance + EPS)) + beta, mean, variance

    def upsample(self, x: Array) -> Array:
        """Every pixel twice down and twice across."""
        return self.numpy.repeat(self.numpy.repeat(x, 2, 1), 2, 2)


class Same(NamedTuple):
    """Keras's ``same`` padding of ``large`` pixels, of which a convolution makes ``small``."""

    small: int
    before: int
    after: int

    @classmethod
    def of(cls, large: int, taps: int, stride: int) -> Same:
        small = -(-large // stride)
        total = max(0, (small - 1) * stride + taps - large)
        return cls(small, total // 2, total - total // 2)


# Networks


def split(weights: n.Weights) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The trained arrays and the running statistics, each in the layers' order."""
    pairs = [pair for held in weights for pair in held.items()]
    trained = [array for name, array in pairs if not name.startswith("running")]
    return trained, [array for name, array in pairs if name.startswith("running")]


def forward(
    package: Package,
    layers: n.Layers,
    trained: Arrays,
    x: Array,
    masks: Sequence[Array] = (),
    running: Arrays | None = None,
) -> tuple[Array, Arrays]:
    """The network's result, and what batch norm found: the mean and variance of each, in turn.

    With ``running`` statistics these take the batch's place, as in evaluation.
    """
    arrays, dropped, known = iter(trained), iter(masks), iter(running or ())
    found: list[Array] = []
    for layer in layers:
        match layer:
            case n.BatchNorm() if running is not None:
                mean, variance, gamma, beta = next(known), next(known), next(arrays), next(arrays)
                x = (x - mean) * (gamma / package.numpy.sqrt(variance + EPS)) + beta
            case n.BatchNorm():
                x, *statistics = package.batch_norm(x, next(arrays), next(arrays))
                found += statistics
            case n.Dropout(rate):
                x = x * next(dropped) if rate and running is None else x
            case _:
                x = apply(package, layer, arrays, x)
    return x, tuple(found)


def apply(package: Package, layer: n.Layer, arrays: Iterator[Array], x: Array) -> Array:
    """A layer that is the same in training and in evaluation."""
    match layer:
        case n.Dense():
            y = x @ next(arrays)
            return y + next(arrays) if layer.bias else y
        case n.Conv():
            y = package.conv(x, next(arrays), layer.stride)
            return y + next(arrays) if layer.bias else y
        case n.ConvTransposed():
            y = package.conv_transposed(x, next(arrays), layer.stride)
            return y + next(arrays) if layer.bias else y
        case n.LeakyReLU(slope):
            return package.bend(x, slope)
        case n.ReLU():
            return package.bend(x, 0.0)
        case n.Tanh():
            return package.numpy.tanh(x)
        case n.Sigmoid():
            return package.sigmoid(x)
        case n.Upsample():
            return package.upsample(x)
        case n.GlobalAverage():
            return x.mean((1, 2))
        case n.Reshape():
            return x.reshape((x.shape[0], *layer.shape))
    return x.reshape((x.shape[0], -1))  # Flatten


def masks(
    package: Package, layers: n.Layers, shape: n.Shape, batch: int, random: Any
) -> list[Array]:
    """What each dropout that drops anything multiplies by: 0, or 1/(1 − rate)."""
    sizes = zip(layers, n.shapes(layers, shape), strict=False)
    rates = [(x.rate, (batch, *size)) for x, size in sizes if isinstance(x, n.Dropout) and x.rate]
    return [package.mask(random.uniform(size), rate) for rate, size in rates]


# Optimisers, as functions; packages that write into their arrays have their own


def adam(
    package: Package, settings: Adam, w: Array, g: Array, slots: Arrays, count: Any
) -> tuple[Array, Arrays]:
    """w − lr·m̂/(√v̂ + ε) (Kingma and Ba, 2015), and its m and v."""
    m, v = slots
    m = settings.beta1 * m + (1 - settings.beta1) * g
    v = settings.beta2 * v + (1 - settings.beta2) * (g * g)
    first, second = correction(settings.beta1, count), correction(settings.beta2, count)
    return w - settings.lr * (m / first) / (package.numpy.sqrt(v / second) + 1e-8), (m, v)


def correction(beta: float, count: Any) -> Any:
    """1 − βᵗ, by which a mean that started from zero falls short."""
    return 1 - beta**count if beta else 1.0


def rmsprop(
    package: Package, settings: RMSprop, w: Array, g: Array, slots: Arrays, _: Any
) -> tuple[Array, Arrays]:
    """w − lr·g/(√s + ε), and its s."""
    (s,) = slots
    s = settings.rho * s + (1 - settings.rho) * (g * g)
    return w - settings.lr * g / (package.numpy.sqrt(s) + 1e-7), (s,)
