"""Cures that change what the discriminator is shown, real and generated images alike.

Every change is differentiable, so that the generator learns through it, and drawn for each image
by itself. As both kinds of images are changed in the same way, the generator need not learn to
make changed ones (Zhao et al., 2020, "Differentiable augmentation for data-efficient GAN
training"; Karras et al., 2020, "Training generative adversarial networks with limited data").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import instance, number, one_of
from ..backend import Array, device_of, to_device
from ..ops import mean, reshape
from ..random import Stream
from ..tensor import Tensor, as_tensor
from .cures import DISCRIMINATOR, Cure, Turn

if TYPE_CHECKING:
    from .game import Game, Range

RANGE: Range = (-1.0, 1.0)
"""The range that images are taken to be of where it is not known."""
FILLS = {"lowest": 0.0, "middle": 0.5}
"""Values by where they are in the images' range."""


@dataclass(frozen=True)
class InstanceNoise(Cure):
    """Normal noise of deviation ``std`` on all images, falling to none over ``steps`` steps.

    (Sønderby et al., 2017, section 3.3; Arjovsky and Bottou, 2017, section 3.) Without ``steps``
    it stays.
    """

    std: float = 0.1
    steps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is not None:
            number("steps", self.steps, "[1, inf)")

    def show(self, images: Any, turn: Turn) -> Any:
        left = 1.0 if self.steps is None else max(0.0, 1 - turn.step / self.steps)
        if not left * self.std:
            return images
        x = as_tensor(images)
        draw = turn.streams.augmentation.normal
        return x + draw(x.shape, std=left * self.std, dtype=x.dtype, device=x.device)


@dataclass(frozen=True)
class Augmentation:
    """What may be done to an image: each change is off at 0, and drawn with ``probability``.

    ``rotate`` is the largest angle in degrees, ``scale`` the largest zoom as a factor less one,
    ``translate`` the largest move and ``cutout`` the side of the square that is blanked, both in
    shares of the image's side; ``flip`` mirrors left and right, each half of the time.
    ``brightness`` is what is added at most, in halves of the images' range, ``contrast`` and
    ``saturation`` the largest change of a factor of 1. Beyond the border, and in the square, is
    ``fill``: the "lowest" or the "middle" of the range, or a number, as images have it. Positions
    between pixels are interpolated (bilinear).

    Cures go by the game's ``image_range``; where that is not known it is taken to be (−1, 1).
    """

    rotate: float = 0.0
    flip: bool = False
    scale: float = 0.0
    translate: float = 0.0
    cutout: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    fill: float | str = "lowest"

    def __post_init__(self) -> None:
        for name in ("rotate", "translate", "brightness", "contrast", "saturation"):
            number(name, getattr(self, name), "[0, inf)")
        number("scale", self.scale, "[0, 1)")
        number("cutout", self.cutout, "[0, 1]")
        if isinstance(self.fill, str):
            one_of("fill", self.fill, FILLS, " or a number")
        else:
            number("fill", self.fill)

    def __call__(
        self,
        images: Any,
        stream: Stream,
        probability: float = 1.0,
        image_range: Range | None = None,
    ) -> Tensor:
        """The images (N, H, W, C) of that range, changed; a tensor of the same shape and dtype."""
        x = as_tensor(images)
        if x.ndim != 4:
            raise ValueError(f"images: got shape {x.shape}, wanted (N, H, W, C)")
        draws = _Draws(stream, len(x), probability)
        low, high = image_range or RANGE
        fill = low + FILLS[self.fill] * (high - low) if isinstance(self.fill, str) else self.fill
        x = self._colours(x, draws, (high - low) / 2)
        if self.rotate or self.flip or self.scale or self.translate:
            x = warped(x, self._maps(draws, x.shape[1:3]), fill)
        return self._cut(x, draws, fill) if self.cutout else x

    def _colours(self, x: Tensor, draws: _Draws, half_range: float) -> Tensor:
        like = x._array
        if self.brightness:
            x = x + _spread(draws.between(self.brightness * half_range), like)
        if self.saturation and x.shape[-1] > 1:
            grey = mean(x, axis=-1, keepdims=True)
            x = grey + (x - grey) * _spread(1 + draws.between(self.saturation), like)
        if self.contrast:
            level = mean(x, axis=(1, 2, 3), keepdims=True)
            x = level + (x - level) * _spread(1 + draws.between(self.contrast), like)
        return x

    def _maps(self, draws: _Draws, sides: tuple[int, ...]) -> np.ndarray:
        """For each image the matrix (2, 3) from a target's position to its source's: ``warped``'s.

        In pixels, as in half sides a rotation of an image that is not square would be a shear.
        """
        angle = np.deg2rad(draws.between(self.rotate))
        zoom = 1 / (1 + draws.between(self.scale))
        mirror = np.where(draws.between(1.0) > 0, -1.0, 1.0) if self.flip else np.ones(draws.count)
        down, across = (side * draws.between(self.translate) for side in sides)
        cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
        rows = [[cos, -sin * mirror, down], [sin, cos * mirror, across]]
        return np.moveaxis(np.array(rows), -1, 0)

    def _cut(self, x: Tensor, draws: _Draws, fill: float) -> Tensor:
        inside = []
        for side in x.shape[1:3]:
            length = round(self.cutout * side)
            first = np.floor(draws.unit() * (side + 1 - length))[:, None]
            inside.append((np.arange(side) >= first) & (np.arange(side) < first + length))
        hole = inside[0][:, :, None] & inside[1][:, None, :] & draws.chosen()[:, None, None]
        kept = _spread(~hole, x._array)
        return x * kept + (1 - kept) * x.dtype.type(fill)


