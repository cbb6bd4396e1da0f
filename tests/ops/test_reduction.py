from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, adjoint, behaves, close, gradient
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.primitives import sum_to
from minigan.testing import check_gradients
from minigan.testing.strategies import arrays, arrays_with_axis, broadcastable, seeds, values

REDUCTIONS = ["logsumexp", "max", "mean", "min", "norm", "sum", "var"]


def reference(name, x, axis, keepdims):
    if name == "norm":
        return np.sqrt((x**2).sum(axis=axis, keepdims=keepdims))
    if name != "logsumexp":
        return getattr(np, name)(x, axis=axis, keepdims=keepdims)
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", REDUCTIONS)
@examples(12)
@given(drawn=arrays_with_axis("distinct"), keepdims=st.booleans())
def test_reductions_match_numpy_over_any_axes(name, drawn, keepdims):
    x, axis = drawn
    function = getattr(mg, name)
    close(function(Tensor(x), axis, keepdims=keepdims), reference(name, x, axis, keepdims))
    if name == "var":
        # Over single elements the variance is 0 whatever x is; the product has a gradient.
        behaves(lambda t: function(t, axis, keepdims=True) + t, x)
    elif name == "norm":  # over single elements it is |x|, which has no second derivative
        behaves(lambda t: function(t, axis, keepdims=True) * t, x)
    else:
        behaves(lambda t: function(t, axis, keepdims=keepdims), x)


@examples(8)
@given(x=arrays((3, 2)), axis=st.sampled_from([None, 0, (0, 1)]), ddof=st.integers(0, 2))
def test_var_counts_its_degrees_of_freedom(x, axis, ddof):
    close(mg.var(Tensor(x), axis, ddof=ddof), np.var(x, axis=axis, ddof=ddof))
    behaves(lambda t: mg.var(t, axis, ddof), x)


def test_a_norm_of_zero_has_the_gradient_zero_to_every_order():
    x = Tensor(np.array([[0.0, 0.0], [3.0, 4.0]]), requires_grad=True)
    y = mg.norm(x, 1)
    (g,) = mg.grad(y, [x], np.array([2.0, 2.0]), create_graph=True)
    np.testing.assert_allclose(g.numpy(), [[0, 0], [1.2, 1.6]], rtol=1e-15)
    (second,) = mg.grad(g.sum(), [x])  # 2·(1/y − (x·1)x/y³)
    np.testing.assert_allclose(second.numpy(), [[0, 0], [0.064, -0.048]], rtol=1e-13)


def test_a_norm_of_float16_whose_squares_overflow():
    x = Tensor(np.array([600.0, 800.0], np.float16), requires_grad=True)
    y = mg.norm(x)
    y.backward()
    assert y.dtype == np.float16 and y.item() == 1000
    np.testing.assert_allclose(x.grad.numpy(), [0.6, 0.8], rtol=1e-3)


@pytest.mark.parametrize("name", ["max", "min"])
def test_elements_that_tie_share_the_gradient(name):
    sign = 1 if name == "max" else -1
    x = sign * np.array([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0], [0.0, 5.0, 1.0]])
    function = getattr(mg, name)
    g = gradient(lambda t: function(t, 1), x, g=np.array([6.0, 6.0, 6.0]))
    np.testing.assert_array_equal(g, [[3, 0, 3], [2, 2, 2], [0, 6, 0]])
    g = gradient(lambda t: function(t[:2], (0, 1)), x)
    tied = x[:2] == x[:2].max() if name == "max" else x[:2] == x[:2].min()
    np.testing.assert_array_equal(g[:2], tied / tied.sum())


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_an_array_with_an_empty_axis(name):
    x = np.ones((0, 3))
    function = getattr(mg, name)
    assert function(Tensor(x), 1).shape == (0,)
    assert gradient(lambda t: function(t, 1), x).shape == (0, 3)


def test_a_sum_over_nothing_is_zero_and_an_extreme_of_nothing_is_an_error():
    assert mg.sum(Tensor(np.ones((0, 3))), 0).numpy().tolist() == [0, 0, 0]
    for name in ("max", "min"):
        with pytest.raises(ValueError, match=f"{name}: zero-size"):
            getattr(mg, name)(Tensor(np.ones((0, 3))), 0)


@examples(10)
@given(shapes=broadcastable(1), seed=seeds())
def test_broadcasting_and_summing_are_adjoint(shapes, seed):
    (small,) = shapes
    whole = (2, *(n if n != 1 else 3 for n in small))
    x, y = values(seed, small), values(seed + 1, whole)
    adjoint(lambda a: mg.broadcast_to(Tensor(a), whole), lambda b: sum_to(Tensor(b), small), x, y)
    check_gradients(lambda t: sum_to(t, small), [y], order=2, empty=True)


# Numerical safety: warnings are errors here


@pytest.mark.parametrize("dtype", FLOATS)
def test_logsumexp_of_large_numbers_does_not_overflow(dtype):
    x = Tensor([[1e4, 1e4], [-1e4, -1e4], [1e4, -1e4]], requires_grad=True, dtype=dtype)
    y = mg.logsumexp(x, 1)
    np.testing.assert_allclose(y.numpy(), [1e4, -1e4, 1e4], atol=8 if dtype == np.float16 else 1)
    (g,) = mg.grad(y, x, np.ones(3), create_graph=True)
    tolerance = {np.float16: 1e-2, np.float32: 1e-3, np.float64: 1e-11}[dtype]
    np.testing.assert_allclose(g.numpy()[2], [1, 0], atol=tolerance)
    assert np.isfinite(mg.grad(g, x, np.ones((3, 2)))[0].numpy()).all()


def test_logsumexp_passes_over_minus_infinity():
    x = Tensor([[0.0, -np.inf, 0.0], [-np.inf, 1.0, -np.inf]], requires_grad=True)
    y = mg.logsumexp(x, 1)
    np.testing.assert_allclose(y.numpy(), [np.log(2), 1], rtol=1e-15)
    (g,) = mg.grad(y, x, np.ones(2), create_graph=True)
    np.testing.assert_allclose(g.numpy(), [[0.5, 0, 0.5], [0, 1, 0]], rtol=1e-15)
    assert np.isfinite(mg.grad(g, x, np.ones((2, 3)))[0].numpy()).all()


@pytest.mark.parametrize("value", [-np.inf, np.inf])
def test_logsumexp_of_infinities_is_infinite(value):
    assert mg.logsumexp(Tensor([value, value])).item() == value


# Errors


@pytest.mark.parametrize("name", REDUCTIONS)
def test_wrong_axes_are_named(name):
    x, function = Tensor(np.ones((2, 3))), getattr(mg, name)
    for axis in (2, -3, (0, 2)):
        with pytest.raises(ValueError, match=f"{name}: axis: got -?[23] for 2 axes"):
            function(x, axis)
    with pytest.raises(ValueError, match=r"axis: got \(1, -1\), in which an axis is repeated"):
        function(x, (1, -1))


def test_var_of_too_few_elements_says_so():
    with pytest.raises(ValueError, match="var over 2 elements needs a smaller ddof"):
        mg.var(Tensor([1.0, 2.0]), ddof=2)


def test_the_gradient_of_a_mean_over_more_than_float16_can_count():
    x = Tensor(np.ones((300, 300)), requires_grad=True, dtype="float16")
    (g,) = mg.grad(x.mean(), x)
    np.testing.assert_array_equal(g.numpy(), np.float16(1 / 90_000))
