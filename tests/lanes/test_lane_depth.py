"""Chains of 100,000 nodes: differentiated, and freed, with no recursion over the graph.

The link f(y) = y/(1 + εy), n times over, is x/(1 + nεx), so that a chain of any length has known
derivatives: 1/(1 + nεx)² and −2nε/(1 + nεx)³. It has three nodes, and uses y twice.
"""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import minigan as mg
from minigan.tensor import Tensor

pytestmark = pytest.mark.lane

NODES = 100_000
LINKS = NODES // 3 + 1
X = 0.75


@pytest.fixture(autouse=True)
def little_room() -> Iterator[None]:
    """No collector, and less room for recursion than Python allows by itself."""
    gc.collect()
    gc.disable()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit // 2)
    yield
    sys.setrecursionlimit(limit)
    gc.enable()


def in_a_small_stack(work: Callable[[], None]) -> None:
    """Do ``work`` in a thread with 256 KiB of stack, which recursion in C would overflow."""
    errors: list[BaseException] = []

    def caught() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=caught)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if errors:
        raise errors[0]


def chain(x: Tensor) -> Tensor:
    """x/(1 + x), in 33,334 links."""
    y, eps = x, 1 / LINKS
    for _ in range(LINKS):
        y = y / (y * eps + 1.0)
    return y


def test_first_order() -> None:
    def work() -> None:
        x = Tensor(X, requires_grad=True)
        y = chain(x)
        assert y._node.depth >= NODES
        (g,) = mg.grad(y, [x])
        assert abs(g.item() * (1 + X) ** 2 - 1) < 1e-10

    in_a_small_stack(work)


def test_second_order() -> None:
    def work() -> None:
        x = Tensor(X, requires_grad=True)
        y = chain(x)
        (g,) = mg.grad(y, [x], create_graph=True)
        assert g._node.depth >= 2 * NODES
        (h,) = mg.grad(g, [x])
        assert abs(g.item() * (1 + X) ** 2 - 1) < 1e-10
        assert abs(h.item() * (1 + X) ** 3 / -2 - 1) < 1e-10

    in_a_small_stack(work)


OPERATIONS = {
    "nothing kept": lambda y: -y,
    "result kept": lambda y: mg.tanh(y),
    "operand kept": lambda y: mg.sin(y),
    "used twice": lambda y: y * y,
    "any number of operands": lambda y: mg.stack([y, y])[0],
    "a twin": lambda y: mg.normalize(y, 0),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_chains_are_freed_without_being_differentiated(name: str) -> None:
    def work() -> None:
        y = Tensor(np.ones(2), requires_grad=True)
        start, link = weakref.ref(y._node), OPERATIONS[name]
        while y.is_leaf or y._node.depth < NODES:
            y = link(y)
        assert start() is not None
        del y
        assert start() is None

    in_a_small_stack(work)


def test_a_gradients_own_chain_is_freed() -> None:
    def work() -> None:
        x = Tensor(X, requires_grad=True)
        y = mg.exp(x)  # whose result its gradient's graph keeps
        first = weakref.ref(y._array)
        (g,) = mg.grad(chain(y), [x], create_graph=True)
        del y
        assert first() is not None
        del g
        assert first() is None

    in_a_small_stack(work)