class _Draws:
    """Numbers for each of ``count`` images; a change is made with ``probability``."""

    def __init__(self, stream: Stream, count: int, probability: float) -> None:
        self.stream, self.count, self.probability = stream, count, probability

    def unit(self) -> np.ndarray:
        return self.stream.uniform(self.count, dtype="float64")

    def chosen(self) -> np.ndarray:
        return self.unit() < self.probability

    def between(self, most: float) -> np.ndarray:
        """Uniform on [−most, most), and 0 for images that are left as they are."""
        return np.where(self.chosen(), most * (2 * self.unit() - 1), 0.0)


def warped(x: Tensor, maps: np.ndarray, fill: float) -> Tensor:
    """Images (N, H, W, C) read elsewhere: the position p from M·(p, 1), M the image's (2, 3).

    Positions (down, across) are pixels from the image's middle. Each is the mean of the four
    pixels around it, weighted by nearness; those beyond the border have the value ``fill``.
    Linear in x: the gradient goes back to the pixels by the same weights.
    """
    n, h, w, c = x.shape
    middle = (h - 1) / 2, (w - 1) / 2
    down, across = (np.arange(h) - middle[0])[:, None], (np.arange(w) - middle[1])[None, :]
    m = maps[:, :, :, None, None]
    source = m[:, :, 0] * down + m[:, :, 1] * across + m[:, :, 2]
    rows, columns = (source[:, i] + middle[i] for i in range(2))
    pixels, start = reshape(x, (n * h * w, c)), h * w * np.arange(n)[:, None, None]
    parts: list[Tensor] = []
    border = np.full((n, h, w), fill)
    for row, row_share in _neighbours(rows, h):
        for column, column_share in _neighbours(columns, w):
            share = row_share * column_share
            index = to_device(start + row * w + column, device_of(x._array))
            parts.append(pixels[index] * _spread(share, x._array))
            border -= fill * share
    return parts[0] + parts[1] + parts[2] + parts[3] + _spread(border, x._array)


