from __future__ import annotations

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, behaves, close, keeps_dtypes, plain
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.backend import is_array
from minigan.ops.normalization import standardize
from minigan.testing import check_gradients
from minigan.testing.strategies import seeds, shapes, values


@st.composite
def cases(draw, min_dims, axes):
    """x, generic γ and β, an eps, and the axes over which each of x's slices is normalised."""
    shape = draw(shapes(min_dims=min_dims, max_dims=max(3, min_dims), min_side=2))
    seed, channels = draw(seeds()), shape[-1:]
    x = values(seed, shape) * 2 + 1
    gamma, beta = values(seed + 1, channels, "off_zero"), values(seed + 2, channels)
    return x, gamma, beta, draw(st.sampled_from([0.1, 0.3])), axes(len(shape))


KINDS = {
    "batch_norm": (2, lambda ndim: range(ndim - 1)),
    "layer_norm": (1, lambda ndim: [ndim - 1]),
    "instance_norm": (3, lambda ndim: range(1, ndim - 1)),
}


@pytest.mark.parametrize("name", KINDS)
@examples(15)
@given(data=st.data())
def test_layers_normalise_then_scale_and_shift(name, data):
    x, gamma, beta, eps, axes = data.draw(cases(*KINDS[name]))
    function = getattr(mg, name)
    expected = references.normalize(x, list(axes), eps) * gamma + beta
    close(function(Tensor(x), Tensor(gamma), Tensor(beta), eps), expected)
    behaves(lambda *ts: function(*ts, eps), x, gamma, beta)


@pytest.mark.parametrize("eps", [1e-3, 1e-5])
@pytest.mark.parametrize("name", KINDS)
def test_layers_with_a_usual_eps(name, eps):
    # Above, eps is large: two numbers normalise to −1 and 1 whatever they are, but for eps.
    x, gamma, beta = values(0, (3, 3, 3)), values(1, (3,), "off_zero"), values(2, (3,))
    function, axes = getattr(mg, name), KINDS[name][1](3)
    close(function(x, gamma, beta, eps), references.normalize(x, list(axes), eps) * gamma + beta)
    check_gradients(lambda *ts: function(*ts, eps), [x, gamma, beta], order=2)


@examples(20)
@given(shape=shapes(min_dims=1, min_side=2), seed=seeds(), data=st.data())
def test_normalize_over_any_axes(shape, seed, data):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1))
    axes = tuple(a - len(shape) if data.draw(st.booleans()) else a for a in axes)
    x = values(seed, shape)
    close(mg.normalize(Tensor(x), axes, 0.1), references.normalize(x, list(axes), 0.1))
    behaves(lambda t: mg.normalize(t, axes, 0.1), x)


def test_the_second_derivative_holds_that_of_the_scale():
    # With σ taken as a constant the first order is unchanged but this is wrong by a factor.
    x = values(0, (4, 2))

    def squared_gradient(t):
        (g,) = mg.grad((mg.normalize(t, 0, 1e-3) ** 3).sum(), t, create_graph=True)
        return (g * g).sum()

    check_gradients(squared_gradient, [x], order=2)


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_fused_gradient_is_that_of_its_composed_twin(create_graph):
    x, g = values(0, (3, 4, 2)), values(1, (3, 4, 2))
    t = Tensor(x, requires_grad=True)
    (found,) = mg.grad(mg.normalize(t, (0, 1), 0.1), t, g, create_graph=create_graph)
    u = Tensor(x, requires_grad=True)
    step = (u - mg.mean(u, (0, 1))) / mg.sqrt(mg.var(u, (0, 1)) + 0.1)
    close(found, mg.grad(step, u, g)[0])


@examples(10)
@given(shape=shapes(min_dims=1, min_side=1), seed=seeds(), data=st.data())
def test_moments_are_mean_and_biased_variance(shape, seed, data):
    x = values(seed, shape)
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    mean, variance = mg.moments(Tensor(x, requires_grad=True), axis)
    assert is_array(mean) and is_array(variance)
    close(mean, x.mean(axis=axis, keepdims=True), 1e-14)
    assert np.abs(plain(variance) - x.var(axis=axis, keepdims=True)).max() < 1e-14


def test_given_statistics_are_used_and_differentiated_as_the_moments_they_are():
    x, gamma, beta = values(0, (4, 3)), values(1, (3,)), values(2, (3,))

    def function(*ts):
        return mg.batch_norm(*ts, statistics=mg.moments(ts[0], (0,)))

    close(function(x, gamma, beta), mg.batch_norm(x, gamma, beta))
    check_gradients(function, [x, gamma, beta], order=2)
    keeps_dtypes(function, [x, gamma, beta])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_mean_does_not_swallow_the_variance(dtype):
    # E[x²] − E[x]² would lose all digits here.
    x = np.array([[1.0], [-1.0], [1.0], [-1.0]]) + 1e3 / np.finfo(dtype).eps ** 0.25
    found = mg.normalize(Tensor(x, dtype=dtype), 0, 0.0).numpy()
    np.testing.assert_allclose(found, [[1], [-1], [1], [-1]], rtol=0.02)


@pytest.mark.parametrize("dtype", FLOATS)
def test_constant_inputs_normalise_to_zero(dtype):
    x = Tensor(np.full((4, 2), 3.0), requires_grad=True, dtype=dtype)
    y = mg.normalize(x, 0, 1e-3)
    assert y.dtype == dtype and not y.numpy().any()
    (g,) = mg.grad(y, x, values(0, (4, 2)), create_graph=True)
    assert np.isfinite(g.numpy()).all()
    assert np.isfinite(mg.grad(g, x, values(1, (4, 2)), allow_unused=True)[0].numpy()).all()


def test_what_is_wrong_is_named():
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"instance_norm: got shape \(2, 3\)"):
        mg.instance_norm(x, 1.0, 0.0)
    with pytest.raises(ValueError, match="axis: got 2 for 2 axes"):
        mg.normalize(x, 2)
    with pytest.raises(ValueError, match=r"\(2,\s?3\) \(2,\)"):
        mg.layer_norm(x, np.ones(2), 0.0)
    for axis in (5, (0, 0)):
        with pytest.raises(ValueError, match="axis: got"):
            mg.moments(x, axis)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(7, 4), (3, 5, 40, 30)])
def test_batch_norm_with_a_slope_is_a_leaky_relu_of_it(shape, slope, create_graph):
    inputs = [
        Tensor(a, requires_grad=True)
        for a in (values(0, shape), values(1, shape[-1:], "off_zero"), values(2, shape[-1:]))
    ]
    g = values(3, shape)
    together = mg.batch_norm(*inputs, 0.1, slope=slope)
    apart = mg.leaky_relu(mg.batch_norm(*inputs, 0.1), slope)
    close(together, apart.numpy())
    for got, wanted in zip(
        mg.grad(together, inputs, g, create_graph=create_graph),
        mg.grad(apart, inputs, g),
        strict=True,
    ):
        close(got, wanted.numpy())


def test_a_slope_below_zero_is_refused():
    for slope in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="slope: got .*wanted a number, 0 or more"):
            mg.batch_norm(np.ones((2, 3)), np.ones(3), np.ones(3), slope=slope)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3, 2)])
def test_standardize_has_gradients_of_any_order(shape):
    x, *channels = values(0, shape), *(values(k, shape[-1:]) for k in (1, 2, 3))
    behaves(standardize, x, *channels)
