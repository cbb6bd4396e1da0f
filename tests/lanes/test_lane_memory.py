"""1,000 GAN steps with the cycle collector off: memory doesn't grow, and there are no cycles."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from games import SHAPE, pictures

from minigan import nn
from minigan.gan import Game, Normal, Trainer
from minigan.optim import Adam

pytestmark = pytest.mark.lane

INTERVAL, STEPS = 200, 1000  # in the first interval, what is made on first use is made
SLACK = 256
"""Bytes that may come and go: a small object leaked by each step is 200 times 32 an interval."""


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    tracemalloc.stop()
    gc.enable()


def convolutional(**settings: Any) -> Trainer:
    """Convolution, its transpose, batch norm and dropout, at 4×4."""
    generator = nn.Sequential(
        nn.Dense(2 * 2 * 4, use_bias=False),
        nn.BatchNorm(),
        nn.LeakyReLU(),
        nn.Reshape(2, 2, 4),
        nn.Conv2DTranspose(3, 3, 2, "same"),
        nn.BatchNorm(),
        nn.ReLU(),
        nn.Conv2D(SHAPE[2], 3, padding="same"),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2D(4, 3, 2, "same"),
        nn.LeakyReLU(),
        nn.Dropout(0.3),
        nn.BatchNorm(),
        nn.Flatten(),
        nn.Dense(1),
    )
    game = Game(generator, discriminator, latent=Normal(3))
    return Trainer(game, optimizers=Adam(1e-4, beta1=0.5), average=0.99, **settings)


def in_use() -> int:
    """Bytes in use, with no cycles among them.

    The tuples that Python sets aside to use again, up to 2,000 of each length, are not: a full
    collection lets go of those, and as it finds no garbage it hides no leak.
    """
    assert gc.collect() == 0
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_a_thousand_steps_do_not_grow_memory(update: str) -> None:
    run, images, sizes = convolutional(update=update), pictures(), []
    tracemalloc.start()
    for _ in range(STEPS // INTERVAL):
        run.fit(images, steps=INTERVAL, batch=8)
        sizes.append(in_use())
    growth = [after - before for before, after in pairwise(sizes)]
    print(f"{update}: grown by {growth} bytes in intervals of {INTERVAL} steps")
    assert run.step_count == STEPS
    # A leak is in all intervals. Not so the tables of Python's own that are moved now and then:
    # those from before the tracing began count as grown where they do.
    assert min(growth) <= SLACK


def test_a_trainer_and_all_it_holds_are_freed_without_the_collector() -> None:
    for _ in range(2):  # once for what is made on first use
        run = convolutional()
        run.fit(pictures(), steps=3, batch=8)
        run.sample(2)
        gc.collect()
        del run
    assert gc.collect() == 0
