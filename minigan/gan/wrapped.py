"""Losses made of another loss: of features, and of several discriminators."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arguments import instance, number
from ..ops import max, softmax, stack
from ..tensor import Tensor
from .losses import Loss, NonSaturating, given
from .records import Output


@dataclass(frozen=True)
class FeatureMatching(Loss):
    """G minimises ‖E f(x) − E f(G(z))‖², f the discriminator's features; D plays ``loss``.

    (Salimans et al., 2016, section 3.1.) The discriminator must give features: see ``Heads``. Of
    ``Several`` that each give theirs, it is the sum.
    """

    loss: Loss = NonSaturating()
    paired = True

    def __post_init__(self) -> None:
        _check_loss(self.loss)

    @property
    def centred(self) -> bool:  # type: ignore[override]
        return self.loss.centred

    @property
    def adds_judges(self) -> bool:  # type: ignore[override]
        return self.loss.adds_judges

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        return self.loss.discriminator(real, fake)

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        pairs = zip(_features(given(real)), _features(fake), strict=True)
        gaps = [r.mean(axis=0) - f.mean(axis=0) for r, f in pairs]
        terms = [(gap * gap).sum() for gap in gaps]
        return terms[0] if len(terms) == 1 else stack(terms).sum()

    def score(self, output: Output) -> Tensor:
        return self.loss.score(output)


@dataclass(frozen=True)
class SeveralDiscriminators(Loss):
    """``loss`` against each of K discriminators, whose scores are the columns of the logits.

    Each discriminator minimises its own loss. G minimises, of its losses l₁ … l_K, Σ wₖ lₖ with w
    the softmax of ``sharpness``·l: 0 gives the mean, a larger one listens more to the harsher
    judges (Durugkar, Gemp and Mahadevan, 2017, section 3.2), and ``inf`` to the harshest only. The
    discriminators are put together by ``Several``.
    """

    loss: Loss = NonSaturating()
    sharpness: float = 0.0
    adds_judges = True

    def __post_init__(self) -> None:
        _check_loss(self.loss)
        number("sharpness", self.sharpness, "[0, inf]")

    @property
    def paired(self) -> bool:  # type: ignore[override]
        return self.loss.paired

    @property
    def centred(self) -> bool:  # type: ignore[override]
        return self.loss.centred

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        pairs = zip(_members(real), _members(fake), strict=True)
        return stack([self.loss.discriminator(r, f) for r, f in pairs]).sum()

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        fakes = _members(fake)
        reals = [None] * len(fakes) if real is None else _members(real)
        losses = stack([self.loss.generator(r, f) for r, f in zip(reals, fakes, strict=True)])
        if math.isinf(self.sharpness):
            return max(losses)
        return (softmax(losses * self.sharpness) * losses).sum()

    def score(self, output: Output) -> Tensor:
        return self.loss.score(output)


def _check_loss(loss: object) -> None:
    instance("loss", loss, Loss, "a loss such as Hinge()")


def _members(output: Output) -> list[Output]:
    """What each discriminator says: one column of logits, one entry of a list of features.

    Class logits and codes are what all say together.
    """
    count = output.logits.shape[-1]
    features = output.features if isinstance(output.features, list) else [None] * count
    return [
        output._replace(logits=output.logits[..., k : k + 1], features=features[k])
        for k in range(count)
    ]


def _features(output: Output) -> list[Tensor]:
    """The discriminator's features, or those of each of several."""
    found = output.features_of_each
    for features in found:
        if not isinstance(features, Tensor):
            raise TypeError(
                f"features: got {type(features).__name__}, wanted a tensor: feature matching needs "
                "a discriminator that gives its features, such as Heads(body, Dense(1)), or "
                "Several of such"
            )
    return found
