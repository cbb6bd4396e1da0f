"""Learning rates as functions of the number of steps already taken."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol


class Schedule(Protocol):
    """Any function of the number of steps already taken."""

    def __call__(self, step: int, /) -> float: ...


class Linear(NamedTuple):
    """From ``first`` to ``last`` in a straight line over ``steps``, then constant."""

    first: float
    last: float
    steps: int

    def __call__(self, step: int) -> float:
        done = min(1.0, step / max(1, self.steps))
        return self.first + (self.last - self.first) * done


class Exponential(NamedTuple):
    """``first`` times ``rate`` to the power step/``every``."""

    first: float
    rate: float
    every: int = 1

    def __call__(self, step: int) -> float:
        return self.first * self.rate ** (step / self.every)


class Steps(NamedTuple):
    """``first``, multiplied by ``factor`` at each of the ``milestones``."""

    first: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        return self.first * self.factor ** sum(step >= m for m in self.milestones)


class Cosine(NamedTuple):
    """From ``first`` to ``last`` along half a cosine (Loshchilov and Hutter, 2017)."""

    first: float
    steps: int
    last: float = 0.0

    def __call__(self, step: int) -> float:
        done = min(1.0, step / max(1, self.steps))
        return self.last + (self.first - self.last) * (1 + math.cos(math.pi * done)) / 2


class Warmup(NamedTuple):
    """``then``, after a straight line up to its first value over ``steps``."""

    then: Schedule
    steps: int

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return self.then(0) * (step + 1) / self.steps
        return self.then(step - self.steps)
