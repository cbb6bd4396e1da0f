"""Trainer: steps, one after another, of two networks that play a game."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..arguments import instance, one_of, whole
from ..backend import Array, check_device, numbers, to_device
from ..buffers import Buffers
from ..errors import NonFiniteError
from ..nn import Module
from ..optim import Adam, MovingAverage, Optimizer
from ..tensor import no_grad
from .conditioning import labels_for
from .cores import own_threads
from .cures import Moment, Streams
from .diagnosis import first_bad, first_operation
from .feed import as_batch, count_of, feed_of, is_set
from .game import Game
from .records import Batch, Finding, Outcome, Report, Unread
from .sampling import sample
from .state import Run
from .undoing import Mover, duplicate
from .update import Players, Scores, alternating, simultaneous

if TYPE_CHECKING:
    from .doctor import Doctor
    from .signs import Signs

Callback = Callable[[Report], None]
_LOAD = ": load a saved state to go on"


class Trainer(Run):
    """Trains a game's two networks.

    ``optimizers`` is one for both or a pair (generator's, discriminator's), not bound, such as two
    of different rates (Heusel et al., 2017, section 2); by default Adam(2e-4, beta1=0.5) (Radford,
    Metz and Chintala, 2016). ``update`` is "alternating", the player named by ``first`` moving
    first, or "simultaneous". The discriminator makes ``discriminator_steps`` moves for each of the
    generator's (k in Goodfellow et al., 2014, algorithm 1). With ``average``, samples come from a
    moving average of the generator's weights with that decay (Yazıcı et al., 2019).
    Networks and all that goes with them are on ``device``. A parameter that both networks hold is
    moved by both players. A ``doctor`` watches and warns of what is wrong with the run
    (``HealthWarning``); ``findings`` has what it found. With ``captured`` steps on a GPU are CUDA
    graphs, where they can be: see ``gan.captured``.

    Its whole state is a function of the seed, the data and the number of steps: sampling, saving
    and callbacks change no bit of it. Networks that are built already keep the weights they have.
    """

    def __init__(
        self,
        game: Game,
        *,
        seed: int = 0,
        optimizers: Optimizer | tuple[Optimizer, Optimizer] | None = None,
        update: str = "alternating",
        first: str = "discriminator",
        discriminator_steps: int = 1,
        average: float | None = None,
        device: str = "cpu",
        doctor: bool = True,
        captured: bool = False,
    ) -> None:
        check_device(device)
        self.game = instance("game", game, Game, "a Game(generator, discriminator)")
        self.seed, self.device = whole("seed", seed, 0), device
        self.update = one_of("update", update, ("alternating", "simultaneous"))
        self.first = one_of("first", first, ("discriminator", "generator"))
        self.discriminator_steps = whole("discriminator_steps", discriminator_steps)
        game.build(self.seed)
        for name, network in (("generator", game.generator), ("discriminator", game.discriminator)):
            network.train().to(device)
            if not network.parameters():
                raise ValueError(f"{name}: it has no trained parameters, so it can't play")
        chosen = Adam(2e-4, beta1=0.5) if optimizers is None else optimizers
        pair = (chosen, chosen) if isinstance(chosen, Optimizer) else chosen
        is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
        if not is_pair or not all(isinstance(one, Optimizer) for one in pair):
            raise TypeError(
                f"optimizers: got {optimizers!r}, wanted an optimiser or a pair of them, "
                "the generator's and the discriminator's"
            )
        self.players = Players(
            pair[0].unbound().bind(game.generator), pair[1].unbound().bind(game.discriminator)
        )
        self.average = None if average is None else MovingAverage(game.generator, average)
        self._counters = {"step": np.array(0), "batches": np.array(0)}
        self._remembered = self._first_memories()
        # Names, found once: which arrays there are does not change from step to step.
        self._parameters = self._all_parameters()
        self._statistics = {n for n, p in self._parameters.items() if not p.requires_grad}
        self._early = self._early_movers()
        self._kept = [
            n for n in self._live_state() if n in self._statistics or n.startswith("cure.")
        ]
        self._buffers = Buffers()
        self._range_checked = False
        self._image_shape: tuple[int, ...] = ()  # not known yet
        self.doctor = _doctor(game, self.players) if doctor else None
        self.captured = None
        if captured:
            self.capture()

    def capture(self) -> Trainer:
        """From here on steps on a GPU are CUDA graphs: see ``gan.captured``. Returns self."""
        if self.device == "cpu":
            raise ValueError(
                'captured: a CPU has no CUDA graphs: say device="cuda" (--device cuda) too'
            )
        self._read()
        from .captured import Captured  # here, so that ``import minigan`` stays quick

        self.captured = Captured(self)
        return self

    def to(self, device: str) -> Trainer:
        """Go on training on another device: move networks, optimisers and all else. Returns self.

        Nothing else changes: the run goes on with the next step.
        """
        check_device(device)
        self._read()
        self.device = device
        twin = [] if self.average is None else [self.average.module]
        for network in (self.game.generator, self.game.discriminator, *twin):
            network.to(device)
        for player in self.players:
            player.to(device)
        for memory in self._remembered:
            memory.update({name: self._placed(array) for name, array in memory.items()})
        if self.doctor is not None:
            self.doctor.to(device)
        if self.captured is not None:
            self.captured.forget()
        return self

    # Training

    def step(self, *batches: Any) -> Report:
        """One step: ``discriminator_steps`` real batches in, a report out.

        A batch is an array of images (N, H, W, C) in the generator's range, a pair (images,
        labels) or a ``Batch``. Raises ``NonFiniteError`` before a bad loss or gradient reaches
        the weights or a layer's statistics, naming the first tensor that went bad and the operation
        that made it. Whatever breaks a step off, Ctrl-C too, the trainer is then as it was before
        the step, unless that comes in a move that ends the step, or after it: then it refuses to go
        on, and to be saved, until a state is loaded. Of a captured step a bad number is raised once
        a number of its report is asked for, or else by a later step, ``state``, ``save``,
        ``sample`` or the end of ``fit``, and the steps taken since are lost.
        """
        self._require_whole()
        if len(batches) != self.discriminator_steps:
            raise ValueError(
                f"step: got {len(batches)} batches, wanted {self.discriminator_steps}, "
                "one for each of the discriminator's moves"
            )
        records = list(map(self._prepared, map(as_batch, batches)))
        if self.doctor is not None and not self._range_checked:
            self._range_checked = True
            self.doctor.meet(records[0].images)
        signs = None if self.doctor is None else self.doctor.visit(self.step_count)
        if self.captured is None or self.device == "cpu" or signs is not None:
            self._read()
            weights = [p for player in self.players for p in player.parameters.values()]
            is_taken = False
            try:
                with own_threads(weights, len(records[0].images)):
                    outcome: Outcome | Unread = self._taken(records, signs)
                    is_taken = True
                self._buffers.trim()
            finally:  # it counts, whatever comes after it
                self._count(int(is_taken))
        else:
            outcome = self.captured.step(records, lambda: self._taken(records))
            self._buffers.trim()
            self._count(1)
        is_known = isinstance(outcome, Outcome)
        report = outcome.report(self.step_count) if is_known else cast(Report, outcome)
        if self.doctor is not None:
            self.doctor.see(report, signs, records[-1])
        return report

    def _count(self, steps: int) -> None:
        self._counters["step"] += steps
        self._counters["batches"] += steps * self.discriminator_steps

    def _taken(self, records: Sequence[Batch], signs: Signs | None = None) -> Outcome:
        """A step, one operation after the other, and ``signs`` of what it showed."""
        squares = signs.squares if signs else None
        moment = Moment(self.step_count, self._streams(), self._memories, squares)
        look = signs.watching() if signs else nullcontext()
        movers = {
            name: Mover(getattr(self.players, name), name in self._early)
            for name in Players._fields
        }
        players: Any = Players(**movers)  # type: ignore[arg-type]
        before: dict[str, Array] = {}
        is_averaged = False
        try:
            # A number that overflows is named below; NumPy's warnings would only repeat it.
            with self._buffers.in_use(), np.errstate(all="ignore"), look:
                live = self._live_state()
                before |= {name: duplicate(live[name]) for name in self._kept}
                scores = self._move(records, moment, players)
            if signs is not None:
                signs.scores = scores
            real, fake = numbers(self._mean_scores(scores))
            if self.average is not None:
                is_averaged = True
                self.average.update(self.game.generator, self.step_count)
        except BaseException as error:
            can_undo = not is_averaged and all(mover.can_undo for mover in movers.values())
            culprit = ""
            if not can_undo:
                self._torn = (
                    f"step {self.step_count + 1} was broken off by {type(error).__name__}, and "
                    f"can't be undone{_LOAD}"
                )
            elif isinstance(error, NonFiniteError):
                culprit = self._undo(movers, before, (error, records, moment))
            else:
                self._undo(movers, before)
            if not isinstance(error, NonFiniteError):
                raise
            raise NonFiniteError(f"step {self.step_count + 1}: {error}{culprit}") from None
        return Outcome(scores.discriminator, scores.generator, real, fake)

    def _undo(
        self,
        movers: Mapping[str, Mover],
        before: Mapping[str, Array],
        bad: tuple[NonFiniteError, Sequence[Batch], Moment] | None = None,
    ) -> str:
        """Make the run what it was before a step.

        Of one with a ``bad`` number, and given what it was made of, say which was the first.
        """
        culprit = ""
        self._torn = f"step {self.step_count + 1} was broken off while it was undone{_LOAD}"
        if bad is not None:
            error, records, moment = bad
            # Batch norm saw the bad numbers too, and the first mover has moved: look, then undo.
            self._write({name: a for name, a in before.items() if name in self._statistics})
            streams = Streams.of(self.seed, self.step_count)
            culprit = _said(lambda: first_bad(self.game, records, streams))
        self._write(before)
        # The first mover's last, as both may hold a parameter.
        for player in sorted(movers, key=lambda name: name in self._early[:1]):
            movers[player].undo()
        if bad is not None:
            again = moment._replace(streams=self._streams(), squares=None)
            for mover in movers.values():  # all of it, as the step may go another way this time
                mover.keep()
            culprit += _said(lambda: first_operation(lambda: self._move(records, again)))
            self._write(before)
            for mover in movers.values():
                mover.undo()
            if self.doctor is not None:
                self.doctor.broke(self.step_count + 1, f"{error}{culprit}")
        self._torn = ""
        return culprit

    def _move(
        self, batches: Sequence[Batch], moment: Moment, players: Players | None = None
    ) -> Scores:
        players = players or self.players
        if self.update == "simultaneous":
            return simultaneous(self.game, players, batches, moment)
        return alternating(self.game, players, batches, moment, self.first)

    def _mean_scores(self, scores: Scores) -> list[Array]:
        """Of real images and of fakes, arrays of no axes."""
        score = self.game.loss.score
        with no_grad():
            return [score(output).mean()._array for output in (scores.real, scores.fake)]

    def _streams(self) -> Streams:
        """The random numbers of the next step; noise is made on the GPU if it can be captured."""
        anywhere = self.captured is not None and getattr(self.game.latent, "anywhere", False)
        return Streams.of(self.seed, self.step_count, self.device if anywhere else "cpu")

    @property
    def _memories(self) -> dict[int, dict[str, Array]]:
        """What each cure remembers, by its id."""
        return {id(c): memory for c, memory in zip(self.game.cures, self._remembered, strict=True)}

    def _first_memories(self) -> list[dict[str, Array]]:
        """What each cure remembers at first; one that can't be used here says so."""
        for cure in self.game.cures:
            if cure.needs_own_fakes and self.update == "simultaneous":
                raise ValueError(
                    f"{type(cure).__name__} needs the players to move one after the other: pass "
                    'update="alternating"'
                )
        starts = [cure.start(self.game) for cure in self.game.cures]
        return [{name: self._placed(a) for name, a in start.items()} for start in starts]

    def _placed(self, memory: Array) -> Array:
        """What a cure remembers, on the device; but numbers, which it decides by, on the CPU."""
        return to_device(memory, self.device if memory.ndim else "cpu")

    def fit(
        self,
        data: Any,
        steps: int,
        batch: int = 64,
        callbacks: Sequence[Callback] = (),
        progress: Callable[[Iterable[int]], Iterable[int]] | None = None,
        held_out: Any = None,
    ) -> Report | None:
        """Take ``steps`` further steps on ``data``; returns the last report.

        ``data`` is ``Images``, an array (N, H, W, C) or a pair of one and labels (N,), scaled to
        the generator's range and taken in random order, or an iterable of batches, taken as they
        come. Each callback is given the ``Report`` after every step; it may read, sample and save.
        ``progress`` wraps the range of steps, as ``tqdm.tqdm`` does. From ``held_out`` images, like
        ``data``, nothing is learned: by them the doctor sees whether the discriminator knows the
        others by heart.
        """
        steps = whole("steps", steps, 0)  # further ones
        feed = self._feed(data, batch, self.seed)
        self._range_checked |= is_set(data)  # as the feed scales a set of images to the range
        if held_out is not None and self.doctor is not None:
            most = max(64, batch)
            count = min(most, count_of(held_out)) if is_set(held_out) else most
            self.doctor.hold_out(self._prepared(self._feed(held_out, count, 0)(0)))
        report = None
        counts = range(steps)
        for _ in counts if progress is None else progress(counts):
            k = int(self._counters["batches"])
            report = self.step(*(feed(k + i) for i in range(self.discriminator_steps)))
            for callback in callbacks:
                callback(report)
        self._read()
        return report

    def _feed(self, data: Any, batch: int, seed: int) -> Callable[[int], Batch]:
        """A function from k to the k-th batch; of a set of images they are scaled to the range."""
        image_range = self.image_range if is_set(data) else None
        return feed_of(data, batch, seed, image_range, self.device)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the doctor found so far."""
        return () if self.doctor is None else tuple(self.doctor.findings)

    @property
    def image_range(self) -> tuple[float, float]:
        """The range of the generator's images."""
        if self.game.image_range is None:
            raise ValueError(
                "the range of the generator's images is not known, as it ends in neither Tanh nor "
                "Sigmoid: pass Game(…, image_range=(low, high))"
            )
        return self.game.image_range

    def _prepared(self, batch: Batch) -> Batch:
        """The batch on the trainer's device, in the networks' dtype, checked."""
        images, conditioning = batch.images, self.game.conditioning
        if batch.labels is not None:  # are checked, and chosen by
            batch = batch._replace(labels=to_device(batch.labels, "cpu"))
        if conditioning is not None:
            batch = batch._replace(condition=conditioning.condition(batch.labels))
        if batch.condition is None or conditioning is not None:
            # With another condition, what the generator makes may depend on it.
            self._image_shape = shape = self._image_shape or self.game.image_shape()
            if images.shape[1:] != shape:
                wanted = ", ".join(map(str, ("N", *shape)))
                raise ValueError(
                    f"batch: got images of shape {images.shape}, but the generator makes {shape}: "
                    f"wanted a batch of those, ({wanted})"
                )
        if images.dtype.kind not in "biuf":
            raise TypeError(f"batch: got images of dtype {images.dtype}, wanted real numbers")
        if not len(images):
            raise ValueError(f"batch: got no images, an array of shape {images.shape}")
        if batch.labels is not None and len(batch.labels) != len(images):
            raise ValueError(f"batch: got {len(batch.labels)} labels for {len(images)} images")
        condition = batch.condition
        return batch._replace(
            images=to_device(images.astype(self.game.dtype, copy=False), self.device),
            condition=None if condition is None else to_device(condition, self.device),
        )

    # Looking

    def sample(
        self,
        count: int,
        seed: int = 0,
        condition: Any = None,
        label: Any = None,
        code: Any = None,
    ) -> np.ndarray:
        """``count`` images (count, H, W, C) by the generator, a function of ``seed`` alone.

        In a game with labels ``label`` is the class of all, or ``count`` classes; by default they
        take turns. With ``latent=Codes(…)``, ``code`` is the first categorical code of all, or
        ``count`` of them; by default they are drawn. The first images of a larger count are the
        same. Uses the averaged weights if there are any, and evaluation mode, so that no image
        depends on another.
        """
        if condition is None:
            condition = labels_for(self.game.conditioning, label, count)
        elif label is not None:
            raise ValueError("condition: got one beside label, wanted either")
        return sample(self.sampler, self.game.latent, count, seed, condition, code)

    @property
    def sampler(self) -> Module:
        """The network that ``sample`` uses: the averaged generator if there is one."""
        self._read()
        return self.game.generator if self.average is None else self.average.module

    def _early_movers(self) -> list[str]:
        """The players that may have moved by the time that a bad number is found, in order."""
        early = [self.first] if self.update == "alternating" else []
        if self.discriminator_steps > 1 and "discriminator" not in early:
            early.append("discriminator")
        return early


def _said(search: Callable[[], str]) -> str:
    """What a search among code of one's own has found; if it fails, that."""
    try:
        return search()
    except Exception as error:
        return f"; the search for what was bad first failed with {type(error).__name__}: {error}"


def _doctor(game: Game, players: Players) -> Doctor:
    from .doctor import Doctor  # here, so that ``import minigan`` stays quick

    return Doctor(game, players)
