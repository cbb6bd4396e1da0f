"""The doctor's checks: what each looks at, from where on it complains, and what to try then.

Thresholds are numbers with a meaning, far from what healthy runs show (``benchmarks.doctor``
measures how far); what comes and goes, as much does in a game of two, is not complained of: a
check must hold for several looks in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median
from typing import NamedTuple

from ..nn import BatchNorm, GradientNormalized, Module, Sigmoid, SpectralNorm
from ..optim import Optimizer
from .augmentation import AdaptiveAugment
from .cures import DISCRIMINATOR, GENERATOR, Cure
from .game import Game, last_of
from .heads import Heads, Packed, Several
from .losses import Hinge, Loss, Minimax, Wasserstein, played
from .penalties import Orthogonal
from .recognition import Classification, Information
from .selection import HistoryPool
from .signs import PLAYERS, Signs
from .weights import WeightClipping

REPORTS = 100
"""Steps whose reports are looked at together."""
SATURATED = 0.01
"""Of the way from a loss that can't be lower to that of a discriminator that can't tell: it has
nothing to learn from fakes any more."""
COLLAPSED = 0.15
"""Of the distance between neighbouring real images: fakes are one picture, or a few."""
VANISHED = 0.01
"""Leverage: all of G's weights would have to double to change its loss by a hundredth."""
VANISHED_ON_THE_WAY = 0.01
"""Of the leverage of G's other layers. In a chain of linear layers and ReLUs all have the same."""
EXPLODED = 500.0
"""Leverage: a change of the weights by a 500th changes the loss, which is about 1, by 1."""
TOO_FAST = 0.1
"""Of the weights changed in a step: in ten there is nothing left of what was learned."""
TOO_SLOW = 2e-4
"""Of the weights changed in a step: it takes 5,000 in one direction to replace them."""
DEAD = 0.75
"""Of a layer's units."""
BY_HEART = 0.5
"""(E s(x) − E s(held out))/(E s(x) − E s(G(z))), the threshold of Karras et al. (2020)."""
APART = 0.5
"""Standard deviations of the scores; over five looks at 32 images it is 5 standard errors."""
LARGE_EPS = 0.1
"""ε keeps a division from 0 by; published values are 1e-8 to 1e-3."""
SHORT_MEMORY = 0.5
"""Of running statistics kept a step: below it they are the last batch's."""


class Check(NamedTuple):
    """``look`` says what is wrong with the last ``rounds`` signs, oldest first, or nothing.

    Where what to try hangs on what was seen, it gives both; else ``advice`` is what to try.
    """

    name: str
    rounds: int
    look: Callable[[Sequence[Signs]], str | tuple[str, str]]
    advice: str = ""


def alone(seen: Sequence[Signs]) -> str:
    """Whether batch norm has one vector alone to normalise, of which it leaves nothing."""
    last = seen[-1]
    if last.images > 1:
        return ""
    for player in PLAYERS:
        for name, module in getattr(last.subject.game, player).named_modules():
            if isinstance(module, BatchNorm) and module._shapes and len(module._shapes[0]) == 2:
                return f"{player}.{name} normalises a single image by itself, to zeros"
    return ""


def swapped(seen: Sequence[Signs]) -> str:
    """Whether real images get the fakes' place in one player's loss, or seem to."""
    last = seen[-1]
    against = last.facts.reversed
    if against[DISCRIMINATOR] != against[GENERATOR]:
        odd = "discriminator" if against[DISCRIMINATOR] else "generator"
        return f"the {odd}'s loss is lower where fakes score above real images"
    # By its scores D's loss would be ``loss``; it is less only where they are exchanged.
    wins = last.reports[-1].discriminator_loss < last.loss / 2
    below = wins and all(r.real_score < r.fake_score for r in last.reports)
    if _long(last) and below and not against[DISCRIMINATOR]:
        real, fake = last.reports[-1].real_score, last.reports[-1].fake_score
        return (
            f"the discriminator wins by scoring real images ({real:.2g}) below fakes ({fake:.2g})"
        )
    return ""


def saturated(seen: Sequence[Signs]) -> str:
    """Whether the discriminator is never wrong; a critic, whose chance is 0, can't be right."""
    last = seen[-1]
    chance, least, _ = last.facts
    # What cures add only hides it: so a log shows it, though it has nothing but whole losses.
    whole = median(r.discriminator_loss for r in last.reports)
    loss = min(whole, median(s.loss for s in seen))
    if not _long(last) or chance <= 0 or loss - least >= SATURATED * (chance - least):
        return ""
    if median(r.real_score - r.fake_score for r in last.reports) <= 0:
        return ""
    known = f" and certainty {least:.2g}" if least else ""
    return (
        f"the discriminator's loss is {max(loss, 0):.2g} where guessing gives {chance:.2g}{known}: "
        "it is sure of every image"
    )


