"""What each player minimises, from the discriminator's outputs on a real and on a fake batch.

D is the discriminator's probability of being real, D = σ(logit), so −ln D = softplus(−logit) and
−ln(1 − D) = softplus(logit), the cross-entropy for the targets 1 and 0: written that way a
confident discriminator still has a gradient.
E is the mean over the batch, x real, G(z) fake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arguments import number
from ..backend import capturing
from ..ops import binary_cross_entropy, binary_cross_entropy_with_logits, relu, sigmoid
from ..tensor import Tensor
from .records import Output


class Loss:
    """Two pure functions of (real, fake) outputs, each giving a scalar tensor to minimise."""

    paired = False
    """Whether the generator's loss looks at the real batch too."""
    centred = True
    """Whether scores above 0 stand for real images and those below for fakes."""
    adds_judges = False
    """Whether D's loss is the sum over the columns of the logits, each another judge's."""

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        """The discriminator's loss."""
        raise TypeError(f"{type(self).__name__} does not define discriminator()")

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        """The generator's loss; ``real`` may be None unless the loss is ``paired``."""
        raise TypeError(f"{type(self).__name__} does not define generator()")

    def score(self, output: Output) -> Tensor:
        """D as a probability for the eye, or the raw score where there is none."""
        return sigmoid(output.logits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True)
class Minimax(Loss):
    """−E ln D(x) − E ln(1 − D(G(z))) for D, its negative for G (Goodfellow et al., 2014, eq. 1).

    G minimises E ln(1 − D(G(z))), which is nearly flat while D rejects its samples. With a
    ``real_label`` below 1, such as 0.9, D's target for real images is that: one-sided label
    smoothing (Salimans et al., 2016, section 3.4). Fakes' target stays 0, as it must.
    """

    real_label: float = 1.0

    def __post_init__(self) -> None:
        number("real_label", self.real_label, "(0, 1]")  # a probability; 0 is what fakes have

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        on_real = binary_cross_entropy_with_logits(real.logits, self.real_label)
        return on_real + binary_cross_entropy_with_logits(fake.logits, 0)

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return -binary_cross_entropy_with_logits(fake.logits, 0)


class NonSaturating(Minimax):
    """D as in ``Minimax``; G minimises −E ln D(G(z)) (Goodfellow et al., 2014, section 3)."""

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return binary_cross_entropy_with_logits(fake.logits, 1)


@dataclass(frozen=True)
class LeastSquares(Loss):
    """½E(s(x) − 1)² + ½E s(G(z))² for D, ½E(s(G(z)) − 1)² for G, s the raw score.

    (Mao et al., 2017, eq. 9.) ``real_label`` is D's target for real images; G's stays 1. A D that
    can't tell them apart gives half the label, which G is to find too low: it is below 2.
    """

    real_label: float = 1.0
    centred = False

    def __post_init__(self) -> None:
        number("real_label", self.real_label, "(0, 2)")

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        return 0.5 * ((real.logits - self.real_label) ** 2).mean() + 0.5 * (fake.logits**2).mean()

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return 0.5 * ((fake.logits - 1) ** 2).mean()

    def score(self, output: Output) -> Tensor:
        return output.logits


class Hinge(Loss):
    """E max(0, 1 − s(x)) + E max(0, 1 + s(G(z))) for D, −E s(G(z)) for G.

    (Lim and Ye, 2017; Miyato et al., 2018, eq. 16 and 17.)
    """

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        return relu(1 - real.logits).mean() + relu(1 + fake.logits).mean()

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return -fake.logits.mean()

    def score(self, output: Output) -> Tensor:
        return output.logits


class Wasserstein(Loss):
    """E s(G(z)) − E s(x) for the critic, −E s(G(z)) for G (Arjovsky et al., 2017, eq. 2 and 3).

    It means a distance only if the critic's slope is bounded, by clipping or a penalty.
    """

    centred = False

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        return fake.logits.mean() - real.logits.mean()

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return -fake.logits.mean()

    def score(self, output: Output) -> Tensor:
        return output.logits


class RelativisticPaired(Loss):
    """−E ln σ(s(x) − s(G(z))) for D, −E ln σ(s(G(z)) − s(x)) for G, each fake beside a real image.

    (Jolicoeur-Martineau, 2018, eq. 8 and 9.)
    """

    paired = True
    centred = False

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        return binary_cross_entropy_with_logits(real.logits - fake.logits, 1)

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return binary_cross_entropy_with_logits(fake.logits - given(real).logits, 1)


class RelativisticAverage(Loss):
    """−E ln σ(s(x) − E s(G(z))) − E ln(1 − σ(s(G(z)) − E s(x))) for D, roles exchanged for G.

    (Jolicoeur-Martineau, 2018, eq. 13 and 14.)
    """

    paired = True
    centred = False

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        on_real = binary_cross_entropy_with_logits(real.logits - fake.logits.mean(axis=0), 1)
        return on_real + binary_cross_entropy_with_logits(fake.logits - real.logits.mean(axis=0), 0)

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return self.discriminator(fake, given(real))


def played(loss: Any) -> Any:
    """The loss that one made of another plays, as ``FeatureMatching`` is, or ``loss`` itself."""
    while isinstance(getattr(loss, "loss", None), Loss):
        loss = loss.loss
    return loss


def given(real: Output | None) -> Output:
    """The real batch's outputs, which a paired loss must be given."""
    if real is None:
        raise ValueError("real: got None, but this loss compares fakes with real images")
    return real


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """For a discriminator that ends in a sigmoid: −E ln D(x) − E ln(1 − D(G(z))), −E ln D(G(z)).

    Probabilities are held to [eps, 1 − eps], as in Keras, so a saturated one has no gradient:
    a loss from logits is better where there is a choice. ``mean_of_terms`` halves D's loss.
    """

    mean_of_terms: bool = False
    eps: float = 1e-7
    centred = False

    def __post_init__(self) -> None:
        number("eps", self.eps, "[0, 0.5)")

    def discriminator(self, real: Output, fake: Output) -> Tensor:
        total = self._term(real, 1) + self._term(fake, 0)
        return total * 0.5 if self.mean_of_terms else total

    def generator(self, real: Output | None, fake: Output) -> Tensor:
        return self._term(fake, 1)

    def _term(self, output: Output, target: int) -> Tensor:
        scores = output.logits._array
        # Others would be held, and teach nothing. While captured nobody knows what they are.
        if not capturing.get() and bool(((scores < 0) | (scores > 1)).any()):
            raise ValueError(
                f"{type(self).__name__}: got scores from {float(scores.min()):.3g} to "
                f"{float(scores.max()):.3g}, wanted probabilities: end the discriminator in "
                'Sigmoid(), or play a loss that takes raw scores, such as "non_saturating"'
            )
        return binary_cross_entropy(output.logits, target, self.eps)

    def score(self, output: Output) -> Tensor:
        return output.logits


LOSSES: dict[str, Loss] = {
    "minimax": Minimax(),
    "non_saturating": NonSaturating(),
    "least_squares": LeastSquares(),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
    "relativistic_paired": RelativisticPaired(),
    "relativistic_average": RelativisticAverage(),
    "binary_cross_entropy": BinaryCrossEntropy(),
}


def loss_named(loss: str | Loss) -> Loss:
    """The loss of that name, or ``loss`` itself."""
    if isinstance(loss, Loss):
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss: got {loss!r}, wanted one of {', '.join(LOSSES)}")
    return LOSSES[loss]
