"""Backward takes little more memory than forward: on DCGAN-28, with the recipe's own networks.

What is kept for backward is freed as backward passes it, and gradients take its place.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import minigan as mg
from minigan import nn, random
from minigan.gan import NonSaturating, Output, update
from minigan.recipes import dcgan_mnist
from minigan.tensor import Tensor

pytestmark = pytest.mark.lane

MOST = 1.15
"""The most that the peak of backward may be, of the peak of forward."""

MOST_HELD = 1.7
"""The same for a trainer's memory, which is in pieces of many sizes, kept from step to step."""

Forward = Callable[[], tuple[Tensor, list[Tensor]]]


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    """NumPy tells tracemalloc of its arrays; the collector would blur when they are freed."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def peaks(forward: Forward) -> tuple[int, int]:
    """Bytes at the peak of ``forward`` and of the gradient of what it gives, over those before."""
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    loss, parameters = forward()
    top = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.reset_peak()
    mg.grad(loss, parameters)
    return top, tracemalloc.get_traced_memory()[1] - before


class Moves:
    """What the two players differentiate in one step of DCGAN-28, on one batch."""

    def __init__(self, batch: int) -> None:
        self.generator, self.discriminator = dcgan_mnist.networks(1)
        self.generator.build((None, 100), seed=0, prefix="generator")
        self.discriminator.build((None, 28, 28, 1), seed=0, prefix="discriminator")
        rng = np.random.default_rng(0)
        self.noise = rng.normal(size=(batch, 100)).astype("float32")
        self.real = rng.uniform(-1, 1, (batch, 28, 28, 1)).astype("float32")

    def generator_moves(self) -> tuple[Tensor, list[Tensor]]:
        fake = Output(self.discriminator(self.generator(self.noise)))
        return NonSaturating().generator(None, fake), self.generator.parameters()

    def discriminator_moves(self) -> tuple[Tensor, list[Tensor]]:
        with mg.no_grad():
            images = self.generator(self.noise)
        real, fake = Output(self.discriminator(self.real)), Output(self.discriminator(images))
        return NonSaturating().discriminator(real, fake), self.discriminator.parameters()


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("batch", [32, 128])
def test_the_peak_of_backward_is_little_above_that_of_forward(batch: int, player: str) -> None:
    moves = Moves(batch)
    with nn.training(True), random.use(0):
        forward, backward = peaks(getattr(moves, f"{player}_moves"))
    print(f"{player}, batch {batch}: {backward / 1e6:.1f} MB / {forward / 1e6:.1f} MB")
    assert forward > batch * 28 * 28 * 4  # NumPy's arrays are counted
    assert backward <= MOST * forward


@pytest.mark.parametrize("batch", [32, 128])
def test_the_recipes_own_step_holds_little_more_than_its_forward_pass(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One forward pass for both players, and two gradients of it. Its memory goes round: all that
    # it ever takes is taken by the end of the first steps.
    settings = dcgan_mnist.SETTINGS | {"update": "simultaneous"}
    trainer = dcgan_mnist.make_trainer(settings, (28, 28, 1), 0, "cpu")
    images = np.random.default_rng(0).uniform(-1, 1, (batch, 28, 28, 1)).astype("float32")
    tops: list[int] = []

    def grad(*arguments: object, **options: object) -> object:
        tops.append(tracemalloc.get_traced_memory()[1])
        return mg.grad(*arguments, **options)

    monkeypatch.setattr(update, "grad", grad)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    trainer.step(images)
    forward = tops[0] - before
    trainer.step(images)
    held = tracemalloc.get_traced_memory()[1] - before
    print(f"step, batch {batch}: {held / 1e6:.1f} MB / {forward / 1e6:.1f} MB")
    assert forward > batch * 28 * 28 * 4
    assert held <= MOST_HELD * forward
    for _ in range(3):
        trainer.step(images)
    assert tracemalloc.get_traced_memory()[1] - before <= 1.02 * held


def test_nothing_but_the_gradients_outlives_backward() -> None:
    moves = Moves(32)
    with nn.training(True), random.use(0):
        before = tracemalloc.get_traced_memory()[0]
        loss, parameters = moves.generator_moves()
        gradients = mg.grad(loss, parameters)
        after = tracemalloc.get_traced_memory()[0]
    size = sum(g._array.nbytes for g in gradients)
    assert size <= after - before <= 1.1 * size
