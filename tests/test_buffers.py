"""Buffers: memory returns when nothing shows it any more, and never before."""

from __future__ import annotations

import copy
import gc
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import gan, nn
from minigan.buffers import (
    SMALLEST,
    Buffers,
    empty,
    empty_like,
    is_view,
    result_of,
    zeros,
)
from minigan.gan.undoing import duplicate

F8 = np.dtype("float64")
LARGE = (SMALLEST // 64, 8)  # float64: just large enough


def address(array):
    return array.__array_interface__["data"][0]


# Going round


def test_memory_is_used_again_once_the_array_is_gone():
    buffers = Buffers()
    first = buffers.array(LARGE, F8)
    place = address(first)
    second = buffers.array(LARGE, F8)
    assert address(second) != place and not buffers.idle
    del first
    assert buffers.idle >= second.nbytes
    assert address(buffers.array(LARGE, F8)) == place


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[1:3],
        lambda a: a.T,
        lambda a: a.reshape(-1)[5:],
        lambda a: np.broadcast_to(a, (2, *a.shape)),
        lambda a: memoryview(a),
        lambda a: a.view("uint8"),
        lambda a: np.lib.stride_tricks.as_strided(a, (2,), (8,)),
    ],
)
def test_a_view_holds_the_memory(view):
    buffers = Buffers()
    array = buffers.array(LARGE, F8)
    array[...] = 3.0
    shown = view(array)
    before = np.array(shown, copy=True)
    del array
    assert not buffers.idle
    buffers.array(LARGE, F8)[...] = 7.0
    np.testing.assert_array_equal(shown, before)
    del shown
    gc.collect()
    assert buffers.idle


def test_memory_is_aligned_and_near_sizes_share_it():
    buffers = Buffers()
    for rows in range(4000, 4200, 7):
        array = buffers.array((rows, 8), F8)
        assert address(array) % 64 == 0
        array[...] = rows
    assert buffers.idle < 4 * 4200 * 64  # two at once, of two sizes at most


def test_a_little_larger_memory_will_do():
    buffers = Buffers()
    for factor, shared in ((1.3, True), (2.5, False)):
        large = buffers.array((int(LARGE[0] * factor), LARGE[1]), F8)
        place = address(large)
        del large
        found = buffers.array(LARGE, F8)
        assert (address(found) == place) is shared
        del found


def test_what_a_round_did_not_need_is_let_go():
    buffers = Buffers()
    first, second = buffers.array(LARGE, F8), buffers.array(LARGE, F8)
    size = first.nbytes
    del first, second
    buffers.trim()
    assert 2 * size <= buffers.idle < 3 * size  # both were used since the beginning
    for _ in range(3):
        buffers.array(LARGE, F8)
        buffers.trim()
        assert size <= buffers.idle < 1.5 * size
    held = buffers.array(LARGE, F8)
    buffers.trim()
    assert not buffers.idle
    held[...] = 4.0
    buffers.array(LARGE, F8)[...] = 9.0
    assert (held == 4.0).all()


def test_arrays_outlive_their_buffers():
    buffers = Buffers()
    array = buffers.array(LARGE, F8)
    array[...] = 5.0
    del buffers
    gc.collect()
    assert (array == 5.0).all()


def test_copies_and_pickles_are_empty():
    buffers = Buffers()
    buffers.array(LARGE, F8)
    assert buffers.idle
    for other in (copy.deepcopy(buffers), pickle.loads(pickle.dumps(buffers))):
        assert not other.idle


def test_several_threads_never_share_memory_in_use():
    buffers, wrong = Buffers(), []

    def work(number):
        for _ in range(300):
            array = buffers.array(LARGE, F8)
            array[...] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# What they are in use for


def test_a_block_is_of_one_thread_and_ends():
    buffers, seen = Buffers(), []
    with buffers.in_use():
        thread = threading.Thread(target=lambda: seen.append(empty(np, LARGE, F8).base))
        thread.start()
        thread.join()
        inner = Buffers()
        with inner.in_use():
            empty(np, LARGE, F8)
        assert inner.idle and not buffers.idle
        empty(np, LARGE, F8)
        assert buffers.idle
    assert seen == [None]
    assert empty(np, LARGE, F8).base is None


