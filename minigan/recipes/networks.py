"""Networks that several recipes share: DCGAN's shapes, of any width, told labels or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..gan import Labels
from ..nn import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    LabelConcat,
    LeakyReLU,
    Module,
    ReLU,
    Reshape,
    Sequential,
    SpectralNorm,
    Tanh,
)

Wrap = Callable[[Module], Module]


def plain(layer: Module) -> Module:
    """The layer as it is."""
    return layer


def class_count(settings: dict[str, Any]) -> int:
    """How many classes the images have, checked."""
    return Labels(settings["classes"]).classes


def generator(
    shape: tuple[int, int, int], widths: list[int], classes: int = 0, kernel: int = 5, **init: Any
) -> Sequential:
    """Noise to images: a dense layer, then transposed convolutions that double the side.

    ``widths`` are the channels of the maps before each doubling; with ``classes`` the label is
    appended to the noise, one-hot.
    """
    side = shape[0] >> len(widths)
    if side << len(widths) != shape[0] or shape[0] != shape[1]:
        raise ValueError(
            f"data: got images of shape {shape}, wanted square ones whose side is a multiple of "
            f"{1 << len(widths)}"
        )
    told: list[Module] = [LabelConcat(classes)] if classes else []
    layers: list[Module] = [
        Dense(side * side * widths[0], use_bias=False, **init),
        BatchNorm(),
        ReLU(),
        Reshape(side, side, widths[0]),
    ]
    for width in widths[1:]:
        up = Conv2DTranspose(width, kernel, 2, "same", use_bias=False, **init)
        layers += [up, BatchNorm(), ReLU()]
    last = Conv2DTranspose(shape[2], kernel, 2, "same", **init)
    return Sequential(*told, *layers, last, Tanh())


def body(
    widths: list[int], wrap: Wrap = plain, norm: bool = False, kernel: int = 5, **init: Any
) -> list[Module]:
    """Images to features: convolutions that halve the side, then flat.

    ``wrap`` goes around each, such as ``SpectralNorm``; with ``norm`` there is batch norm after
    all but the first.
    """
    layers: list[Module] = []
    for i, width in enumerate(widths):
        normed: list[Module] = [BatchNorm()] if norm and i else []
        convolution = Conv2D(width, kernel, 2, "same", use_bias=not normed, **init)
        layers += [wrap(convolution), *normed, LeakyReLU(0.2)]
    return [*layers, Flatten()]


def discriminator(
    widths: list[int], wrap: Wrap = plain, norm: bool = False, **init: Any
) -> Sequential:
    """``body`` and one logit."""
    return Sequential(*body(widths, wrap, norm, **init), wrap(Dense(1, **init)))


def scaled(width: float, *channels: int) -> list[int]:
    """The published numbers of channels times the width factor."""
    if not width > 0:
        raise ValueError(f"width: got {width}, wanted a positive factor")
    return [max(1, round(width * n)) for n in channels]


def spectral(layer: Module) -> Module:
    """The layer under spectral normalisation."""
    return SpectralNorm(layer)
