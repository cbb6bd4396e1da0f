"""What is in force while modules run: building, training or evaluation, and who watches.

All of it lives in context variables, so that threads don't disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple


class Building(NamedTuple):
    """What layers need while their parameters are made: whose draw is whose, by dotted name."""

    seed: int
    prefix: str
    names: dict[int, str]


building: ContextVar[Building | None] = ContextVar("minigan_building", default=None)
mode_in_force: ContextVar[bool | None] = ContextVar("minigan_training", default=None)
watcher_in_force: ContextVar[Callable[[Any, Any], None] | None] = ContextVar(
    "minigan_watcher", default=None
)


@contextmanager
def training(mode: bool) -> Iterator[None]:
    """Run all modules in training (True) or evaluation mode here, whatever ``train()`` said.

    Unlike ``train()`` and ``eval()`` it touches no module, so threads don't disturb each other.
    """
    token = mode_in_force.set(mode)
    try:
        yield
    finally:
        mode_in_force.reset(token)


@contextmanager
def watch(watcher: Callable[[Any, Any], None]) -> Iterator[None]:
    """Call ``watcher(module, result)`` after every module's forward within the block."""
    token = watcher_in_force.set(watcher)
    try:
        yield
    finally:
        watcher_in_force.reset(token)