def collapsed(seen: Sequence[Signs]) -> str:
    """Whether fakes are all alike, as those of a generator that has learned nothing yet may be."""
    variety = max(s.variety for s in seen)
    if variety >= COLLAPSED or seen[0].step < REPORTS:
        return ""
    times = "identical" if variety < 1e-3 else f"{1 / variety:.0f} times as alike as real ones"
    return f"the generator's images are {times}"


def vanished(seen: Sequence[Signs]) -> str | tuple[str, str]:
    """Whether the generator gets nothing to learn from, as a whole or in its first layers."""
    leverage = [s.leverage[GENERATOR] for s in seen]
    if max(max(one.values(), default=1) for one in leverage) < VANISHED:
        size = max(leverage[-1].values())
        change = f"change its loss by no more than {size:.1g}" if size else "not change its loss"
        message = f"doubling the generator's weights would {change}"
        minimax = isinstance(played(seen[-1].subject.game.loss), Minimax)
        return message, f"{_SWITCH if minimax else ''}{_STRONGER}"
    for name in leverage[-1]:
        shares = [one[name] / (max(one.values()) or 1) for one in leverage]
        if max(shares) < VANISHED_ON_THE_WAY:
            message = (
                f"generator.{name} gets {shares[-1]:.1g} of the gradient of the layers after it"
            )
            return message, _STRONGER
    return ""


def exploded(seen: Sequence[Signs]) -> str:
    """Whether the loss hangs on the last digits of the weights."""
    for player in seen[-1].leverage:
        least = min(max(s.leverage[player].values(), default=0) for s in seen)
        if least > EXPLODED:
            return (
                f"a change of the {player}'s weights by 0.1 % changes its loss by {least / 1e3:.2g}"
            )
    return ""


def too_fast(seen: Sequence[Signs]) -> str | tuple[str, str]:
    """Whether the first step replaces much of the weights; by the next, they may have grown to it.

    RMSprop's average starts from 0, which makes its first step 1/√(1 − ρ) times too long.
    """
    signs = seen[-1]
    clipped = any(isinstance(cure, WeightClipping) for cure in signs.subject.game.cures)
    for player, optimizer in zip(PLAYERS, signs.subject.players, strict=True):
        change = signs.change[player] * (1 - getattr(optimizer, "rho", 0)) ** 0.5
        told = signs.step == 1 and not (clipped and player == DISCRIMINATOR)
        if change > TOO_FAST and told:
            message = f"a step changes the {player}'s weights by {change:.2g} times their size"
            return message, _rate(optimizer, TOO_FAST / 10 / change)
    return ""


def too_slow(seen: Sequence[Signs]) -> str | tuple[str, str]:
    """Whether the first rounds hardly moved the weights, though there was a gradient."""
    for player, optimizer in zip(PLAYERS, seen[-1].subject.players, strict=True):
        change = max(s.change[player] for s in seen)
        pull = min(max(s.leverage[player].values(), default=0) for s in seen)
        if seen[0].step == 1 and change < TOO_SLOW and pull > VANISHED and not _rises(optimizer):
            if not change:
                message = f"a step at rate {optimizer.lr:g} does not change the {player}'s weights"
                return message, "give it a learning rate such as 1e-3"
            message = (
                f"a step changes the {player}'s weights by {change:.1g} of their size: "
                f"{1 / change:,.0f} steps to replace them"
            )
            return message, _rate(optimizer, 10 * TOO_SLOW / change)
    return ""


def dead(seen: Sequence[Signs]) -> str:
    """Whether most ReLUs of a layer fire for no image."""
    for name, fired in seen[-1].fired.items():
        for s in seen[:-1]:
            fired = fired | s.fired.get(name, False)
        share = 1 - float(fired.mean())
        if share > DEAD:
            return (
                f"{share:.0%} of the units of {name} (ReLU) fired for no image in {len(seen)} looks"
            )
    return ""


def by_heart(seen: Sequence[Signs]) -> str:
    """Whether the discriminator takes unknown real images for fakes."""
    pairs = [s.margins for s in seen if s.margins is not None]
    if len(pairs) < len(seen):
        return ""
    over_unknown, over_fakes = (fmean(pair[i] for pair in pairs) for i in (0, 1))
    if over_unknown > max(APART, BY_HEART * over_fakes) and over_fakes > 0:
        return (
            "real images that the discriminator has not learned from score "
            f"{over_unknown / over_fakes:.0%} of the way down to fakes"
        )
    return ""


_SWITCH = 'use the loss "non_saturating", '
_STRONGER = "use fewer layers, LeakyReLU and BatchNorm, or a weaker discriminator"

