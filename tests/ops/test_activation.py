from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, behaves, close, close_each, gradient
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.testing.strategies import arrays, seeds, shapes, values


def gelu(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + math.tanh(inner))


SMOOTH = {
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "gelu": gelu,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.3 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
}


@pytest.mark.parametrize("name", SMOOTH)
@examples(8)
@given(shape=shapes(), seed=seeds())
def test_activations_follow_their_formulas(name, shape, seed):
    x = values(seed, shape, "off_zero")
    expected = np.array([SMOOTH[name](float(v)) for v in x.ravel()]).reshape(shape)
    close_each(getattr(mg, name)(Tensor(x)), expected)
    behaves(getattr(mg, name), x)


@pytest.mark.parametrize("slope", [0, 0.01, 0.2, 1, 1.5, 3])
@examples(5)
@given(x=arrays(kind="off_zero"))
def test_leaky_relu_takes_any_slope_that_is_not_negative(slope, x):
    close_each(mg.leaky_relu(Tensor(x), slope), np.where(x > 0, x, slope * x))
    behaves(lambda t: mg.leaky_relu(t, slope), x)


@pytest.mark.parametrize("alpha", [0.5, 1.7])
@examples(6)
@given(x=arrays(kind="off_zero"))
def test_elu_takes_its_alpha(alpha, x):
    close_each(mg.elu(Tensor(x), alpha), np.where(x > 0, x, alpha * np.expm1(x)))
    behaves(lambda t: mg.elu(t, alpha), x)


@st.composite
def rows(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=1)))
    return x, draw(st.integers(-x.ndim, x.ndim - 1))


@examples(15)
@given(rows())
def test_softmax_shares_one_among_the_elements(drawn):
    x, axis = drawn
    e = np.exp(x)
    close(mg.softmax(Tensor(x), axis), e / e.sum(axis=axis, keepdims=True))
    behaves(lambda t: mg.softmax(t, axis) * t, x)  # times t: over one element softmax is constant


@examples(15)
@given(rows())
def test_log_softmax_is_the_logarithm_of_softmax(drawn):
    x, axis = drawn
    rows = np.moveaxis(x, axis, -1)
    # −ln Σⱼ e^(xⱼ − xᵢ): no difference of nearly equal numbers, unlike x − ln Σ eˣ.
    expected = -np.log(np.exp(rows[..., None, :] - rows[..., :, None]).sum(-1))
    close_each(np.moveaxis(mg.log_softmax(Tensor(x), axis).numpy(), axis, -1), expected)
    behaves(lambda t: mg.log_softmax(t, axis) * t, x)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_gradients_by_themselves(name):
    # Not multiplied by anything that could hide a wrong sign or a lost term.
    behaves(lambda t: getattr(mg, name)(t, 0), values(3, (4, 2)))
    assert getattr(mg, name)(Tensor(np.ones((0, 3)))).shape == (0, 3)


# Kinks


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_slope_at_zero_is_the_one_from_below(zero):
    x = np.array([zero])
    assert gradient(mg.relu, x) == 0
    for slope in (0, 0.2, 1, 3):
        assert gradient(lambda t, s=slope: mg.leaky_relu(t, s), x) == slope
    assert gradient(lambda t: mg.elu(t, 1.7), x) == 1.7


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("slope", [0, 0.01, 0.1, 0.2, 0.3, 1 / 3, 0.7, 1.1, 3.3])
def test_the_slopes_are_exact_in_every_dtype(slope, dtype):
    g = np.array([3.0, 3.0, 0.7, 0.7], dtype=dtype)
    x = Tensor([-1.0, 2.0, -0.1, 0.1], requires_grad=True, dtype=dtype)
    (found,) = mg.grad(mg.leaky_relu(x, slope), x, g)
    np.testing.assert_array_equal(found.numpy(), np.where(x.numpy() > 0, g, g * dtype(slope)))


