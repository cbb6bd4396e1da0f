"""Games in which the generator is told what to make, and games in which it is found out.

- *Told*: with ``Labels`` the generator takes a class beside its noise, and the discriminator may.
- *Found out*: ``Classification`` lets a head of the discriminator name the class (AC-GAN, or with
  few labels semi-supervised learning), ``Information`` the codes in the noise (InfoGAN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backend import Array, array_module
from ..ops import log_softmax
from ..random import Stream
from ..tensor import Tensor
from .cures import Cure, Turn, added
from .records import Output

if TYPE_CHECKING:
    from .game import Game


@dataclass(frozen=True)
class Labels:
    """The generator is given a class, 0 … classes − 1, and so is the discriminator if told.

    In a step the fakes have the labels of the real images. Both networks take the labels, integers
    (N,), as their second input; with ``discriminator=False`` only the generator does.
    """

    classes: int
    discriminator: bool = True

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ValueError(f"classes: got {self.classes}, wanted at least 2")

    def condition(self, labels: Any) -> np.ndarray:
        """The labels of a batch, checked."""
        if labels is None:
            raise ValueError(
                "labels: got none, but this game is conditional: give batches as (images, labels)"
            )
        found = np.asarray(labels)
        if found.dtype.kind not in "iu" or found.ndim != 1:
            raise ValueError(f"labels: got {found.dtype} {found.shape}, wanted integers (N,)")
        if found.size and not (found.min() >= 0 and found.max() < self.classes):
            raise ValueError(
                f"labels: got {found.min()} to {found.max()}, wanted 0 to {self.classes - 1}"
            )
        return found.astype(np.int64)

    def chosen(self, label: Any, count: int) -> np.ndarray:
        """``count`` labels: this one or these; or, of None, all classes by turns."""
        if label is None:
            return np.arange(count) % self.classes
        return self.condition(np.broadcast_to(np.asarray(label), (count,)))


def labels_for(conditioning: Labels | None, label: Any, count: int) -> np.ndarray | None:
    """The labels to sample with: none in a game without them."""
    if conditioning is not None:
        return conditioning.chosen(label, count)
    if label is not None:
        raise ValueError(f"label: got {label!r}, but this generator takes no labels")
    return None


@dataclass(frozen=True)
class Classification(Cure):
    """Cross-entropy of the discriminator's class logits and the labels.

    D adds ``real`` times that of real images and ``fake`` times that of fakes, G adds ``generator``
    times that of its fakes (AC-GAN: Odena, Olah and Shlens, 2017, eq. 2 and 3). For
    semi-supervised learning set fake=0 and generator=0; images whose label is −1 have none
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
        terms = [self.real * cross_entropy(_classes(turn.real), turn.batch.labels)]
        if self.fake:
            terms.append(self.fake * cross_entropy(_classes(turn.fake), turn.draw.condition))
        return added(terms)

    def generator(self, turn: Turn) -> Tensor | None:
        if not self.generator_weight:
            return None
        return self.generator_weight * cross_entropy(_classes(turn.fake), turn.draw.condition)


def cross_entropy(logits: Tensor, labels: Any) -> Tensor:
    """−E ln p(label), p the softmax of the logits (N, K), over the rows whose label is not −1."""
    labels = np.asarray(labels)
    known = np.flatnonzero(labels >= 0)
    found = log_softmax(logits)[known, labels[known]]
    return -found.sum() / max(1, known.size)


def _classes(output: Output) -> Tensor:
    if output.class_logits is None:
        raise TypeError(
            "Classification: the discriminator gives no class logits: put a head on it, such as "
            "Heads(body, nn.Dense(1), class_logits=nn.Dense(10))"
        )
    return output.class_logits


class _Codes(NamedTuple):
    noise: int = 62
    categorical: tuple[int, ...] = (10,)
    continuous: int = 2


class Codes(_Codes):
    """Noise with a meaning to be found: ``noise`` normal numbers, then one-hot codes, then others.

    ``categorical`` are the numbers of classes of the one-hot codes, each drawn uniformly; the
    ``continuous`` ones are uniform on [−1, 1) (Chen et al., 2016, section 7).
    """

    def __new__(
        cls, noise: int = 62, categorical: Sequence[int] = (10,), continuous: int = 2
    ) -> Codes:
        if noise < 0 or continuous < 0 or any(classes < 2 for classes in categorical):
            raise ValueError(
                f"Codes: got {noise}, {tuple(categorical)}, {continuous}, wanted numbers that are "
                "not negative, and at least 2 classes to a code"
            )
        return super().__new__(cls, noise, tuple(categorical), continuous)

    @property
    def size(self) -> int:
        return self.noise + sum(self.categorical) + self.continuous

    def draw(self, count: int, stream: Stream) -> Array:
        """``count`` vectors, float32 (count, size)."""
        parts = [stream.normal((count, self.noise))]
        for classes in self.categorical:
            parts.append(np.eye(classes, dtype="float32")[stream.integers(classes, count)])
        parts.append(stream.uniform((count, self.continuous), -1.0, 1.0))
        return np.concatenate(parts, axis=1)


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
        if found is None or found.shape[-1] != wanted:
            raise TypeError(
                f"Information: got codes {None if found is None else found.shape} of the "
                f"discriminator, wanted (N, {wanted}): put a head on it, such as "
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
