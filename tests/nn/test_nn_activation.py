"""Activation layers element by element, and dropout's masks."""

import math

import numpy as np
import pytest

from minigan import nn, random
from minigan.testing.values import values

EXPECTED = {
    "ReLU": (nn.ReLU(), lambda x: max(x, 0.0)),
    "LeakyReLU": (nn.LeakyReLU(0.1), lambda x: x if x > 0 else 0.1 * x),
    "LeakyReLU's default, Keras's": (nn.LeakyReLU(), lambda x: x if x > 0 else 0.3 * x),
    "ELU": (nn.ELU(0.7), lambda x: x if x > 0 else 0.7 * math.expm1(x)),
    "GELU": (
        nn.GELU(),
        # Hendrycks and Gimpel (2016), the approximation of section 2
        lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "Sigmoid": (nn.Sigmoid(), lambda x: 1 / (1 + math.exp(-x))),
    "Tanh": (nn.Tanh(), math.tanh),
    "Softplus": (nn.Softplus(), lambda x: math.log1p(math.exp(x))),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_element_is_the_formula(name):
    layer, formula = EXPECTED[name]
    x = values(0, (3, 4)) * 3
    expected = [[formula(float(v)) for v in row] for row in x]
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_sums_to_one_along_its_axis(axis):
    x = values(0, (2, 3, 4)) * 5
    e = np.exp(x)
    y = nn.Softmax(axis)(x).numpy()
    np.testing.assert_allclose(y, e / e.sum(axis=axis, keepdims=True), rtol=1e-13)


def test_dropout_drops_its_share_and_keeps_the_mean():
    with nn.training(True), random.use(0):
        y = nn.Dropout(0.3)(np.ones((500, 200))).numpy()
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    # Six standard deviations of a mean of 100,000 independent elements.
    assert abs(y.mean() - 1) < 6 * math.sqrt(0.3 / 0.7 / y.size)


def test_dropout_scales_what_it_keeps():
    x = values(0, (20, 5), "off_zero")
    with nn.training(True), random.use(0):
        y = nn.Dropout(0.5)(x).numpy()
    kept = y != 0
    assert 0 < kept.sum() < x.size
    assert np.array_equal(y[kept], 2 * x[kept])


def test_the_mask_is_the_next_of_the_stream_in_force():
    layer, x = nn.Dropout(0.4), np.ones((6, 7))
    with random.use(random.Stream(3, "dropout", 5)):
        masks = [layer(x).numpy() != 0 for _ in range(2)]
    stream = random.Stream(3, "dropout", 5)
    for mask in masks:
        assert np.array_equal(mask, stream.keep_mask((6, 7), 0.4))
    assert not np.array_equal(*masks)


def test_outside_a_stream_masks_differ_from_call_to_call():
    layer, x = nn.Dropout(0.5), np.ones((30, 30))
    assert not np.array_equal(layer(x).numpy(), layer(x).numpy())


def test_dropout_is_the_identity_in_evaluation_and_draws_nothing():
    x = values(0, (3, 4))
    with random.use(0) as stream:
        assert np.array_equal(nn.Dropout(0.5).eval()(x).numpy(), x)
        words = stream.words(2)
    assert np.array_equal(words, random.Stream(0).words(2))


def test_a_rate_of_zero_keeps_everything():
    x = values(0, (3, 4))
    assert np.array_equal(nn.Dropout(0.0)(x).numpy(), x)


@pytest.mark.parametrize("rate", [-0.1, 1, 2, float("nan")])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        nn.Dropout(rate)