def _neighbours(positions: np.ndarray, side: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pixels before and after each position, with their shares: 0 beyond the border."""
    before = np.floor(positions)
    for pixel, share in ((before, 1 + before - positions), (before + 1, positions - before)):
        inside = (pixel >= 0) & (pixel < side)
        yield np.clip(pixel, 0, side - 1).astype(np.int64), share * inside


def _spread(values: np.ndarray, like: Array) -> Array:
    """A number an image, or a map of them, to multiply images (N, H, W, C) with."""
    shaped = values.reshape(*values.shape, *[1] * (like.ndim - values.ndim))
    return to_device(shaped.astype(like.dtype), device_of(like))


DIFF_AUGMENT = Augmentation(
    translate=0.125, cutout=0.5, brightness=0.5, contrast=0.5, saturation=1.0, fill="middle"
)
"""The changes of all three policies, colour, translation and cut-out (Zhao et al., 2020).

Two of them are not quite as in the authors' code. There an image moves by whole pixels, here by
any share of one, which blurs it a little; and there a part of the square that is cut out may hang
over the border, so that less is blanked, while here all of it lies in the image.
"""


def _changed(changes: Augmentation, images: Any, turn: Turn, probability: float = 1.0) -> Tensor:
    return changes(images, turn.streams.augmentation, probability, turn.game.image_range)


class _Changing(Cure):
    """What has ``changes`` for a setting."""

    changes: Augmentation

    def __post_init__(self) -> None:
        super().__post_init__()
        instance("changes", self.changes, Augmentation, "an Augmentation(…)")


@dataclass(frozen=True)
class DiffAugment(_Changing):
    """All images are shown changed, each time anew (Zhao et al., 2020, eq. 4 and 5)."""

    changes: Augmentation = DIFF_AUGMENT

    def show(self, images: Any, turn: Turn) -> Tensor:
        return _changed(self.changes, images, turn)


@dataclass(frozen=True)
class AdaptiveAugment(_Changing):
    """Changes made with a probability p that rises while D overfits, and falls while it doesn't.

    The sign of it is r = E[sign s(x)] on real images: after each of D's moves p goes up by
    images/``images`` where r is above ``target``, else down, within [0, 1] (Karras et al., 2020,
    section 3.1; there p takes 500,000 images from 0 to 1).
    """

    changes: Augmentation = DIFF_AUGMENT
    target: float = 0.6
    images: int = 500_000

    def __post_init__(self) -> None:
        super().__post_init__()
        number("target", self.target, "[0, 1]")
        number("images", self.images, "[1, inf)")

    def start(self, game: Game) -> dict[str, Array]:
        return {"probability": np.zeros(())}

    def objection(self, game: Game) -> tuple[str, str] | None:
        if game.loss.centred:
            return None
        return (
            f"AdaptiveAugment: in {game.loss!r} the sign of a score does not tell real images "
            "from fakes, and by it p rises and falls",
            'use DiffAugment, or a loss such as "non_saturating" or "hinge"',
        )

    def show(self, images: Any, turn: Turn) -> Tensor:
        probability = float(turn.memory(self)["probability"])
        return _changed(self.changes, images, turn, probability)

    def moved(self, turn: Turn) -> None:
        if turn.player == DISCRIMINATOR:
            memory, logits = turn.memory(self)["probability"], turn.real.logits._array
            count = len(turn.batch.images)  # which are more than the logits where D judges packs
            sign = 1 if float((logits > 0).mean() - (logits < 0).mean()) > self.target else -1
            memory[...] = min(1.0, max(0.0, float(memory) + sign * count / self.images))


@dataclass(frozen=True)
class Consistency(_Changing):
    """weight·E(s(x) − s(T(x)))², T a random change: scores should not hang on it.

    (Zhang et al., 2020, eq. 6: CR.) With a ``fake_weight`` the same is asked of fakes, with that
    weight (Zhao et al., 2021, algorithm 1: bCR).
    """

    weight: float = 10.0
    fake_weight: float = 0.0
    changes: Augmentation = Augmentation(translate=0.125, flip=True)

    def discriminator(self, turn: Turn) -> Tensor:
        real, fake = turn.shown
        total = self.weight * self._gap(turn, turn.real.logits, real, False)
        if self.fake_weight:
            total = total + self.fake_weight * self._gap(turn, turn.fake.logits, fake, True)
        return total

    def _gap(self, turn: Turn, logits: Tensor, images: Any, generated: bool) -> Tensor:
        changed = _changed(self.changes, turn.fixed(images), turn)
        gap = logits - turn.judge(changed, generated).logits
        return turn.of_each_judge((gap * gap).mean())
