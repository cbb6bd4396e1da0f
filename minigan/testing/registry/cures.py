"""Entries of cures: each term as a function of its player's weights, each view of its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ... import gan, nn
from ...backend import device_of, to_device
from ...gan.cures import DISCRIMINATOR, GENERATOR, Moment, Streams, Turn, objective
from ...gan.records import Batch, Draw
from ...nn.module import as_array
from ...tensor import Tensor, no_grad, substituted
from .draws import Rng, chance, number, pick, values, whole
from .entries import Case, register

WITHOUT_GRADIENT = {"HistoryPool", "WeightClipping"}
"""The cures without a gradient of their own: they choose images, and write weights."""

Settings = dict[str, Any]


class Played:
    """A small smooth game of float64 networks, and a turn of it."""

    def __init__(self, rng: Rng, cure: gan.Cure, loss: gan.Loss | None = None) -> None:
        classes, image = 3, (whole(rng, 2, 4), 2, whole(rng, 1, 2))
        told, coded = isinstance(cure, gan.Classification), isinstance(cure, gan.Information)
        latent = gan.Codes(1, (2,), 1) if coded else gan.Normal(2)
        pixels = _dense(image[0] * image[1] * image[2])
        generator: nn.Module = nn.Sequential(pixels, nn.Tanh(), nn.Reshape(*image))
        discriminator = gan.Heads(
            nn.Sequential(nn.Flatten(), _dense(whole(rng, 2, 4)), nn.Softplus()),
            _dense(1, use_bias=False),  # most terms are of differences, where a bias cancels
            _dense(classes) if told else None,
            _dense(3) if coded else None,
        )
        self.game = gan.Game(
            _Labelled(generator) if told else generator,
            discriminator,
            loss or "hinge",
            latent,
            cures=[cure],
            conditioning=gan.Labels(classes, discriminator=False) if told else None,
        )
        self.game.build(seed=0)
        for network in (self.game.generator, self.game.discriminator):
            for parameter in network.parameters():
                parameter.assign(values(rng, parameter.shape))
        count = whole(rng, 2, 4)
        labels = rng.integers(0, classes, count)
        images = values(rng, (count, *image))
        drawn = latent.draw(count, Streams.of(0, 0).latent)
        self.batch = Batch(images, labels, labels if told else None)
        self.draw = Draw(drawn.astype(np.float64), self.batch.condition)
        self.memories = {
            id(cure): {name: values(rng, a.shape) for name, a in cure.start(self.game).items()}
        }
        self.seed, self.step = whole(rng, 0, 99), 5
        with no_grad():
            self.fakes = self.game.generate(self.draw)

    def to(self, device: str) -> None:
        """Move the game and all that belongs to the turn there, as a trainer does."""
        for network in (self.game.generator, self.game.discriminator):
            network.to(device)
        noise, images = to_device(self.draw.noise, device), to_device(self.batch.images, device)
        condition = self.batch.condition
        if condition is not None:
            condition = to_device(condition, device)
        self.batch = self.batch._replace(images=images, condition=condition)
        self.draw, self.fakes = Draw(noise, condition), self.fakes.to(device)
        for memory in self.memories.values():
            memory.update({n: to_device(a, device) for n, a in memory.items() if a.ndim})

    def turn(self, player: str, judged: bool = True) -> Turn:
        """The player's turn, up to what the discriminator says; the same in every call."""
        moment = Moment(self.step, Streams.of(self.seed, self.step), self.memories)
        images = self.fakes if player == DISCRIMINATOR else self.game.generate(self.draw)
        turn = Turn(player, self.game, self.batch, self.draw, moment, images)
        turn = replace(turn, shown=(self.batch.images, images))
        if not judged:
            return turn
        return replace(
            turn, real=turn.judge(turn.shown[0]), fake=turn.judge(turn.shown[1], generated=True)
        )


def _dense(units: int, use_bias: bool = True) -> nn.Module:
    return nn.Dense(units, use_bias=use_bias, dtype="float64")