@pytest.mark.parametrize("used", [False, True])
@given(
    shape=st.lists(st.sampled_from([0, 1, 2, 40, 50]), max_size=4).map(tuple),
    dtype=st.sampled_from(["float16", "float32", "float64", "bool"]),
    data=st.data(),
)
def test_arrays_are_as_numpys(used, shape, dtype, data):
    order = data.draw(st.permutations(range(len(shape))))
    plain = np.empty([shape[axis] for axis in order], dtype).transpose(np.argsort(order))
    buffers = Buffers()
    with buffers.in_use() if used else mg.no_grad():
        found = empty(np, shape, dtype, order)
        alike = empty_like(found)
        assert not zeros(np, shape, dtype, order).any()
        assert not zeros(np, shape, dtype).any()
        assert empty_like(found, "float64").dtype == "float64"
        found[...] = 1
        copied = duplicate(found)
    for array in (found, alike, copied):
        assert array.shape == shape and array.dtype == dtype and array.flags.writeable
        assert not is_view(array) or not used or array.nbytes < SMALLEST
    if plain.size:  # without elements strides mean nothing
        long = [k for k, n in enumerate(shape) if n > 1]
        for array in (found, alike, copied):
            assert [array.strides[k] for k in long] == [plain.strides[k] for k in long]
    np.testing.assert_array_equal(copied, found)
    assert not np.shares_memory(copied, found)


def test_results_are_written_where_they_fit():
    a, row, column = np.ones((600, 50)), np.ones(50), np.ones((600, 1))
    assert result_of(a, row) is None  # no buffers in use
    with Buffers().in_use():
        for pair in ((a, row), (row, a), (a, column), (a, a), (a, np.array(2.0))):
            assert result_of(*pair).shape == a.shape
        assert result_of(row, column) is None  # larger than both
        assert result_of(a[:5], row) is None  # small
        assert result_of(a[:1], np.ones((2, 600, 50))).shape == (2, 600, 50)
        assert result_of(a > 0, a).dtype == "float64"
        turned = np.ones((50, 60, 70)).transpose(2, 0, 1)
        assert result_of(turned, turned).strides == turned.strides


def test_a_view_is_told_from_an_array_of_lent_memory():
    with Buffers().in_use():
        lent = empty(np, LARGE, F8)
    assert not is_view(lent) and not is_view(np.ones(3))
    assert is_view(lent[1:]) and is_view(lent.T) and is_view(np.ones(3)[1:])


# Inside the engine


def network():
    layers = nn.Conv2D(8, 3, padding="same"), nn.BatchNorm(), nn.LeakyReLU(), nn.Dropout(0.4)
    return nn.Sequential(*layers, nn.Conv2D(8, 5, 2, "same"), nn.Flatten(), nn.Dense(1))


def test_gradients_are_the_same_in_memory_that_held_something_else():
    x = mg.random.Stream(0).normal((16, 12, 12, 8), dtype="float64")

    def gradients():
        made = network().build((None, *x.shape[1:]), seed=1).to("float64")
        image = mg.Tensor(x, requires_grad=True)
        with mg.random.use(mg.random.Stream(2)):
            first = mg.grad(mg.tanh(made(image)).sum(), [image], create_graph=True)[0]
        parameters = made.parameters()
        second = mg.grad((first * first).sum(), parameters, allow_unused=True)
        return [g.numpy() for g in (first, *second) if g is not None]

    plain = gradients()
    buffers = Buffers()
    with buffers.in_use():
        first = gradients()
        for _ in range(3):
            for found, expected in zip(gradients(), first, strict=True):
                np.testing.assert_array_equal(found, expected)
    assert buffers.idle
    for found, expected in zip(first, plain, strict=True):  # sums may be taken in another order
        np.testing.assert_allclose(found, expected, 1e-10, 1e-12)


def test_sampling_uses_the_buffers_in_use_or_its_own():
    generator = nn.Sequential(nn.Dense(24 * 24 * 3), nn.Tanh(), nn.Reshape(24, 24, 3))
    plain = gan.sample(generator.build((None, 5), seed=0), gan.Normal(5), 100)
    buffers = Buffers()
    with buffers.in_use():
        found = gan.sample(generator, gan.Normal(5), 100)
    np.testing.assert_array_equal(found, plain)
    assert buffers.idle and found.base.base is None  # not lent


def test_a_trainers_memory_is_used_again_and_goes_with_it():
    generator = nn.Sequential(nn.Dense(24 * 24 * 3), nn.Tanh(), nn.Reshape(24, 24, 3))
    game = gan.Game(generator, nn.Sequential(nn.Flatten(), nn.Dense(64), nn.Dense(1)))
    trainer = gan.Trainer(game, seed=0)
    images = np.zeros((32, 24, 24, 3), np.float32)
    idle = []
    for _ in range(6):
        trainer.step(images)
        gc.collect()
        idle.append(trainer._buffers.idle)
    assert idle[0] and len(set(idle[2:])) == 1
