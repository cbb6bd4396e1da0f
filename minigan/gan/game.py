"""Game: who plays, and for what."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..backend import array_module
from ..nn import Module, Sequential, Sigmoid, Tanh, training
from ..random import Stream
from ..tensor import Tensor, no_grad
from .latent import Latent, Normal, noise_for
from .losses import Loss, loss_named
from .records import Draw, Output

Range = tuple[float, float]


class Game:
    """A generator against a discriminator, with the loss they play for.

    ``generator`` maps noise (N, latent.size) to images, and takes the condition second where a
    draw has one. ``discriminator`` maps images (and a condition) to logits (N, 1) or to an
    ``Output``. ``image_range`` is that of the generator's images, (−1, 1) if it ends in Tanh,
    (0, 1) if in Sigmoid; anything else must say.
    """

    def __init__(
        self,
        generator: Module,
        discriminator: Module,
        loss: str | Loss = "non_saturating",
        latent: Latent | None = None,
        image_range: Range | None = None,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.loss = loss_named(loss)
        self.latent: Latent = latent or Normal(100)
        self.image_range = image_range or _range_of(generator)
        if self.image_range is not None and not self.image_range[0] < self.image_range[1]:
            raise ValueError(f"image_range: got {image_range}, wanted (low, high), low below high")

    def generate(self, draw: Draw, generator: Module | None = None) -> Tensor:
        """The images that the generator (or a twin of it) makes of a draw."""
        network = generator or self.generator
        return network(draw.noise) if draw.condition is None else network(*draw)

    def judge(self, images: Any, condition: Any = None) -> Output:
        """The discriminator's output on images."""
        judged = self.discriminator(*([images] if condition is None else [images, condition]))
        return judged if isinstance(judged, Output) else Output(judged)

    def judge_both(self, real: Any, fake: Any, condition: Any = None) -> tuple[Output, Output]:
        """The discriminator's outputs on real and on fake images.

        They come from one pass over both where no sample's result depends on its batch.
        """
        if condition is not None or not self._judges_apart:
            return self.judge(real, condition), self.judge(fake, condition)
        images = [x._array if isinstance(x, Tensor) else x for x in (real, fake)]
        both = self.judge(array_module(images[0]).concatenate(images))
        halves = [_halves(value, len(images[0])) for value in both]
        return Output(*[a for a, _ in halves]), Output(*[b for _, b in halves])

    @cached_property
    def _judges_apart(self) -> bool:
        return self.discriminator.is_per_sample

    def build(self, seed: int) -> None:
        """Make both networks' parameters, the discriminator's for what the generator makes."""
        if not self.generator.built:
            self.generator.build((None, self.latent.size), seed=seed, prefix="generator")
        if not self.discriminator.built:
            shape = self.image_shape()
            self.discriminator.build((None, *shape), seed=seed, prefix="discriminator")

    def image_shape(self) -> tuple[int, ...]:
        """The shape of one generated image, (H, W, C)."""
        noise = noise_for(self.generator, self.latent, 1, Stream(0, "shape"))
        with no_grad(), training(False):
            return self.generate(Draw(noise)).shape[1:]


def _halves(value: Any, n: int) -> tuple[Any, Any]:
    """The first n samples and the others, of a tensor or of each tensor in a list."""
    if isinstance(value, (list, tuple)):
        pairs = [_halves(one, n) for one in value]
        return [a for a, _ in pairs], [b for _, b in pairs]
    return (None, None) if value is None else (value[:n], value[n:])


def _range_of(generator: Module) -> Range | None:
    last = generator
    while isinstance(last, Sequential) and len(last):
        last = last[-1]
    return {Tanh: (-1.0, 1.0), Sigmoid: (0.0, 1.0)}.get(type(last))
