"""The update: one step of adversarial training, on one page.

Each player in turn computes its loss, takes the gradient with respect to *its own* parameters
only, and lets its optimiser step (Goodfellow et al., 2014, algorithm 1). Everything random comes
from streams that are functions of the seed and the step, so a step can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .. import random
from ..autograd import grad
from ..backend import Array, array_module
from ..errors import NonFiniteError
from ..kernels.bilinear import weights_unchanged
from ..optim import Optimizer
from ..tensor import Tensor, no_grad
from .game import Game
from .latent import noise_for
from .records import Batch, Draw, Output


class Streams(NamedTuple):
    """The random numbers of one step, kept apart by purpose."""

    latent: random.Stream
    dropout: random.Stream

    @classmethod
    def of(cls, seed: int, step: int) -> Streams:
        """The streams of this seed and step, from their beginning."""
        return cls(random.Stream(seed, "latent", step), random.Stream(seed, "dropout", step))


class Players(NamedTuple):
    """The two optimisers, each bound to its network's parameters."""

    generator: Optimizer
    discriminator: Optimizer


class Scores(NamedTuple):
    """The losses of one step, and the outputs that its report is made of."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    real: Output
    fake: Output


def alternating(
    game: Game, players: Players, batches: Sequence[Batch], streams: Streams, first: str
) -> Scores:
    """The players move one after the other, each seeing what the other has just become.

    The discriminator makes one move for each of ``batches``, the generator one in all.
    """

    with random.use(streams.dropout):
        if first == "generator":
            generator_loss = _generator_moves(game, players, batches[-1], streams)
        discriminator_loss, real, fake = _discriminator_moves(game, players, batches, streams)
        if first == "discriminator":
            generator_loss = _generator_moves(game, players, batches[-1], streams)
    return Scores(discriminator_loss, generator_loss, real, fake)


def simultaneous(
    game: Game, players: Players, batches: Sequence[Batch], streams: Streams
) -> Scores:
    """Both players move at once, from one forward pass, so neither sees the other's move.

    With several batches the discriminator first moves alone on all but the last.
    """
    with random.use(streams.dropout):
        if len(batches) > 1:
            _discriminator_moves(game, players, batches[:-1], streams)
        batch = batches[-1]
        with weights_unchanged():
            fake = _judge(game, batch, game.generate(draw(game, batch, streams)))
            real = _judge(game, batch, batch.images)
            losses = game.loss.generator(real, fake), game.loss.discriminator(real, fake)
            # Both gradients are taken before either player moves: first the discriminator's, which
            # has little to keep the graph for, so that the generator's can free it on its way.
            player = players.discriminator
            for_discriminator = _gradients(losses[1], player, "discriminator", retain=True)
            for_generator = _gradients(losses[0], players.generator, "generator")
        players.generator.step(for_generator)
        players.discriminator.step(for_discriminator)
    return Scores(losses[1], losses[0], real, fake)


def _discriminator_moves(
    game: Game, players: Players, batches: Sequence[Batch], streams: Streams
) -> tuple[Tensor, Output, Output]:
    for batch in batches:
        with no_grad():  # the generator is not the one to learn here
            images = game.generate(draw(game, batch, streams))
        with weights_unchanged():
            real, fake = game.judge_both(batch.images, images, batch.condition)
            loss = game.loss.discriminator(real, fake)
            gradients = _gradients(loss, players.discriminator, "discriminator")
        players.discriminator.step(gradients)
    return loss, real, fake


def _generator_moves(game: Game, players: Players, batch: Batch, streams: Streams) -> Tensor:
    with weights_unchanged():
        fake = _judge(game, batch, game.generate(draw(game, batch, streams)))
        real = _judge(game, batch, batch.images) if game.loss.paired else None
        loss = game.loss.generator(real, fake)
        gradients = _gradients(loss, players.generator, "generator")
    players.generator.step(gradients)
    return loss


def draw(game: Game, batch: Batch, streams: Streams) -> Draw:
    """Fresh noise for as many images as the batch has, with the batch's condition."""
    count = len(batch.images)
    return Draw(noise_for(game.generator, game.latent, count, streams.latent), batch.condition)


def _judge(game: Game, batch: Batch, images: object) -> Output:
    return game.judge(images, batch.condition)


def _gradients(
    loss: Tensor, player: Optimizer, name: str, retain: bool = False
) -> list[Tensor | None]:
    """The gradients of the player's own parameters: nothing else is differentiated."""
    if not math.isfinite(loss.item()):
        raise NonFiniteError(f"the {name}'s loss is {loss.item()}")
    parameters = player.parameters
    found = grad(loss, list(parameters.values()), allow_unused=True, retain_graph=retain)
    for path, g in zip(parameters, found, strict=True):
        if g is not None and not math.isfinite(_square(g._array)):
            raise NonFiniteError(f"the gradient of {name}.{path} is not finite, or too large")
    return list(found)


def _square(array: Array) -> float:
    """Σg², which optimisers keep elements of: not finite if g isn't, or is about to explode."""
    flat = array.reshape(-1)
    flat = flat.astype("float32") if flat.dtype == "float16" else flat
    return float(array_module(array).vdot(flat, flat))
