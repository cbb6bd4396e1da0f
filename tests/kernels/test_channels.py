from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import behaves, close
from strategies import examples, laid_out

import minigan as mg
from minigan import Tensor
from minigan.kernels import channels
from minigan.ops.normalization import shift
from minigan.testing.strategies import values


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setattr(channels, "FEWEST", 1)


@pytest.mark.parametrize(
    ("shape", "wide"),
    [
        ((4096, 64), (256, 1024)),
        ((4096, 3), (16, 768)),
        ((12, 64), (3, 256)),
        ((7, 3), (7, 3)),
        ((4096, 1), (4, 1024)),
        ((4, 1500), (4, 1500)),
        ((0, 3), (0, 3)),
        ((3, 0), (3, 0)),
    ],
)
def test_rows_are_put_together_by_a_power_of_two(shape, wide, any_size):
    flat = values(0, shape)
    (found,) = channels.widened(flat)
    assert found.shape == wide and np.shares_memory(found, flat) == (flat.size > 0)
    assert np.array_equal(found.reshape(shape), flat)


def test_rows_with_gaps_stay_as_they_are(any_size):
    whole, apart = np.zeros((8, 4)), np.zeros((8, 6))[:, :4]
    assert [a.shape for a in channels.widened(whole)] == [(1, 32)]
    assert [a.shape for a in channels.widened(whole, apart)] == [(8, 4), (8, 4)]
    assert [a.shape for a in channels.widened(apart)] == [(8, 4)]


def test_small_arrays_stay_as_they_are():
    x = np.zeros((channels.FEWEST // 4 - 1, 4))
    assert channels.widened(x)[0] is x


def test_numbers_of_channels_are_repeated_and_gathered():
    numbers = np.array([1.0, 2.0, 3.0])
    assert channels.repeated(numbers, 3, 6).tolist() == [1, 2, 3, 1, 2, 3]
    assert channels.repeated(numbers, 3, 3) is numbers
    assert channels.repeated(np.array(2.0), 3, 6).tolist() == [2] * 6
    assert channels.gathered(np.arange(12.0).reshape(2, 6), 3).tolist() == [[3, 5, 7], [15, 17, 19]]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.3, 1.5])
@pytest.mark.parametrize("wanted", [(0, 1), (0,), (1,)])
@pytest.mark.parametrize("shape", [(7, 3), (2, 5, 3), (3, 100, 80, 5), (2, 3, 70, 300), (0, 3)])
def test_a_shift_with_a_slope_is_a_leaky_relu_of_it(shape, wanted, slope, create_graph):
    arrays = values(0, shape), values(1, shape[-1:])
    inputs = [Tensor(a, requires_grad=i in wanted) for i, a in enumerate(arrays)]
    together, apart = shift(*inputs, slope), mg.leaky_relu(shift(*inputs), slope)
    assert together.numpy().tobytes() == apart.numpy().tobytes()
    inputs = [inputs[i] for i in wanted]
    g = Tensor(values(2, shape), requires_grad=create_graph)
    found = mg.grad(together, inputs, g, create_graph=create_graph)
    for got, of in zip(found, mg.grad(apart, inputs, g, create_graph=create_graph), strict=True):
        assert got.numpy().tobytes() == of.numpy().tobytes()


@examples(60)
@given(laid_out(min_dims=2), st.integers(1, 3), st.integers(1, 40))
def test_sums_and_shifts_of_any_layout(x, step, wide):
    by = values(1, x.shape[-1:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channels, "WIDE", wide)
        patch.setattr(channels, "FEWEST", 1)
        for part, of_part in ((x, by), (x[..., ::step], by[::step]), (x[::step], by)):
            close(channels.sums(part), part.sum(axis=tuple(range(x.ndim - 1))), 1e-11)
            assert np.array_equal(channels.shifted(part, of_part), part + of_part)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3, 2), (0, 2), (2, 8, 1)])
def test_a_shift_has_gradients_of_any_order(shape):
    behaves(shift, values(0, shape), values(1, shape[-1:]))
