from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import behaves, close
from strategies import examples

import minigan as mg
from minigan import Tensor
from minigan.testing import check_gradients
from minigan.testing.strategies import arrays, shapes

TARGETS = st.sampled_from([0.0, 1.0]) | st.floats(0.01, 0.99)


def entropy(p: float, target: float) -> float:
    """−t·ln p − (1 − t)·ln(1 − p), with 0·ln 0 = 0."""
    real = target * math.log(p) if target else 0.0
    return -real - ((1 - target) * math.log(1 - p) if target < 1 else 0.0)


@examples(40)
@given(arrays(shapes(min_side=1), "probability"), TARGETS)
def test_both_are_the_mean_of_the_definition(p, target):
    expected = np.mean([entropy(value, target) for value in p.reshape(-1)])
    close(mg.binary_cross_entropy(p, target), expected)
    close(mg.binary_cross_entropy_with_logits(np.log(p / (1 - p)), target), expected)
    behaves(lambda x: mg.binary_cross_entropy(x, target), p)
    behaves(lambda x: mg.binary_cross_entropy_with_logits(x, target), p)


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_a_probability_that_is_held_has_its_bounds_loss_and_no_gradient(target):
    p = Tensor([0.0, 0.01, 0.5, 0.99, 1.0], requires_grad=True)
    y = mg.binary_cross_entropy(p, target, eps=0.01)
    close(y, np.mean([entropy(value, target) for value in (0.01, 0.01, 0.5, 0.99, 0.99)]))
    (g,) = mg.grad(y, p)
    slope = [((1 - target) / (1 - v) - target / v) / 5 for v in (0.01, 0.5, 0.99)]
    close(g, np.array([0, *slope, 0]))


@pytest.mark.parametrize(("certain", "slope"), [(1.0, -1.0), (0.0, 1.0)])
def test_a_probability_of_one_for_what_is_so_has_a_gradient(certain, slope):
    p = Tensor([certain], requires_grad=True)
    y = mg.binary_cross_entropy(p, certain, eps=0.0)
    assert y.item() == 0 and mg.grad(y, p)[0].item() == slope


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("logit", "target", "loss", "slope"),
    [
        (200.0, 1.0, 0.0, 0.0),
        (200.0, 0.0, 200.0, 1.0),
        (-200.0, 1.0, 200.0, -1.0),
        (-200.0, 0.0, 0.0, 0.0),
        (200.0, 0.25, 150.0, 0.75),
    ],
)
def test_logits_of_any_size_have_a_loss_and_a_gradient(dtype, logit, target, loss, slope):
    x = Tensor(np.array([logit], dtype), requires_grad=True)
    y = mg.binary_cross_entropy_with_logits(x, target)
    (g,) = mg.grad(y, x)
    assert y.dtype == g.dtype == dtype
    assert abs(y.item() - loss) < 1e-30 and abs(g.item() - slope) < 1e-30


def test_a_confident_logit_keeps_the_digits_of_its_gradient():
    x = Tensor(np.float32([30.0]), requires_grad=True)
    (g,) = mg.grad(mg.binary_cross_entropy_with_logits(x, 1.0), x)
    assert math.isclose(g.item(), -math.exp(-30), rel_tol=1e-6)


@pytest.mark.parametrize("target", [0.0, 0.7, 1.0])
def test_gradients_of_first_and_second_order(target):
    p = np.random.default_rng(0).uniform(0.05, 0.95, (5, 4))
    check_gradients(lambda x: mg.binary_cross_entropy(x, target), [p], order=2)
    check_gradients(lambda x: mg.binary_cross_entropy_with_logits(x, target), [4 * p - 2], order=2)


def test_nothing_has_the_mean_of_nothing():
    x = Tensor(np.empty((0, 1)), requires_grad=True)
    with pytest.warns(RuntimeWarning):
        y = mg.binary_cross_entropy_with_logits(x, 1.0)
    assert np.isnan(y.item()) and mg.grad(y, x)[0].shape == (0, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": 1.5}, "target: got 1.5, wanted a number in"),
        ({"target": -0.1}, "target: got -0.1"),
        ({"target": 1.0, "eps": 0.5}, "eps: got 0.5"),
    ],
)
def test_other_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"^binary_cross_entropy: {message}"):
        mg.binary_cross_entropy(np.array([0.5]), **settings)
    if "eps" not in settings:
        with pytest.raises(ValueError, match=f"^binary_cross_entropy_with_logits: {message}"):
            mg.binary_cross_entropy_with_logits(np.array([0.5]), **settings)
