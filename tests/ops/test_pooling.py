from __future__ import annotations

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, adjoint, behaves, close, gradient
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.backend import to_device
from minigan.ops.geometry import window
from minigan.ops.pooling import _pick, _spread, _unpick, _window_sum
from minigan.testing.strategies import seeds, values

POOLS = {"max": (mg.max_pool2d, np.max), "avg": (mg.avg_pool2d, np.mean)}


@st.composite
def pools(draw):
    """A map, and any settings whose window meets the map everywhere."""
    size = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = draw(st.sampled_from(["same", "valid", "explicit"]))
    total = (0, 0)
    if padding == "explicit":
        padding = tuple((draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))) for n in size)
        total = (sum(padding[0]), sum(padding[1]))
    sides = [
        max(1, 0 if padding == "same" else n - p) + draw(st.integers(0, 2))
        for n, p in zip(size, total, strict=True)
    ]
    shape = (draw(st.integers(0, 2)), *sides, draw(st.integers(1, 2)))
    return values(draw(seeds()), shape, "distinct"), (size, stride, padding)


@pytest.mark.parametrize("name", POOLS)
@examples(40)
@given(drawn=pools())
def test_pooling_combines_the_elements_inside_each_window(name, drawn):
    x, settings = drawn
    pool, combine = POOLS[name]
    close(pool(Tensor(x), *settings), references.pool2d(x, *settings, combine))


@pytest.mark.parametrize("name", POOLS)
@examples(12)
@given(drawn=pools())
def test_pooling_behaves(name, drawn):
    x, settings = drawn
    behaves(lambda t: POOLS[name][0](t, *settings), x[:1])


@examples(30)
@given(drawn=pools())
def test_pooling_maps_and_their_adjoints(drawn):
    x, (size, stride, padding) = drawn
    where = window(x.shape[1:3], size, stride, padding)
    y = values(7, (len(x), *where.positions(x.shape[1:3]), x.shape[3]))
    adjoint(
        lambda a: _window_sum(Tensor(a), where),
        lambda b: _spread(Tensor(b), where, x.shape[1:3]),
        x,
        y,
    )
    # Any choice of taps will do, that of a maximum or not: the pair is linear in x.
    choice = np.random.default_rng(7).integers(0, size[0] * size[1], y.shape)
    choice = to_device(choice, Tensor(x).device)
    adjoint(
        lambda a: _pick(Tensor(a), choice, where),
        lambda b: _unpick(Tensor(b), choice, where, x.shape[1:3]),
        x,
        y,
    )


@pytest.mark.parametrize("name", POOLS)
def test_the_window_is_two_and_moves_by_itself_by_default(name):
    pool, combine = POOLS[name]
    x = values(0, (1, 5, 4, 2), "distinct")
    close(pool(Tensor(x)), references.pool2d(x, (2, 2), (2, 2), "valid", combine))
    close(pool(Tensor(x), 3), references.pool2d(x, (3, 3), (3, 3), "valid", combine))


def test_the_first_of_tied_elements_gets_the_gradient():
    x = np.ones((1, 2, 4, 1))
    x[0, :, :2, 0] = [[1, 5], [5, 5]]
    g = gradient(mg.max_pool2d, x, g=np.array([[[[2.0], [3.0]]]]))
    np.testing.assert_array_equal(g[0, :, :, 0], [[0, 2, 3, 0], [0, 0, 0, 0]])


def test_an_element_that_wins_two_windows_gets_both_gradients():
    x = np.array([0.0, 9.0, 1.0]).reshape(1, 1, 3, 1)
    g = gradient(lambda t: mg.max_pool2d(t, (1, 2), 1), x, g=np.array([[[[2.0], [3.0]]]]))
    assert g.ravel().tolist() == [0, 5, 0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_padding_never_wins(dtype):
    for lowest in (np.finfo(dtype).min, -np.inf, -1.0):
        x = Tensor(np.full((1, 2, 2, 1), lowest), requires_grad=True, dtype=dtype)
        y = mg.max_pool2d(x, 2, 1, 1)
        assert y.dtype == dtype and (y.numpy() == lowest).all()
        assert mg.grad(y, x, np.ones(y.shape))[0].numpy().sum() == 9


def test_padding_is_not_counted_in_the_mean():
    x = np.full((1, 3, 3, 2), 7.0)
    for padding in ("same", 1, ((0, 1), (1, 0))):
        assert (mg.avg_pool2d(Tensor(x), 2, 1, padding).numpy() == 7).all()


@pytest.mark.parametrize("name", POOLS)
def test_a_batch_of_none(name):
    x = np.ones((0, 4, 4, 2))
    assert POOLS[name][0](Tensor(x)).shape == (0, 2, 2, 2)
    assert gradient(POOLS[name][0], x).shape == x.shape


@examples(8)
@given(n=st.integers(0, 2), h=st.integers(1, 3), w=st.integers(1, 2), seed=seeds())
def test_global_pooling_leaves_one_number_a_channel(n, h, w, seed):
    x = values(seed, (n, h, w, 2), "distinct")
    close(mg.global_avg_pool2d(Tensor(x)), x.mean(axis=(1, 2)))
    close(mg.global_sum_pool2d(Tensor(x)), x.sum(axis=(1, 2)))
    close(mg.global_max_pool2d(Tensor(x)), x.max(axis=(1, 2)))
    behaves(mg.global_avg_pool2d, x)
    behaves(mg.global_sum_pool2d, x)
    behaves(mg.global_max_pool2d, x)


def test_elements_that_tie_share_the_gradient_of_a_global_maximum():
    x = np.array([[1.0, 3.0], [3.0, 3.0]]).reshape(1, 2, 2, 1)
    assert gradient(mg.global_max_pool2d, x).ravel().tolist() == [0, 1 / 3, 1 / 3, 1 / 3]


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_what_is_wrong_is_named(name):
    pool, x = getattr(mg, name), Tensor(np.ones((1, 3, 3, 1)))
    for args, message in [
        ((x[0],), rf"{name}: got shape \(3, 3, 1\), wanted maps"),
        ((x, 4), r"does not fit a map of \(3, 3\)"),
        ((x, 0), r"size: got 0"),
        ((x, 2, 0), r"stride: got 0"),
        ((x, 2, 1, 2), rf"{name}: padding \(\(2, 2\), \(2, 2\)\) reaches past the window"),
    ]:
        with pytest.raises(ValueError, match=message):
            pool(*args)


@pytest.mark.parametrize("name", ["global_avg_pool2d", "global_max_pool2d", "global_sum_pool2d"])
def test_global_pooling_wants_maps(name):
    with pytest.raises(ValueError, match=rf"{name}: got shape \(3, 3, 1\), wanted maps"):
        getattr(mg, name)(Tensor(np.ones((3, 3, 1))))
