"""Several threads for one array: the same bits, whoever does what, and no thread unasked for."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import minigan as mg
from minigan import workers
from minigan.kernels import blas, blocks
from minigan.random import Stream


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(workers, "SMALLEST", 1)
    monkeypatch.setattr(blocks, "BLOCK", 64)
    monkeypatch.setattr(blocks, "SHARED", 64)
    monkeypatch.setattr(blas, "LARGE", 1)
    monkeypatch.setattr(blas, "LARGE_VECTOR", 1)


def test_every_item_is_done_once_by_several_threads():
    done, names, both = [], set(), threading.Barrier(2, timeout=20)

    def work(i, j):
        if i < 2:
            both.wait()  # so that two threads must meet here
        done.append((i, j))
        names.add(threading.get_ident())

    with mg.config(threads=2):
        workers.each(work, zip(range(9), range(9, 18), strict=True), size=1)
    assert sorted(done) == list(zip(range(9), range(9, 18), strict=True))
    assert len(names) == 2


@pytest.mark.parametrize(("threads", "size", "count"), [(1, 1, 5), (3, 0, 5), (3, 1, 1)])
def test_what_is_small_or_single_stays_in_its_thread(threads, size, count):
    names = []
    with mg.config(threads=threads):
        workers.each(lambda i: names.append(threading.get_ident()), zip(range(count)), size)
    assert names == [threading.get_ident()] * count


def test_a_call_inside_of_a_call_has_one_thread_and_then_the_old_number():
    seen, both = [], threading.Barrier(2, timeout=20)

    def inner(i, outer):
        seen.append((outer, i, threading.get_ident()))

    def outer(i):
        both.wait()
        workers.each(lambda j: inner(j, i), zip(range(4)), size=1)
        both.wait()

    with mg.config(threads=2):
        workers.each(outer, zip(range(2)), size=1)
        assert workers.limit.get() == 2
    for i in range(2):
        assert [j for o, j, _ in seen if o == i] == [0, 1, 2, 3]
        assert len({name for o, _, name in seen if o == i}) == 1


def test_what_is_in_force_here_is_in_force_there():
    found, both = [], threading.Barrier(2, timeout=20)

    def look(i):
        both.wait()
        found.append((mg.random.current().seed, np.geterr()["over"]))

    with mg.config(threads=2), mg.random.use(Stream(7)), np.errstate(over="ignore"):
        workers.each(look, zip(range(2)), size=1)
    assert found == [(7, "ignore")] * 2


@pytest.mark.parametrize("bad", [0, 1])
def test_an_exception_in_any_thread_is_raised_here_and_ends_it(bad):
    done, both = [], threading.Barrier(2, timeout=20)

    def work(i):
        if i < 2:
            both.wait()
        if i == bad:
            raise KeyError("no such thing")
        done.append(i)

    with mg.config(threads=2):
        with pytest.raises(KeyError, match="no such thing"):
            workers.each(work, zip(range(2)), size=1)
        both.reset()
        workers.each(lambda i: done.append(i), zip(range(10, 14)), size=1)
    assert sorted(done) == [1 - bad, 10, 11, 12, 13]


@pytest.fixture
def interruptible():
    """Ctrl-C as in a terminal; what runs in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_helpers_and_leaves_no_item_to_them(interruptible):
    # They write to arrays of the caller, who may put these back as soon as he is told.
    done, both = [], threading.Barrier(2, timeout=20)
    main = threading.current_thread()

    def work(i):
        if i < 2:
            both.wait()
            if threading.current_thread() is not main:
                _thread.interrupt_main()
                time.sleep(0.2)
            else:
                time.sleep(0.01)  # where the interrupt comes, or in the next item, or while waiting
        time.sleep(0.01)
        done.append(i)

    for _ in range(5):
        done.clear()
        both.reset()
        with mg.config(threads=2), pytest.raises(KeyboardInterrupt):
            workers.each(work, zip(range(50)), size=1)
        count = len(done)
        assert 1 <= count < 50
        time.sleep(0.05)
        assert len(done) == count


def test_results_come_in_the_order_of_the_items():
    done, both = [], threading.Barrier(2, timeout=20)

    def work(i):
        if i < 2:
            both.wait()
        done.append(i)
        return i * i

    with mg.config(threads=2):
        assert workers.results(work, zip(range(7)), size=1) == [i * i for i in range(7)]
    assert sorted(done) == list(range(7))
    assert workers.results(work, [], size=1) == []


def step(threads: int, conv: str) -> list[bytes]:
    """The bits of a step's results through convolution, batch norm, dropout and Adam."""
    network = mg.nn.Sequential(
        mg.nn.Conv2D(8, 3, padding="same"),
        mg.nn.BatchNorm(),
        mg.nn.LeakyReLU(),
        mg.nn.Dropout(0.3),
        mg.nn.Conv2D(8, 5, 2, "same"),
        mg.nn.Flatten(),
        mg.nn.Dense(300),
    ).build((None, 9, 8, 8), seed=0)
    optimizer = mg.optim.Adam(0.1).bind(network)
    x = Stream(0, "x").normal((6, 9, 8, 8))
    with mg.config(threads=threads, conv=conv), mg.random.use(1), mg.Buffers().in_use():
        loss = (network(x) ** 2).mean()
        optimizer.step(mg.grad(loss, network.parameters()))
    return [loss.numpy().tobytes(), *(p.tobytes() for p in network.state_dict().values())]


@pytest.mark.parametrize("conv", ["direct", "planes", "dft"])
def test_the_number_of_threads_changes_no_bit(conv):
    assert step(1, conv) == step(2, conv) == step(3, conv)


FORKED = """
import os, sys
from minigan import workers
workers.SMALLEST, done = 1, []
def run():
    workers.limit.set(3)
    workers.each(lambda i: done.append(i), zip(range(100)), size=1)
run()
child = os.fork()
if not child:
    done.clear()
    run()
    os._exit(0 if sorted(done) == list(range(100)) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_threads_of_its_own():
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=60).returncode == 0


def test_no_thread_is_made_by_importing_nor_for_small_arrays():
    code = """
import _thread, minigan as mg
assert not _thread._count()
x = mg.Tensor([[1.0, 2.0]], requires_grad=True)
mg.leaky_relu(x).sum().backward()
assert not _thread._count()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_wrong_number_of_threads_is_an_error(threads):
    with pytest.raises(ValueError, match="threads: got"), mg.config(threads=threads):
        pass
