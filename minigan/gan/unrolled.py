"""Unrolling: the generator plays against what the discriminator is about to become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..arguments import number, whole
from ..autograd import grad
from ..nn import Module
from ..tensor import substituted
from .cures import DISCRIMINATOR, GENERATOR, Cure, Turn, objective
from .undoing import duplicate


@dataclass(frozen=True)
class Unrolled(Cure):
    """G's loss is taken against the discriminator after ``steps`` gradient steps of size ``rate``.

    θ⁰ = θ, θᵏ⁺¹ = θᵏ − rate·∂L_D(θᵏ)/∂θᵏ on this batch, and the gradient flows back through all of
    these steps into the generator (Metz et al., 2017, eq. 4 to 7). D itself then moves as usual.
    """

    steps: int = 5
    rate: float = 1e-3
    needs_own_fakes = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("steps", self.steps)
        number("rate", self.rate, "(0, inf)")

    @contextmanager
    def judging(self, turn: Turn) -> Iterator[None]:
        if turn.player != GENERATOR:
            yield
            return
        game = turn.game
        parameters = game.discriminator.parameters()
        with _kept(game.discriminator):
            now = list(parameters)
            for _ in range(self.steps):
                with substituted(parameters, now):
                    real, fake = turn.judge(turn.shown[0]), turn.judge(turn.shown[1], True)
                    ahead = replace(turn, player=DISCRIMINATOR, real=real, fake=fake, ahead=True)
                    slopes = grad(objective(ahead), now, create_graph=True, allow_unused=True)
                now = [
                    p if g is None else p - self.rate * g for p, g in zip(now, slopes, strict=True)
                ]
            with substituted(parameters, now):
                yield


@contextmanager
def _kept(network: Module) -> Iterator[None]:
    """After the block a network's statistics are as before: none are those of weights to come."""
    trained = {id(parameter) for parameter in network.parameters()}
    others = [p for p in network.named_state().values() if id(p) not in trained]
    before = [duplicate(p._array) for p in others]
    try:
        yield
    finally:
        for parameter, array in zip(others, before, strict=True):
            parameter.assign(array)
