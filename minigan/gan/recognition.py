"""Cures by which the discriminator finds out what was made: the class, or the codes in the noise.

Heads of the discriminator say what they take an image for: see ``Heads``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import Array, array_module, device_of, to_device
from ..nn.module import as_array
from ..ops import log_softmax
from ..tensor import Tensor
from .conditioning import Codes
from .cures import Cure, Turn, added
from .records import Output

if TYPE_CHECKING:
    from .game import Game


@dataclass(frozen=True)
class Classification(Cure):
    """Cross-entropy of the discriminator's class logits and the labels.

    D adds ``real`` times that of real images and ``fake`` times that of fakes, G adds
    ``generator_weight`` times that of its fakes (AC-GAN: Odena, Olah and Shlens, 2017, eq. 2 and
    3). For semi-supervised learning set both to 0; images whose label is −1 have none
    (Salimans et al., 2016, section 5). The discriminator needs class logits: see ``Heads``.
    """

    real: float = 1.0
    fake: float = 1.0
    generator_weight: float = 1.0

    def start(self, game: Game) -> dict[str, Array]:
        if (self.fake or self.generator_weight) and game.conditioning is None:
            raise ValueError(
                "Classification: fakes have no class in a game without conditioning: pass "
                "Game(…, conditioning=Labels(…)), or fake=0 and generator_weight=0"
            )
        return {}

    def discriminator(self, turn: Turn) -> Tensor:
        if turn.batch.labels is None:
            raise ValueError("Classification: the batch has no labels: give (images, labels)")
        batch, conditional = turn.batch, turn.game.conditioning is not None
        labels = batch.condition if conditional else batch.labels  # that is on the device already
        terms = [self.real * cross_entropy(_classes(turn.real, turn.game), labels)]
        if self.fake:
            terms.append(self.fake * self._of_fakes(turn))
        return added(terms)

    def generator(self, turn: Turn) -> Tensor | None:
        if not self.generator_weight:
            return None
        return self.generator_weight * self._of_fakes(turn)

    def _of_fakes(self, turn: Turn) -> Tensor:
        return cross_entropy(_classes(turn.fake, turn.game), turn.draw.condition)


def cross_entropy(logits: Tensor, labels: Any) -> Tensor:
    """−E ln p(label), p the softmax of the logits (N, K), over the rows whose label is not −1."""
    labels, where = as_array(labels), device_of(logits._array)
    count, classes = logits.shape
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise ValueError(
            f"labels: got {labels.dtype} {labels.shape}, wanted integers ({count},), one for each "
            "row of the class logits"
        )
    if device_of(labels) != "cpu":  # a condition or a code: a class each, and known to be one
        chosen = array_module(labels).eye(classes, dtype=logits.dtype)[labels]
        return -(log_softmax(logits) * chosen).sum() / max(1, count)
    if labels.min() < -1 or labels.max() >= classes:
        raise ValueError(
            f"labels: got {labels.min()} to {labels.max()}, wanted 0 to {classes - 1}, or -1 for "
            "none"
        )
    known = np.flatnonzero(labels >= 0)
    rows, columns = (to_device(i, where) for i in (known, labels[known]))
    found = log_softmax(logits)[rows, columns]
    return -found.sum() / max(1, known.size)


def _classes(output: Output, game: Game) -> Tensor:
    if output.class_logits is None:
        raise TypeError(
            "Classification: the discriminator gives no class logits: put a head on it, such as "
            "Heads(body, nn.Dense(1), class_logits=nn.Dense(10))"
        )
    found, labels = output.class_logits.shape[-1], game.conditioning
    if labels is not None and found != labels.classes:
        raise TypeError(
            f"Classification: the discriminator's class logits are {found}, but the game has "
            f"{labels.classes} classes: class_logits=nn.Dense({labels.classes})"
        )
    return output.class_logits


@dataclass(frozen=True)
class Information(Cure):
    """−weight·E ln Q(c | G(z, c)) for both players: how well D finds the codes in the image.

    Q is the head ``codes`` of the discriminator: the logits of each categorical code, then the
    means of the continuous ones, of unit variance, whose −ln Q is ½(c − μ)² and a constant; they
    count ``continuous`` times as much (Chen et al., 2016, eq. 5 and 6: InfoGAN; the negative of
    a bound on mutual information). Play it with ``latent=Codes(…)``.
    """

    weight: float = 1.0
    continuous: float = 0.1
    asks_for_noise = True

    def start(self, game: Game) -> dict[str, Array]:
        if not isinstance(game.latent, Codes):
            raise ValueError(f"Information: got latent={game.latent!r}, wanted Codes(…)")
        return {}

    def discriminator(self, turn: Turn) -> Tensor:
        return self._surprise(turn)

    def generator(self, turn: Turn) -> Tensor:
        return self._surprise(turn)

    def _surprise(self, turn: Turn) -> Tensor:
        latent, found, drawn = turn.game.latent, turn.fake.codes, turn.draw.noise
        assert isinstance(latent, Codes)
        wanted = latent.size - latent.noise
        if found is None or found.shape != (len(drawn), wanted):
            raise TypeError(
                f"Information: got codes {None if found is None else found.shape} of the "
                f"discriminator, wanted ({len(drawn)}, {wanted}): put a head on it, such as "
                f"Heads(body, nn.Dense(1), codes=nn.Dense({wanted}))"
            )
        terms, at = list[Tensor](), 0
        for classes in latent.categorical:
            codes = drawn[:, latent.noise + at : latent.noise + at + classes]
            labels = array_module(codes).argmax(codes, axis=1)
            terms.append(cross_entropy(found[:, at : at + classes], labels))
            at += classes
        gap = found[:, at:] - drawn[:, latent.noise + at :]
        terms.append(0.5 * self.continuous * (gap * gap).sum() / len(gap))
        return self.weight * added(terms)
