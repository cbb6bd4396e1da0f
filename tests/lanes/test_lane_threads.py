"""32 threads at once give the bits of one, and nothing that is in force in one reaches another."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pytest
from games import bits, pictures, trainer

import minigan as mg
from minigan import nn, random
from minigan.gan import Game, Normal, Trainer
from minigan.optim import RMSprop
from minigan.tensor import Tensor

pytestmark = pytest.mark.lane

THREADS = 32
STEPS = 20
T = TypeVar("T")


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    """Threads take turns every 10 µs rather than every 5 ms, so that they interleave."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], T]) -> list[T]:
    """``work(0)`` … ``work(THREADS − 1)``, each in a thread of its own, begun together."""
    start = threading.Barrier(THREADS)

    def begin(i: int) -> T:
        start.wait()
        return work(i)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def convolutional(seed: int) -> Trainer:
    """Convolution, its transpose, batch norm and dropout, played simultaneously."""
    generator = nn.Sequential(
        nn.Dense(16),
        nn.Reshape(2, 2, 4),
        nn.BatchNorm(),
        nn.LeakyReLU(),
        nn.Conv2DTranspose(1, 3, 2, "same"),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2D(4, 3, 2, "same"), nn.LeakyReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Dense(1)
    )
    game = Game(generator, discriminator, "hinge", Normal(3))
    return Trainer(game, seed=seed, optimizers=RMSprop(1e-3), update="simultaneous", average=0.9)


def dense(seed: int) -> Trainer:
    """Perceptrons with batch norm and dropout, played alternatingly, in float32 or float64."""
    return trainer(norm=True, drop=0.3, dtype=("float32", "float64")[seed % 2], seed=seed)


def train(i: int) -> tuple[Any, ...]:
    """A GAN of its own seed and data from its first weights to samples: everything it gives."""
    run = (dense, convolutional)[i // 2 % 2](seed=i)
    report = run.fit(pictures(seed=i), steps=STEPS, batch=8)
    return bits(run.state()), report, run.sample(4, seed=i).tobytes()


def test_32_threads_training_gans_give_the_bits_of_one() -> None:
    alone = [train(i) for i in range(THREADS)]
    assert len({samples for *_, samples in alone}) == THREADS
    together = at_once(train)
    assert [i for i in range(THREADS) if together[i] != alone[i]] == []


def test_one_model_evaluated_by_32_threads_gives_the_bits_of_one() -> None:
    run = convolutional(0)
    run.fit(pictures(), steps=2, batch=8)
    alone = [run.sample(3, seed=i).tobytes() for i in range(THREADS)]
    assert at_once(lambda i: run.sample(3, seed=i).tobytes()) == alone


def test_grad_mode_is_of_its_own_thread() -> None:
    """Half of the threads track and differentiate while the other half is in and out of no_grad."""

    def work(i: int) -> bool:
        x = Tensor([1.0 + i, 2.0], requires_grad=True)
        right = True
        for _ in range(200):
            if i % 2:
                with mg.no_grad():
                    right &= not (x * x).requires_grad
            (g,) = mg.grad((x * x).sum(), [x], create_graph=i % 4 == 0)
            right &= g.requires_grad == (i % 4 == 0)
            right &= np.array_equal(g.detach().numpy(), [2.0 + 2 * i, 4.0])
        return right

    assert at_once(work) == [True] * THREADS


def test_training_mode_is_of_its_own_thread() -> None:
    layer = nn.Dropout(0.5)

    def work(i: int) -> bool:
        right = True
        for step in range(200):
            with nn.training(bool(i % 2)), random.use(step):
                dropped = not layer(np.ones(64)).numpy().all()
            right &= dropped == bool(i % 2)
        return right

    assert at_once(work) == [True] * THREADS


def test_random_streams_are_of_their_own_thread() -> None:
    """Each thread draws 200 masks from the stream that is in force in it alone."""

    def draws(i: int) -> bytes:
        with random.use(i):
            return b"".join(mg.dropout(np.ones(16), 0.5).numpy().tobytes() for _ in range(200))

    alone = [draws(i) for i in range(THREADS)]
    assert len(set(alone)) == THREADS
    assert at_once(draws) == alone


def test_a_thread_starts_with_nothing_in_force() -> None:
    """What the starting thread is inside of does not reach the threads that it starts."""
    with mg.no_grad(), nn.training(False), random.use(0) as outside:

        def work(i: int) -> bool:
            x = Tensor([1.0], requires_grad=True)
            in_training = nn.Dropout(0.5).in_training
            return (x * x).requires_grad and in_training and random.current() is not outside

        assert at_once(work) == [True] * THREADS
