"""Dense and Embedding: values from plain loops, and what they refuse."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.testing.values import values


def test_dense_is_a_product_on_the_last_axis():
    layer = nn.Dense(3, dtype="float64").build((None, 4, 5), seed=0)
    layer.bias.assign(values(1, (3,)))
    x, w, b = values(2, (2, 4, 5)), layer.weight.numpy(), layer.bias.numpy()
    y = layer(x).numpy()
    for index in np.ndindex(2, 4, 3):
        *at, unit = index
        expected = sum(x[(*at, k)] * w[k, unit] for k in range(5)) + b[unit]
        assert y[index] == pytest.approx(expected, rel=1e-12)


def test_dense_without_bias_has_only_a_weight():
    layer = nn.Dense(3, use_bias=False).build((None, 2))
    assert list(layer.named_state()) == ["weight"]
    assert layer(np.zeros((1, 2), "f4")).numpy().tolist() == [[0, 0, 0]]


def test_a_new_bias_is_zero_and_a_new_weight_is_not():
    layer = nn.Dense(3).build((None, 2))
    assert not layer.bias.numpy().any()
    assert layer.weight.numpy().all()


def test_embedding_looks_rows_up():
    layer = nn.Embedding(5, 2).build((None,), seed=0)
    ids = np.array([[4, 0, 4]])
    assert np.array_equal(layer(ids).numpy(), layer.weight.numpy()[ids])


def test_a_row_used_several_times_gets_the_sum_of_its_gradients():
    layer = nn.Embedding(4, 2, dtype="float64").build((None,), seed=0)
    cotangent = values(0, (3, 2))
    (found,) = mg.grad(layer(np.array([2, 0, 2])), [layer.weight], cotangent)
    expected = np.zeros((4, 2))
    for row, g in zip([2, 0, 2], cotangent, strict=True):
        expected[row] += g
    assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize("ids", [[4], [-1]])
def test_embedding_refuses_ids_without_a_row(ids):
    layer = nn.Embedding(4, 2).build((None,))
    with pytest.raises(IndexError, match="0 to 3"):
        layer(np.array(ids))


def test_embedding_refuses_floats():
    with pytest.raises(TypeError, match="wanted integers"):
        nn.Embedding(4, 2).build((None,))(np.zeros(3))


@pytest.mark.parametrize("make", [lambda: nn.Dense(0), lambda: nn.Embedding(0, 2)])
def test_sizes_must_be_positive(make):
    with pytest.raises(ValueError, match="at least 1"):
        make()


@pytest.mark.parametrize("is_built", [True, False])
def test_dense_wants_a_batch_axis(is_built):
    layer = nn.Dense(2)
    if is_built:
        layer.build((None, 3))
    with pytest.raises(ValueError, match=r"Dense: got .*shape .*wanted \(N, …, inputs\)"):
        layer(np.zeros(3, "f4"))
