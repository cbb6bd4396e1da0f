"""What is added to a game against collapse and instability: one small interface for all of it.

A move goes: the generator makes images; what the discriminator is *shown* may be changed; it
judges; the loss is computed from what was *judged*, terms are added to it, and the player moves.
A cure steps in at one or more of these points, and a game takes any list of them. What one
remembers from move to move are arrays that the trainer keeps with its state, so cures themselves
are plain settings, which several games can share.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import number
from ..backend import Array, array_module, capturing
from ..errors import NotCapturable
from ..nn.module import as_array
from ..random import Stream
from ..tensor import Tensor, as_tensor
from .heads import judges_side_by_side
from .records import Batch, Draw, Move, Output, Sums

if TYPE_CHECKING:
    from .game import Game

DISCRIMINATOR, GENERATOR = "discriminator", "generator"


class Streams(NamedTuple):
    """The random numbers of one step, kept apart by purpose."""

    latent: Stream
    dropout: Stream
    augmentation: Stream
    penalty: Stream

    @classmethod
    def of(cls, seed: int, step: int, noise_on: str = "cpu") -> Streams:
        """The streams of this seed and step, from their beginning; where noise is made."""
        devices = {"latent": noise_on}
        return cls(*(Stream(seed, n, step, devices.get(n, "cpu")) for n in cls._fields))

    def later(self, step: Array) -> Streams:
        """The same at the step that a GPU's memory has by then: see ``Stream.later``."""
        return Streams(*(stream.later(step) for stream in self))


class Moment(NamedTuple):
    """When a move is made: the step, its random numbers, and what each cure remembers.

    Where ``squares`` is a dict, the update leaves Σg² there, by player and parameter. ``judged``
    is called with each move's sums before the player moves, in place of a look at them.
    """

    step: int
    streams: Streams
    memories: Mapping[int, dict[str, Array]] = {}
    squares: dict[str, dict[str, float]] | None = None
    judged: Callable[[Sums], Move] | None = None


@dataclass(frozen=True)
class Turn:
    """One player's move, as far as it has got.

    ``images`` are the generator's, tracked only in its own move; ``shown`` are the (real, fake)
    images that the discriminator was given, ``real`` and ``fake`` what it said of them: None until
    it has, and ``real`` is None in a generator's move that does not look at it.
    """

    player: str
    game: Game
    batch: Batch
    draw: Draw
    moment: Moment
    images: Any
    shown: tuple[Any, Any] = (None, None)
    real: Output = None  # type: ignore[assignment]
    fake: Output = None  # type: ignore[assignment]
    ahead: bool = False
    """Whether this is a move that the generator looks ahead to, and learns through."""

    @property
    def streams(self) -> Streams:
        return self.moment.streams

    @property
    def step(self) -> int:
        """How many steps were taken before this one."""
        if capturing.get():
            raise NotCapturable("a cure changes with the number of steps")
        return self.moment.step

    def memory(self, cure: Cure) -> dict[str, Array]:
        """What that cure remembers, by name; arrays to be written into."""
        found = self.moment.memories[id(cure)]
        if capturing.get() and any(array_module(array) is np for array in found.values()):
            raise NotCapturable(f"{type(cure).__name__} keeps numbers on the CPU")
        return found

    def judge(self, images: Any, generated: bool = False) -> Output:
        """The discriminator's output on other images, of the real ones' or the fakes' condition."""
        return self.game.judge(images, (self.draw if generated else self.batch).condition)

    def fixed(self, images: Any) -> Tensor:
        """The images for a term of the discriminator's, which is no function of the generator;
        but in a look-ahead it is.
        """
        return as_tensor(images) if self.ahead else Tensor(as_array(images))

    def of_each_judge(self, term: Tensor) -> Tensor:
        """A mean over all scores as the sum over judges of each one's mean, if the loss is such.

        So a term weighs as much beside ``Several`` judges' loss as beside that of one.
        """
        if not self.game.loss.adds_judges:
            return term
        return judges_side_by_side(self.game.discriminator) * term

    def alike(self, *images: Any) -> list[Any]:
        """Sets of images as the discriminator would be shown them, each by the same draws."""
        found = []
        for one in images:
            streams = self.streams._replace(augmentation=self.streams.augmentation.apart("alike"))
            turn = replace(self, moment=self.moment._replace(streams=streams))
            for cure in self.game.cures:
                one = cure.show(one, turn)
            found.append(one)
        return found


class Cure:
    """The points at which a cure can step in; each does nothing unless overridden."""

    needs_real = False
    """Whether the generator's move must judge real images too."""
    needs_own_fakes = False
    """Whether the discriminator's move needs fakes apart from the generator's: alternating only."""
    asks_for_noise = False
    """Whether it asks what noise the fakes were made of that the discriminator has judged."""

    def __post_init__(self) -> None:
        """Settings that are numbers are weights, rates and the like, none below zero."""
        settings: Any = self  # a dataclass, as this is called
        for name in (setting.name for setting in fields(settings) if setting.type == "float"):
            number(name, getattr(self, name), "[0, inf)")

    def start(self, game: Game) -> dict[str, Array]:
        """What it remembers, as first values. Raises ``ValueError`` if the game can't have it."""
        return {}

    def objection(self, game: Game) -> tuple[str, str] | None:
        """What speaks against it in this game, and what to do instead, if anything does."""
        return None

    def fakes(self, turn: Turn) -> Any:
        """The fakes that the discriminator learns from, in its own move."""
        return turn.images

    def show(self, images: Any, turn: Turn) -> Any:
        """Images, real or fake, as the discriminator sees them, in either player's move."""
        return images

    def judging(self, turn: Turn) -> AbstractContextManager[Any]:
        """What holds while the discriminator judges."""
        return nullcontext()

    def judged(self, turn: Turn) -> Turn:
        """The turn with the outputs that the loss is to look at."""
        return turn

    def discriminator(self, turn: Turn) -> Tensor | None:
        """What is added to the discriminator's loss."""
        return None

    def generator(self, turn: Turn) -> Tensor | None:
        """What is added to the generator's loss."""
        return None

    def moved(self, turn: Turn) -> None:
        """After the player's move: change its weights, or remember something."""


def added(terms: Iterable[Tensor]) -> Tensor:
    """Their sum, of their dtype."""
    return reduce(operator.add, terms)


def shown(turn: Turn) -> Turn:
    """The turn with the images that the discriminator is to see."""
    real, fake = turn.batch.images, turn.images
    for cure in turn.game.cures:
        if turn.player == DISCRIMINATOR:
            fake = cure.fakes(replace(turn, images=fake))
    for cure in turn.game.cures:
        real, fake = cure.show(real, turn), cure.show(fake, turn)
    return replace(turn, shown=(real, fake))


def objective(turn: Turn) -> Tensor:
    """What the player minimises: the game's loss of the outputs, and what cures add to it."""
    seen = turn
    for cure in turn.game.cures:
        seen = cure.judged(seen)
    loss = getattr(turn.game.loss, turn.player)(seen.real, seen.fake)
    terms = (getattr(cure, turn.player)(turn) for cure in turn.game.cures)
    return added([loss, *(term for term in terms if term is not None)])
