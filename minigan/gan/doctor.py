"""The doctor: looks on as a game is trained, and says in one line what is wrong and what to try."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Array, device_of, to_device
from ..data import check_range
from ..errors import HealthWarning, warn
from .checks import CHECKS, REPORTS, odd_loss, odd_settings
from .game import Game
from .records import Batch, Finding, Report
from .signs import PLAYERS, Facts, Signs, Subject, judged_together

if TYPE_CHECKING:
    from .update import Players

EVERY = 32
"""Steps from one look at the networks to the next; reports are read at every step."""


NOT_FINITE = "not finite"
"""What a step is called that the trainer could not take."""


def not_finite(step: int, message: str) -> Finding:
    """What to keep of such a step."""
    return Finding(NOT_FINITE, step, message, "lower the learning rate or clip the gradient")


class Doctor:
    """Watches one trainer; see ``checks`` for what it looks at.

    ``findings`` are what it found, each check's first only, and ``tell`` is called with each, by
    default to warn of it. It changes no bit of the training, and takes less than 2 % of its time.
    With ``held_out`` images it also sees whether the discriminator learns the others by heart.
    """

    def __init__(self, game: Game, players: Players, every: int = EVERY) -> None:
        self.game, self.every, self._subject = game, every, Subject(game, players)
        self.tell: Callable[[Finding], None] = _warn
        self.findings: list[Finding] = []
        self.held_out: Batch | None = None
        self._facts: Facts | None = None
        self._reports: deque[Report] = deque(maxlen=REPORTS)
        self._seen: deque[Signs] = deque(maxlen=max(check.rounds for check in CHECKS))
        for cure in game.cures:
            objection = cure.objection(game)
            if objection is not None:
                self._found("cure", 0, *objection)
        for name, message, advice in odd_loss(game):
            self._found(name, 0, message, advice)
        for player, optimizer in zip(PLAYERS, players, strict=True):
            for name, message, advice in odd_settings(player, getattr(game, player), optimizer):
                self._found(name, 0, message, advice)

    def forget(self, step: int = 0) -> None:
        """The steps from this one on: the run goes on from another."""
        for seen in (self._reports, self._seen):
            while seen and seen[-1].step >= step:
                seen.pop()

    def hold_out(self, batch: Batch) -> None:
        """Compare the scores of real images with those of these, which are not learned from."""
        self.held_out = batch

    def to(self, device: str) -> None:
        """Look on at a run that goes on there."""
        if self.held_out is not None:
            images, labels, condition = self.held_out
            placed = None if condition is None else to_device(condition, device)
            self.held_out = Batch(to_device(images, device), labels, placed)

    def recall(self, reports: Iterable[Report]) -> None:
        """Take in reports of steps before, as a log has them."""
        self._reports.extend(reports)

    def visit(self, step: int) -> Signs | None:
        """What to watch the step after ``step`` with, if it is to be looked at."""
        if step and (step + 1) % self.every:
            return None
        return Signs(self._subject)

    def see(self, report: Report, signs: Signs | None, batch: Batch) -> None:
        """Take in a step's end, and say what is wrong."""
        self._reports.append(report)
        if signs is None:
            return
        with np.errstate(all="ignore"):  # a run may be about to overflow
            self._facts = self._facts or Facts.of(self.game.loss, signs.scores)
            unknown = self._unknown(len(batch.images), report.step // self.every)
            signs.complete(tuple(self._reports), self._facts, batch, unknown)
        self._seen.append(signs)
        known = {finding.name for finding in self.findings}
        seen = list(self._seen)
        for check in CHECKS:
            if check.name not in known and len(seen) >= check.rounds:
                found = check.look(seen[-check.rounds :])
                message, advice = (found, check.advice) if isinstance(found, str) else found
                if message:
                    self._found(check.name, report.step, message, advice)

    def _unknown(self, most: int, look: int) -> Batch | None:
        """As many held-out images as a batch has, by turns, if there are so many.

        Such a batch the discriminator takes; one of fewer is cut to whole packs and groups.
        """
        if self.held_out is None:
            return None
        images, _, condition = self.held_out
        count, size = len(images), most
        if most > count:
            size = count - count % judged_together(self.game.discriminator)
        chosen = (look * size + np.arange(size)) % count
        chosen = to_device(chosen, device_of(images))
        told = None if condition is None else condition[chosen]
        return Batch(images[chosen], None, told) if size else None

    def meet(self, images: Array) -> None:
        """Look at the range of the first real images, before the networks do."""
        if self.game.image_range is not None:
            message = check_range(to_device(images, "cpu"), *self.game.image_range) or ""
            message, _, advice = message.partition("; ")
            if message:
                self._found("pixel range", 1, message, advice or "leave such images out")

    def broke(self, step: int, message: str) -> None:
        """Keep what the trainer is about to raise, the first time."""
        if not any(finding.name == NOT_FINITE for finding in self.findings):
            self.findings.append(not_finite(step, message))

    def _found(self, name: str, step: int, message: str, advice: str) -> None:
        self.findings.append(Finding(name, step, message, advice))
        self.tell(self.findings[-1])


def _warn(finding: Finding) -> None:
    warn(str(finding), HealthWarning)
