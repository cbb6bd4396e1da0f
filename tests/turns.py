"""Turns to try cures on: five images, a discriminator whose slopes are known."""

from __future__ import annotations

from dataclasses import replace

import devices
import numpy as np

import minigan as mg
from minigan import nn
from minigan.backend import to_device
from minigan.gan import Game, Normal
from minigan.gan.cures import Moment, Streams, Turn
from minigan.gan.records import Batch, Draw
from minigan.nn import Parameter

N, SHAPE = 5, (2, 3, 1)
RNG = np.random.default_rng(0)


class Quadratic(nn.Module):
    """s(x) = ½xᵀAx + bᵀx of the flattened image, so ∇s = Ax + b."""

    def __init__(self, a, b):
        self.a, self.b = Parameter(a), Parameter(b)

    def forward(self, x):
        x = mg.reshape(x, (len(x), -1))
        return (0.5 * (x @ self.a) * x + x * self.b).sum(axis=1, keepdims=True)


class Images(nn.Module):
    """A generator without a secret: x = tanh(z·W)."""

    def __init__(self):
        self.w = Parameter(RNG.normal(size=(4, 6)))

    def forward(self, z):
        return mg.reshape(mg.tanh(z @ self.w), (len(z), *SHAPE))


def symmetric():
    a = RNG.normal(size=(6, 6))
    return a + a.T


def turn_of(player, *cures, discriminator=None, step=3, memories=None):
    discriminator = discriminator or Quadratic(symmetric(), RNG.normal(size=6))
    game = Game(Images(), discriminator, "hinge", Normal(4), image_range=(-1, 1), cures=cures)
    images, noise = (RNG.normal(size=size) for size in ((N, *SHAPE), (N, 4)))
    batch = Batch(to_device(images, devices.default()))
    draw = Draw(to_device(noise, devices.default()))
    memories = {id(cure): memories or cure.start(game) for cure in cures}
    turn = Turn(player, game, batch, draw, Moment(step, Streams.of(7, step), memories), None)
    turn = replace(turn, images=game.generate(draw))
    turn = replace(turn, shown=(batch.images, turn.images))
    return replace(turn, real=turn.judge(turn.shown[0]), fake=turn.judge(turn.shown[1]))
