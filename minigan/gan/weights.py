"""Cures that act on weights: clipping, and staying near their own past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import number
from ..backend import Array, array_module
from ..nn import Module
from ..tensor import Tensor
from .cures import DISCRIMINATOR, GENERATOR, Cure, Turn, added

if TYPE_CHECKING:
    from .game import Game


@dataclass(frozen=True)
class WeightClipping(Cure):
    """Every weight of the discriminator held to [−limit, limit] after each of its moves.

    (Arjovsky, Chintala and Bottou, 2017, algorithm 1, with the limit 0.01.)
    """

    limit: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        number("limit", self.limit, "(0, inf)")

    def moved(self, turn: Turn) -> None:
        if turn.player == DISCRIMINATOR:
            for parameter in turn.game.discriminator.parameters():
                array = parameter._array
                parameter.assign(array_module(array).clip(array, -self.limit, self.limit))


@dataclass(frozen=True)
class HistoricalAveraging(Cure):
    """weight·‖θ − (1/t)·Σθ[i]‖² for each player, θ[i] its weights after its i-th move.

    (Salimans et al., 2016, section 3.3.) The first weights, before any move, count as one of them.
    """

    weight: float = 1.0

    def start(self, game: Game) -> dict[str, Array]:
        means = {
            f"{player}.{name}": parameter.numpy()
            for player in (GENERATOR, DISCRIMINATOR)
            for name, parameter in getattr(game, player).named_parameters().items()
        }
        return means | {player: np.ones(()) for player in (GENERATOR, DISCRIMINATOR)}

    def generator(self, turn: Turn) -> Tensor:
        return self._distance(turn, turn.game.generator)

    def discriminator(self, turn: Turn) -> Tensor:
        return self._distance(turn, turn.game.discriminator)

    def moved(self, turn: Turn) -> None:
        memory = turn.memory(self)
        memory[turn.player] += 1
        for name, parameter in getattr(turn.game, turn.player).named_parameters().items():
            mean = memory[f"{turn.player}.{name}"]
            mean += (parameter._array - mean) / mean.dtype.type(float(memory[turn.player]))

    def _distance(self, turn: Turn, network: Module) -> Tensor:
        means = turn.memory(self)
        named = {f"{turn.player}.{name}": p for name, p in network.named_state().items()}
        gaps = [p - means[name].copy() for name, p in named.items() if name in means]
        return self.weight * added((gap * gap).sum() for gap in gaps)
