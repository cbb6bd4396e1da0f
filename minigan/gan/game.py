"""Game: who plays, and for what."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate, pairwise
from types import NoneType
from typing import Any

import numpy as np

from ..arguments import instance
from ..backend import array_module
from ..nn import Module, Sequential, Sigmoid, Tanh, training
from ..nn.module import as_array
from ..random import Stream
from ..tensor import Tensor, no_grad
from .conditioning import Labels, labels_for
from .cures import Cure
from .latent import Latent, Normal, noise_for
from .losses import Loss, loss_named
from .records import Draw, Output

Range = tuple[float, float]


class Game:
    """A generator against a discriminator, with the loss they play for.

    ``generator`` maps noise (N, latent.size) to images, and takes the condition second where a
    draw has one. ``discriminator`` maps images (and a condition) to logits (N, 1) or to an
    ``Output``. ``image_range`` is that of the generator's images, (−1, 1) if it ends in Tanh,
    (0, 1) if in Sigmoid; anything else must say. ``cures`` are what is added against collapse and
    instability, any of them together. With ``conditioning``, such as ``Labels(10)``, images are
    made and judged by class; without it they are not.
    """

    def __init__(
        self,
        generator: Module,
        discriminator: Module,
        loss: str | Loss = "non_saturating",
        latent: Latent | None = None,
        image_range: Range | None = None,
        cures: Iterable[Cure] = (),
        conditioning: Labels | None = None,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        instance("generator", generator, Module, "a Module")
        instance("discriminator", discriminator, Module, "a Module")
        instance("cures", cures, Iterable, "a list of cures such as [R1(1.0)]")
        self.loss, self.cures = loss_named(loss), tuple(cures)
        for i, cure in enumerate(self.cures):
            instance(f"cures[{i}]", cure, Cure, "a cure such as R1(1.0)")
        labels = (Labels, NoneType)
        self.conditioning = instance(
            "conditioning", conditioning, labels, "labels such as Labels(10)"
        )
        twice = next(
            (c for i, c in enumerate(self.cures) if any(c is d for d in self.cures[:i])), None
        )
        if twice is not None:  # its memory is one
            raise ValueError(f"cures: got {twice!r} twice, wanted it once, or another one like it")
        self.latent: Latent = Normal(100) if latent is None else latent
        instance("latent", self.latent, Latent, "noise such as Normal(16)")
        self.image_range = _range_of(generator) if image_range is None else image_range
        if image_range is not None and not _is_range(image_range):
            raise ValueError(f"image_range: got {image_range}, wanted (low, high), low below high")

    @cached_property
    def needs_real(self) -> bool:
        """Whether the generator's move looks at real images too."""
        return self.loss.paired or any(cure.needs_real for cure in self.cures)

    def generate(self, draw: Draw, generator: Module | None = None) -> Tensor:
        """The images that the generator (or a twin of it) makes of a draw."""
        network = generator or self.generator
        return network(draw.noise) if draw.condition is None else network(*draw)

    def judge(self, images: Any, condition: Any = None) -> Output:
        """The discriminator's output on images, told the condition where it is to know it."""
        alone = condition is None or not self._tells_discriminator
        judged = self.discriminator(*([images] if alone else [images, condition]))
        return judged if isinstance(judged, Output) else Output(judged)

    def judge_each(self, *batches: tuple[Any, Any]) -> list[Output]:
        """The discriminator's outputs on batches of (images, condition), as real ones and fakes.

        They come from one pass over all where no sample's result depends on its batch.
        """
        told = self._tells_discriminator and any(condition is not None for _, condition in batches)
        if told or not self._judges_apart:
            return [self.judge(*batch) for batch in batches]
        images = [as_array(x) for x, _ in batches]
        judged = self.judge(array_module(images[0]).concatenate(images))
        ends = list(accumulate(map(len, images), initial=0))
        return [judged.rows(slice(*part)) for part in pairwise(ends)]

    @property
    def _tells_discriminator(self) -> bool:
        return self.conditioning is None or self.conditioning.discriminator

    @property
    def dtype(self) -> np.dtype:
        """That of the discriminator's parameters, and so of the images it sees."""
        like = self.discriminator.first_parameter()
        return np.dtype(np.float32) if like is None else like.dtype

    @cached_property
    def _judges_apart(self) -> bool:
        return self.discriminator.is_per_sample

    def build(self, seed: int) -> None:
        """Make both networks' parameters, the discriminator's for what the generator makes."""
        labels = labels_for(self.conditioning, None, 1)
        if not self.generator.built:
            _build(self.generator, (self.latent.size,), labels, seed, "generator")
        if not self.discriminator.built:
            labels = labels if self._tells_discriminator else None
            _build(self.discriminator, self.image_shape(), labels, seed, "discriminator")

    def image_shape(self) -> tuple[int, ...]:
        """The shape of one generated image, (H, W, C)."""
        noise = noise_for(self.generator, self.latent, 1, Stream(0, "shape"))
        labels = labels_for(self.conditioning, None, 1)
        with no_grad(), training(False):
            return self.generate(Draw(noise, labels)).shape[1:]


def _build(network: Module, shape: tuple[int, ...], labels: Any, seed: int, prefix: str) -> None:
    """Make a network's parameters, for inputs of this shape and for labels if there are."""
    told = labels is not None
    if told != network.takes_condition and (isinstance(network, Sequential) or not told):
        raise TypeError(f"{prefix}: {_TOLD[prefix] if told else _NOT_TOLD}")
    if labels is None:
        network.build((None, *shape), seed=seed, prefix=prefix)
    else:
        network.build((None, *shape), (None,), seed=seed, prefix=prefix, like=(None, labels))


_NOT_TOLD = (
    "it takes labels, but the game tells it none: pass conditioning=gan.Labels(10), of as many "
    "classes as there are"
)
_LAYERS = "the game tells it labels, but no layer of it takes them: begin it with nn.LabelConcat(…)"
_TOLD = {
    "generator": _LAYERS,
    "discriminator": f"{_LAYERS}, end it in nn.Projection(…), or tell the generator alone with "
    "gan.Labels(…, discriminator=False)",
}


def _is_range(values: Any) -> bool:
    return np.shape(values) == (2,) and bool(-np.inf < values[0] < values[1] < np.inf)


def _range_of(generator: Module) -> Range | None:
    return {Tanh: (-1.0, 1.0), Sigmoid: (0.0, 1.0)}.get(type(last_of(generator)))


def last_of(network: Module) -> Module:
    """The last layer of a ``Sequential``, of its last one and so on, or the network itself."""
    while isinstance(network, Sequential) and len(network):
        network = network[-1]
    return network