def test_elu_has_second_derivative_alpha_at_zero():
    x = Tensor(0.0, requires_grad=True)
    (g,) = mg.grad(mg.elu(x, 1.7), x, create_graph=True)
    assert mg.grad(g, x)[0].item() == 1.7


# Numerical safety: warnings are errors here


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["sigmoid", "softplus", "tanh", "relu", "elu"])
def test_large_arguments_overflow_nowhere(name, dtype):
    x = Tensor([-1e4, -100, 100, 1e4], requires_grad=True, dtype=dtype)
    y = getattr(mg, name)(x)
    (g,) = mg.grad(y, x, np.ones(4), create_graph=True)
    low = -1 if name in ("tanh", "elu") else 0
    high = [1, 1] if name in ("sigmoid", "tanh") else x.numpy()[2:]
    np.testing.assert_allclose(y.numpy(), [low, low, *high], atol=1e-30)
    slope = 0 if name in ("sigmoid", "tanh") else 1
    np.testing.assert_allclose(g.numpy(), [0, 0, slope, slope], atol=1e-30)
    (h,) = mg.grad(g, x, np.ones(4), allow_unused=True)
    assert h is None or np.isfinite(h.numpy()).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_large_logits_overflow_nowhere(name, dtype):
    x = Tensor([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], requires_grad=True, dtype=dtype)
    y = getattr(mg, name)(x)
    (g,) = mg.grad(y, x, np.array([[1.0, 2, 3], [1, 2, 3]]), create_graph=True)
    (h,) = mg.grad(g, x, np.ones((2, 3)))
    assert np.isfinite(g.numpy()).all() and np.isfinite(h.numpy()).all()
    probabilities = y.numpy() if name == "softmax" else np.exp(y.numpy())
    np.testing.assert_allclose(
        probabilities, [[1, 0, 0], [1 / 3] * 3], rtol=1e-2 if dtype == np.float16 else 1e-6
    )


def test_logits_of_minus_infinity_have_no_share():
    x = Tensor([0.0, -np.inf, 0.0], requires_grad=True)
    assert mg.softmax(x).numpy().tolist() == [0.5, 0, 0.5]
    (g,) = mg.grad(mg.softmax(x), x, np.array([1.0, 2, 3]))
    assert g.numpy().tolist() == [-0.5, 0, 0.5]
    assert mg.log_softmax(x).numpy()[1] == -np.inf
    (g,) = mg.grad(mg.log_softmax(x), x, np.array([1.0, 0, 0]))
    assert g.numpy().tolist() == pytest.approx([0.5, 0, -0.5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_keeps_its_digits_where_it_is_small(dtype):
    # A generator that a confident discriminator refuses learns from just these digits.
    x = np.array([-80, -30, -17, -5], dtype=dtype)
    expected = np.exp(x) / (1 + np.exp(x))
    precision = 10 * np.finfo(dtype).eps
    close_each(mg.sigmoid(Tensor(x)), expected, precision)
    t = Tensor(x, requires_grad=True)
    close_each(mg.grad(mg.softplus(t).sum(), t)[0], expected, precision)
    close_each(mg.grad(mg.sigmoid(t).sum(), t)[0], expected * (1 - expected), precision)


# Errors


def test_a_negative_slope_is_refused():
    with pytest.raises(ValueError, match=r"slope: got -0\.1"):
        mg.leaky_relu(Tensor([1.0]), -0.1)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_names_an_axis_that_is_not_there(name):
    with pytest.raises(ValueError, match=f"{name}: axis: got 2 for 2 axes"):
        getattr(mg, name)(Tensor(np.ones((2, 3))), 2)
    with pytest.raises(ValueError, match=f"{name}: axis: got -1 for 0 axes"):
        getattr(mg, name)(Tensor(1.0))


def test_gelu_has_a_finite_gradient_where_powers_of_x_overflow_in_float16():
    x = mg.Tensor(np.array([-300, -40, 40, 300], np.float16), requires_grad=True)
    (g,) = mg.grad(mg.gelu(x).sum(), x)
    assert g.numpy().tolist() == [0, 0, 1, 1]
