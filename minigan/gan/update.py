"""The update: one step of adversarial training, on one page.

Each player in turn computes its loss, takes the gradient with respect to *its own* parameters
only, and lets its optimiser step (Goodfellow et al., 2014, algorithm 1). Everything random comes
from streams that are functions of the seed and the step, so a step can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from .. import random
from ..autograd import grad
from ..backend import Array, array_module, numbers
from ..errors import GradientError, NonFiniteError
from ..optim import Optimizer
from ..tensor import Tensor, no_grad
from .cures import DISCRIMINATOR, GENERATOR, Moment, Streams, Turn, objective, shown
from .game import Game
from .latent import noise_for
from .records import Batch, Draw, Move, Output, Sums


class Players(NamedTuple):
    """The two optimisers, each bound to its network's parameters."""

    generator: Optimizer
    discriminator: Optimizer


class Scores(NamedTuple):
    """Both players' last moves of one step, and the outputs that its report is made of."""

    discriminator: Move
    generator: Move
    real: Output
    fake: Output


def alternating(
    game: Game, players: Players, batches: Sequence[Batch], moment: Moment, first: str
) -> Scores:
    """The players move one after the other, each seeing what the other has just become.

    The discriminator makes one move for each of ``batches``, the generator one in all.
    """
    with random.use(moment.streams.dropout):
        if first == "generator":
            generators = _generator_moves(game, players, batches[-1], moment)
        discriminators, turn = _discriminator_moves(game, players, batches, moment)
        if first == "discriminator":
            generators = _generator_moves(game, players, batches[-1], moment)
    return Scores(discriminators, generators, turn.real, turn.fake)


def simultaneous(game: Game, players: Players, batches: Sequence[Batch], moment: Moment) -> Scores:
    """Both players move at once, from one forward pass, so neither sees the other's move.

    With several batches the discriminator first moves alone on all but the last.
    """
    with random.use(moment.streams.dropout):
        if len(batches) > 1:
            _discriminator_moves(game, players, batches[:-1], moment)
        turn = _begun(GENERATOR, game, batches[-1], moment)
        fake, real = (_judged(turn, i) for i in (1, 0))
        turns = [replace(turn, player=p, real=real, fake=fake) for p in (GENERATOR, DISCRIMINATOR)]
        losses = [objective(turn) for turn in turns]
        # Both gradients are taken before either player moves: first the discriminator's, which
        # has little to keep the graph for, so that the generator's can free it on its way.
        for_discriminator, discriminator = _gradients(losses[1], players, turns[1], True)
        for_generator, generator = _gradients(losses[0], players, turns[0])
        players.generator.step(for_generator)
        players.discriminator.step(for_discriminator)
        _moved(*turns)
    return Scores(discriminator, generator, real, fake)


def _discriminator_moves(
    game: Game, players: Players, batches: Sequence[Batch], moment: Moment
) -> tuple[Move, Turn]:
    for batch in batches:
        with no_grad():  # the generator is not the one to learn here
            turn = _begun(DISCRIMINATOR, game, batch, moment)
        real, fake = game.judge_each(*((one, batch.condition) for one in turn.shown))
        turn = replace(turn, real=real, fake=fake)
        gradients, move = _gradients(objective(turn), players, turn)
        players.discriminator.step(gradients)
        _moved(turn)
    return move, turn


def _generator_moves(game: Game, players: Players, batch: Batch, moment: Moment) -> Move:
    with ExitStack() as stack:
        turn = _begun(GENERATOR, game, batch, moment)
        for cure in game.cures:
            stack.enter_context(cure.judging(turn))
        fake = _judged(turn, 1)
        if game.needs_real:
            turn = replace(turn, real=_judged(turn, 0))
        turn = replace(turn, fake=fake)
        gradients, move = _gradients(objective(turn), players, turn)
    players.generator.step(gradients)
    _moved(turn)
    return move


def _begun(player: str, game: Game, batch: Batch, moment: Moment) -> Turn:
    """The player's turn, up to the images that the discriminator is shown."""
    drawn = draw(game, batch, moment.streams)
    return shown(Turn(player, game, batch, drawn, moment, game.generate(drawn)))


def _judged(turn: Turn, which: int) -> Output:
    return turn.game.judge(turn.shown[which], (turn.batch, turn.draw)[which].condition)


def _moved(*turns: Turn) -> None:
    for turn in turns:
        for cure in turn.game.cures:
            cure.moved(turn)


def draw(game: Game, batch: Batch, streams: Streams) -> Draw:
    """Fresh noise for as many images as the batch has, with the batch's condition."""
    count = len(batch.images)
    return Draw(noise_for(game.generator, game.latent, count, streams.latent), batch.condition)


def _gradients(
    loss: Tensor, players: Players, turn: Turn, retain: bool = False
) -> tuple[list[Tensor | None], Move]:
    """The gradients of the player's own parameters, and the move that they make.

    Nothing else is differentiated.
    """
    name = turn.player
    parameters = getattr(players, name).parameters
    try:
        found = grad(loss, list(parameters.values()), allow_unused=True, retain_graph=retain)
    except GradientError:
        for path, parameter in parameters.items():
            if not parameter.requires_grad:
                raise GradientError(
                    f"{name}.{path} is not tracked any more, but it was when the trainer was made: "
                    "freeze parameters before that, and it leaves them alone"
                ) from None
        raise
    used = {p: g._array for p, g in zip(parameters, found, strict=True) if g is not None}
    arrays = [loss._array.reshape(()), *map(sum_of_squares, used.values())]
    sums = Sums(name, tuple(used), arrays)
    if turn.moment.judged is not None:
        return list(found), turn.moment.judged(sums)
    move, squares = judged(sums, numbers(arrays))
    if turn.moment.squares is not None:
        turn.moment.squares[name] = dict.fromkeys(parameters, 0.0) | squares
    return list(found), move


def judged(sums: Sums, values: Sequence[float]) -> tuple[Move, dict[str, float]]:
    """The move that these are the sums of, and Σg² by parameter; a bad one is an error."""
    value, *squares = values
    if not math.isfinite(value):
        raise NonFiniteError(f"the {sums.player}'s loss is {value}")
    for path, square in zip(sums.parameters, squares, strict=True):
        if not math.isfinite(square):
            raise NonFiniteError(
                f"the gradient of {sums.player}.{path} is not finite, or too large"
            )
    return Move(value, math.sqrt(sum(squares))), dict(zip(sums.parameters, squares, strict=True))


def sum_of_squares(array: Array) -> Array:
    """Σx², which optimisers keep elements of: not finite if x isn't, or is about to explode."""
    flat = array.reshape(-1)
    flat = flat.astype("float32") if flat.dtype == "float16" else flat
    return array_module(array).vdot(flat, flat)