CHECKS = (
    Check("batch of one", 1, alone, "train with larger batches, or with LayerNorm or PixelNorm"),
    Check("swapped labels", 1, swapped, "exchange real and fake in the loss, or undo what does"),
    Check("learning rate too high", 1, too_fast),
    Check("learning rate too low", 5, too_slow),
    Check(
        "dead units", 5, dead,
        "use LeakyReLU, a lower learning rate, and biases that start from 0",
    ),
    Check(
        "exploding gradient", 3, exploded,
        "bound the discriminator (GradientPenalty, R1, WeightClipping), lower the rate, or pass "
        "clip_norm to the optimiser",
    ),
    Check("vanishing generator gradient", 5, vanished),
    Check(
        "mode collapse", 5, collapsed,
        "lower the generator's rate beside the discriminator's, or add R1, Packed or Unrolled",
    ),
    Check(
        "saturated discriminator", 5, saturated,
        "lower its learning rate, raise the generator's, or add R1 or "
        "InstanceNoise, or smooth labels: loss=NonSaturating(real_label=0.9)",
    ),
    Check(
        "memorised data", 5, by_heart,
        "add DiffAugment or AdaptiveAugment, Dropout in the discriminator, or more images",
    ),
)  # fmt: skip
"""What is looked at as a run goes on, causes before what follows from them."""


def odd_settings(
    player: str, network: Module, optimizer: Optimizer
) -> Iterator[tuple[str, str, str]]:
    """(name, message, advice) of settings that look like another setting's."""
    modules = {f"{player}.{path}": module for path, module in network.named_modules()}
    for name, owner in {**modules, f"the {player}'s optimiser": optimizer}.items():
        title, eps = f"{name} ({type(owner).__name__})", getattr(owner, "eps", 0)
        if isinstance(eps, float) and eps >= LARGE_EPS:
            message = f"{title} has eps={eps:g}, beside which what it is added to is small"
            yield "epsilon", message, "it guards a division: pass 1e-3 or less, momentum elsewhere"
        if isinstance(owner, BatchNorm) and owner.decay < SHORT_MEMORY:
            message = f"{title} has decay={owner.decay:g} and forgets all but the last batches"
            yield "decay", message, "for PyTorch's momentum m pass decay=1 - m"


def odd_loss(game: Game) -> Iterator[tuple[str, str, str]]:
    """(name, message, advice) of a loss that the discriminator does not go with."""
    loss, judge = played(game.loss), game.discriminator
    name, raw = type(loss).__name__, isinstance(loss, (Hinge, Wasserstein))
    takes_logits = raw or type(loss).score is Loss.score
    if takes_logits and any(isinstance(last, Sigmoid) for last in _scoring(judge)):
        message = f"{name} takes raw scores, but the discriminator ends in a Sigmoid"
        yield "probabilities", message, 'leave it out, or play the loss "binary_cross_entropy"'
    layers = (module for _, module in judge.named_modules())
    bounded = any(map(_may_bound, game.cures)) or any(isinstance(m, _BOUNDED) for m in layers)
    if isinstance(loss, Wasserstein) and not bounded:
        message = f"{name} is played with nothing to bound the critic's slope"
        advice = "add GradientPenalty or WeightClipping, or put SpectralNorm around its layers"
        yield "unbounded critic", message, advice


_BOUNDED = (SpectralNorm, GradientNormalized)
_NO_BOUND = (Classification, Information, AdaptiveAugment, HistoryPool, Orthogonal)


def _may_bound(cure: Cure) -> bool:
    """Whether it adds to D's loss or acts on its weights; what another's own does is not known."""
    kind = type(cure)
    acts = kind.discriminator is not Cure.discriminator or kind.moved is not Cure.moved
    return acts and not isinstance(cure, _NO_BOUND)


def _scoring(network: Module) -> Iterator[Module]:
    """The layers that scores come out of."""
    last = last_of(network)
    if isinstance(last, Heads):
        yield from () if last.logits is None else _scoring(last.logits)
    elif isinstance(last, Packed):
        yield from _scoring(last.discriminator)
    elif isinstance(last, Several):
        for one in last.discriminators:
            yield from _scoring(one)
    else:
        yield last


def _rises(optimizer: Optimizer) -> bool:
    """Whether its learning rate has risen, as it does at first in a run that warms up."""
    return optimizer.schedule is not None and optimizer.schedule(0) < optimizer.lr


def _rate(optimizer: Optimizer, factor: float) -> str:
    """To try so many times the learning rate."""
    return f"try a learning rate of about {optimizer.lr * factor:.0e} in place of {optimizer.lr:g}"


def _long(signs: Signs) -> bool:
    """Whether there are enough reports to tell a habit."""
    return len(signs.reports) >= REPORTS
