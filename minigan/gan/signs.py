"""Signs: what the doctor sees of one step, all of it cheap, none of it changing a bit.

The step's own passes are watched, and the sums of squares that it takes anyway are kept, so that
little is computed for the doctor alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import log, prod
from statistics import median
from typing import Any, NamedTuple

from ..backend import Array, array_module, numbers, to_device
from ..nn import Embedding, MinibatchStdDev, Module, ReLU, training, watch
from ..nn.context import watcher_in_force
from ..tensor import Tensor, no_grad
from .cures import DISCRIMINATOR, GENERATOR
from .game import Game
from .heads import images_together
from .losses import Loss, Minimax, played
from .records import Batch, Output, Report
from .update import Players, Scores, sum_of_squares

PLAYERS = (GENERATOR, DISCRIMINATOR)
_IMAGES = 32  # of a batch are compared with one another
_SIDE = 8  # pixels, at most, that are left of an image's height and width for it
_SURE = 99.0  # a score whose softplus is itself, its negative's 0
_WEIGHTS = 1024  # of each matrix are followed through a step


class Subject:
    """Whom the signs are of; what never changes is looked up once."""

    def __init__(self, game: Game, players: Players) -> None:
        self.game, self.players = game, players
        tables = {  # labels look up a row; that is no layer which gradients pass through
            id(module.weight)
            for player in PLAYERS
            for _, module in getattr(game, player).named_modules()
            if isinstance(module, Embedding)
        }
        self.matrices = {
            player: {
                name: p
                for name, p in getattr(players, player).parameters.items()
                if p.ndim > 1 and id(p) not in tables
            }
            for player in PLAYERS
        }
        self.units = {
            id(module): f"{player}.{path}"
            for player in PLAYERS
            for path, module in getattr(game, player).named_modules()
            if type(module) is ReLU
        }

    def some_weights(self) -> dict[str, list[Array]]:
        """Copies of some of each matrix, by player."""
        return {
            player: [_some(p._array) for p in held.values()]
            for player, held in self.matrices.items()
        }


def _some(matrix: Array) -> Array:
    return matrix.reshape(-1)[:: max(1, -(-matrix.size // _WEIGHTS))].copy()


class Signs:
    """What one step showed.

    ``reports`` are those of the last steps, this one's the last; ``images`` is how many the batch
    had. ``loss`` is the game's loss of
    D's scores, without what cures do to it. By player, ``change`` is how far the step moved the
    matrices of weights over their size, ‖Δw‖/‖w‖, and ``leverage`` has for each matrix ‖g‖·‖w‖:
    about what the loss would change by if that matrix doubled. ``variety`` is how far fakes are
    from their nearest neighbours in the batch, over how far real images are, all seen without
    their finest detail. ``fired`` has, for each ReLU, which units did for any image. ``margins``
    are by how many standard deviations real images score above held-out ones, where there are
    any, and above fakes.
    """

    variety = 1.0
    margins: tuple[float, float] | None = None
    scores: Any = None  # of the step, until it is complete

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.squares: dict[str, dict[str, float]] = {}
        self.fired: dict[str, Array] = {}
        self._fakes: Array | None = None
        self._before = subject.some_weights()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look on while the step is taken."""
        outer = watcher_in_force.get()
        units, generator = self.subject.units, self.subject.game.generator

        def look(module: Module, result: Any) -> None:
            if outer is not None:
                outer(module, result)
            if id(module) in units:
                array, name = result._array, units[id(module)]
                fires = array.max(axis=tuple(range(array.ndim - 1))) > 0
                self.fired[name] = fires | self.fired.get(name, False)
            elif module is generator:
                self._fakes = result._array

        with watch(look):
            yield

    def complete(
        self, reports: Sequence[Report], facts: Facts, batch: Batch, held_out: Batch | None
    ) -> None:
        """Take in what the step ended with; nothing large is kept."""
        self.reports, self.facts, self.step = reports, facts, reports[-1].step
        self.loss, self.images = reports[-1].discriminator_loss, len(batch.images)
        if self.subject.game.cures:
            with no_grad():
                loss = self.subject.game.loss.discriminator(self.scores.real, self.scores.fake)
            self.loss = loss.item()
        now = self.subject.some_weights()
        self.change = {p: _relative(now[p], before) for p, before in self._before.items()}
        self.leverage = {}
        for player, squares in self.squares.items():
            named = self.subject.matrices[player]
            sizes = numbers(sum_of_squares(p._array) for p in named.values())
            pairs = zip(named, sizes, strict=True)
            self.leverage[player] = {name: (squares[name] * size) ** 0.5 for name, size in pairs}
        self.fired = {name: to_device(fires, "cpu") for name, fires in self.fired.items()}
        if self._fakes is not None:
            self.variety = _variety(self._fakes, batch.images)
            if held_out is not None:
                self.margins = _margins(self.subject.game, batch, held_out, self._fakes)
        self._fakes, self.scores, self._before = None, None, {}