class _Labelled(nn.Module):
    """A generator that is told a label, and adds it to its noise."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def forward(self, z: Any, labels: Any) -> Any:
        labels = to_device(as_array(labels), device_of(as_array(z)))
        return self.network(z + 0.1 * labels[:, None])


def _term(
    name: str, players: list[str], draw: Callable[[Rng, str], Settings], judged: bool = True
) -> None:
    """A cure's term of the moving player's weights; ``judged`` if it reads what D says."""

    def make(rng: Rng) -> Case:
        player = pick(rng, players)
        settings = draw(rng, player)
        cure = getattr(gan, name)(**settings)
        played = Played(rng, cure)
        return _of_weights(played, player, getattr(cure, player), settings, judged)

    register(name)(make)


def _of_weights(
    played: Played,
    player: str,
    term: Callable[[Turn], Any],
    settings: Settings,
    judged: bool = True,
) -> Case:
    parameters = getattr(played.game, player).parameters()

    def function(*tensors: Tensor) -> Any:
        played.to(tensors[0].device)
        with substituted(parameters, tensors):
            return term(played.turn(player, judged))

    inputs = [p.numpy() for p in parameters]
    return Case(function, inputs, {**_plain(settings), "shape": played.batch.images.shape})


def _plain(settings: Settings) -> Settings:
    """The settings as plain numbers, those of changes among them."""
    found = {name: value for name, value in settings.items() if name != "changes"}
    return found | (asdict(settings["changes"]) if "changes" in settings else {})


def _weight(rng: Rng) -> float:
    return number(rng, 0.3, 2.0)


_BOTH = [DISCRIMINATOR, GENERATOR]

_term("R1", [DISCRIMINATOR], lambda rng, _: {"gamma": _weight(rng)}, judged=False)
_term("R2", [DISCRIMINATOR], lambda rng, _: {"gamma": _weight(rng)}, judged=False)
_term(
    "GradientPenalty",
    [DISCRIMINATOR],
    lambda rng, _: {
        "weight": _weight(rng),
        "target": number(rng, 0.0, pick(rng, [0.2, 1.0])),
        "one_sided": chance(rng),
    },
    judged=False,
)
_term(
    "Dragan",
    [DISCRIMINATOR],
    lambda rng, _: {"weight": _weight(rng), "spread": number(rng, 0.1, 1.0)},
    judged=False,
)
_term(
    "LatentConsistency",
    _BOTH,
    lambda rng, _: {
        "weight": _weight(rng),
        "generator_weight": _weight(rng),
        "spread": number(rng, 0.2, 0.5),
    },
)
_term("LeCam", [DISCRIMINATOR], lambda rng, _: {"weight": _weight(rng)})
_term("Orthogonal", _BOTH, lambda rng, player: {"weight": _weight(rng), "of": player}, judged=False)
_term("HistoricalAveraging", _BOTH, lambda rng, _: {"weight": _weight(rng)}, judged=False)
_term(
    "Classification",
    _BOTH,
    lambda rng, _: {
        "real": _weight(rng),
        "fake": _weight(rng),
        "generator_weight": _weight(rng),
    },
)
_term(
    "Information",
    _BOTH,
    lambda rng, _: {"weight": _weight(rng), "continuous": _weight(rng)},
)


def _changes(rng: Rng, warped: bool = True) -> gan.Augmentation:
    """Some changes of every kind."""

    def some(low: float, high: float, allowed: bool = True) -> float:
        return number(rng, low, high) if allowed and chance(rng) else 0.0

    return gan.Augmentation(
        rotate=some(5, 30, warped),
        flip=warped and chance(rng),
        scale=some(0.05, 0.2, warped),
        translate=some(0.1, 0.3, warped),
        cutout=some(0.3, 0.4),
        brightness=some(0.1, 1),
        contrast=some(0.1, 0.5),
        saturation=some(0.1, 0.5),
        fill=number(rng, -1, 1),
    )


_term(
    "Consistency",
    [DISCRIMINATOR],
    lambda rng, _: {
        "weight": _weight(rng),
        "fake_weight": _weight(rng),
        "changes": _changes(rng, warped=chance(rng, 0.3)),
    },
)


def _view(name: str, draw: Callable[[Rng], Settings]) -> None:
    """What a cure shows, as a function of the images."""

    def make(rng: Rng) -> Case:
        settings = draw(rng)
        cure = getattr(gan, name)(**settings)
        moment = Moment(3, Streams.of(whole(rng, 0, 99), 3), {id(cure): {"probability": 0.7}})
        images = values(rng, (2, whole(rng, 3, 4), whole(rng, 2, 3), pick(rng, [1, 3])))

        def function(x: Tensor) -> Any:
            streams = Streams.of(moment.streams.latent.seed, moment.step)
            turn: Any = _Moment(moment._replace(streams=streams))
            return cure.show(x, turn)

        return Case(function, [images], {**_plain(settings), "shape": images.shape})

    register(name)(make)


class _Moment:
    """As much of a turn as there is before the discriminator judges."""

    game = SimpleNamespace(image_range=None)

    def __init__(self, moment: Moment) -> None:
        self.moment, self.step, self.streams = moment, moment.step, moment.streams

    def memory(self, cure: gan.Cure) -> Any:
        return self.moment.memories[id(cure)]


_view("DiffAugment", lambda rng: {"changes": _changes(rng)})
_view("AdaptiveAugment", lambda rng: {"changes": _changes(rng)})
_view("InstanceNoise", lambda rng: {"std": number(rng, 0.1, 1), "steps": pick(rng, [None, 10])})


def _chosen(name: str, player: str, draw: Callable[[Rng], Settings]) -> None:
    """The whole objective of a player whose loss sees other outputs than were judged."""

    @register(name)
    def make(rng: Rng) -> Case:
        settings = draw(rng)
        played = Played(rng, getattr(gan, name)(**settings), gan.LeastSquares())
        return _of_weights(played, player, objective, settings)


_chosen("LabelFlip", DISCRIMINATOR, lambda rng: {"probability": pick(rng, [0.3, 0.5, 0.7])})
_chosen(
    "TopK", GENERATOR, lambda rng: {"least": pick(rng, [0.3, 0.5]), "fall": number(rng, 0.1, 0.9)}
)


@register("Unrolled")
def _unrolled(rng: Rng) -> Case:
    steps, rate = whole(rng, 1, 2), number(rng, 0.05, 0.3)
    cure, settings = gan.Unrolled(steps, rate), {"steps": steps, "rate": rate}
    played = Played(rng, cure, gan.NonSaturating())

    def ahead(turn: Turn) -> Any:
        with cure.judging(turn):
            turn = replace(turn, fake=turn.judge(turn.shown[1], generated=True))
        return objective(turn)

    return _of_weights(played, GENERATOR, ahead, settings)
