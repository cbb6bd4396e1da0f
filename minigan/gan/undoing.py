"""Undoing a step: what a player changes is copied before its first move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend import Array, is_array
from ..buffers import empty_like
from ..kernels.blocks import each_block
from ..optim import Optimizer
from ..tensor import Tensor


class Mover:
    """A player's optimiser in one step of training.

    One that ``keeps`` copies all that it may change before it does: parameters, moments and
    counters. They are taken late, as memory is short while there are maps to differentiate.
    """

    def __init__(self, optimizer: Optimizer, keeps: bool) -> None:
        self.optimizer, self.parameters, self.keeps = optimizer, optimizer.parameters, keeps
        self._has_begun = False
        self._weights: dict[str, Array] = {}
        self._state: dict[str, Array] = {}

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """The optimiser's."""
        if not self._has_begun:
            if self.keeps:
                self.keep()
            else:
                self._state = counters(self.optimizer)
        self._has_begun = True
        self.optimizer.step(gradients)

    def keep(self) -> None:
        """Copy all that the optimiser may change."""
        self._weights = {n: duplicate(p._array) for n, p in self.parameters.items()}
        self._state = {n: duplicate(_array(a)) for n, a in self.optimizer.state.items()}

    @property
    def can_undo(self) -> bool:
        """Whether nothing was written that was not copied."""
        if self.keeps or not self._has_begun:
            return True
        # A step that is not of one's own checks what it is given, counts, and only then writes.
        is_known = type(self.optimizer).step is Optimizer.step
        return is_known and bool(self.optimizer.state["steps"] == self._state["steps"])

    def undo(self) -> None:
        """Write back what was copied."""
        for name, weight in self._weights.items():
            self.parameters[name].assign(weight)
        state = self.optimizer.state
        for name, before in self._state.items():
            if is_array(state.get(name)) and state[name].shape == before.shape:
                state[name][...] = before
            else:  # an optimiser of one's own may put others in their place
                state[name] = before


def counters(optimizer: Optimizer) -> dict[str, Array]:
    """Copies of what changes in an optimiser's state before anything is written."""
    return {name: optimizer.state[name].copy() for name in ("lr", "steps")}


def duplicate(x: Array) -> Array:
    """A copy of x, its axes in the same order in memory."""
    result = empty_like(x)
    each_block(_copy, result, x)
    return result


def _copy(to: Array, x: Array) -> None:
    to[...] = x


def _array(value: Array) -> Array:
    return value if is_array(value) else np.asarray(value)