class Facts(NamedTuple):
    """What a loss is like: D's for one that can't tell, and for one that is sure where labels are
    smoothed, else 0; and who wants real scores below fakes'.
    """

    chance: float
    least: float
    reversed: dict[str, bool]

    @classmethod
    def of(cls, loss: Loss, scores: Scores) -> Facts:
        """Found by giving it made-up scores in the place of these: 0, ½, and ¼ against ¾."""

        def alike(output: Output, score: float) -> Output:
            xp = array_module(output.logits._array)
            return output._replace(logits=Tensor(xp.full_like(output.logits._array, score)))

        def judged(player: str, real: float, fake: float) -> float:
            outputs = alike(scores.real, real), alike(scores.fake, fake)
            return float(getattr(loss, player)(*outputs).item())

        with no_grad():
            chance = min(judged(DISCRIMINATOR, x, x) for x in (0.0, 0.5))  # a score, a probability
            inner = played(loss)
            label = inner.real_label if isinstance(inner, Minimax) else 1.0
            least = judged(DISCRIMINATOR, log(label / (1 - label)), -_SURE) if label < 1 else 0.0
            against = judged(DISCRIMINATOR, 0.75, 0.25) > judged(DISCRIMINATOR, 0.25, 0.75)
            away = judged(GENERATOR, 0.5, 0.75) > judged(GENERATOR, 0.5, 0.25)
        return cls(chance, least, {DISCRIMINATOR: against, GENERATOR: away})


def _length(arrays: Sequence[Array]) -> float:
    return sum(numbers(map(sum_of_squares, arrays))) ** 0.5


def _relative(now: Sequence[Array], before: Sequence[Array]) -> float:
    """‖now − before‖/‖before‖, 0 where all were 0."""
    size = _length(before)
    return _length([a - b for a, b in zip(now, before, strict=True)]) / size if size else 0.0


def _variety(fake: Array, real: Array) -> float:
    ours, theirs = (_nearest(_coarse(x[:_IMAGES])) for x in (fake, real))
    return ours / theirs if theirs > 0 else 1.0


def _coarse(images: Array) -> Array:
    """Means over blocks of pixels, at most 8 by 8 of them; a rest at the edge is left out.

    A generator that makes one picture makes specks on it, which differ from sample to sample: as
    many pixels are far apart by them as real images are by what they show. Means have no specks.
    """
    if images.ndim != 4:
        return images
    rows, columns = (-(-side // _SIDE) for side in images.shape[1:3])
    down, across = images.shape[1] // rows, images.shape[2] // columns
    whole = images[:, : down * rows, : across * columns]
    return whole.reshape(len(images), down, rows, across, columns, -1).mean(axis=(2, 4))


def _nearest(images: Array) -> float:
    """The median distance of an image to the nearest other one."""
    xp = array_module(images)
    if len(images) < 2:
        return 0.0
    x = images.reshape(len(images), -1).astype("float32", copy=False)
    x = x - x.mean(axis=0)  # or large squares cancel
    gram = x @ x.T
    squares = gram.diagonal()
    distances = squares[:, None] + squares - 2 * gram
    xp.fill_diagonal(distances, xp.inf)
    return median(xp.sqrt(distances.min(axis=1).clip(0)).tolist())  # np.median imports numpy.ma


def _margins(game: Game, batch: Batch, held_out: Batch, fake: Array) -> tuple[float, float] | None:
    """E s(x) − E s(held out) and E s(x) − E s(G(z)), in standard deviations within such a group.

    Of the discriminator in evaluation mode, told each batch's condition; fakes have that of the
    real images. As many are taken of each as are held out, for what it says of one image may
    depend on how many others there are. None if it won't take them: no run ends for that.
    """
    size, condition = len(held_out.images), batch.condition
    told = None if condition is None else condition[:size]
    given = (batch.images[:size], told), (held_out.images, held_out.condition), (fake[:size], told)
    try:
        with no_grad(), training(False):
            scores = [judged.logits._array for judged in game.judge_each(*given)]
    except Exception:  # as a layer of someone's own that takes no batch of this size
        return None
    known, unknown, made = numbers(one.mean() for one in scores)
    spread = (sum(numbers(one.var() for one in scores)) / len(scores)) ** 0.5 or 1.0
    return (known - unknown) / spread, (known - made) / spread


def judged_together(discriminator: Module) -> int:
    """What a batch must be a multiple of: the images of a pack, times the packs of a group."""
    modules = (module for _, module in discriminator.named_modules())
    groups = (module.group or 1 for module in modules if isinstance(module, MinibatchStdDev))
    return prod((images_together(discriminator), *groups))
