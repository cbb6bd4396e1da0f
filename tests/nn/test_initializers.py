"""Initialisers: the distributions they promise."""

import math

import numpy as np
import pytest

from minigan.nn import Constant, Dense, Normal, Orthogonal, Scaled, Uniform
from minigan.nn.initializers import NAMED, initializer
from minigan.random import Stream

SHAPE, FANS = (300, 200), (300, 200)

# name: (variance by its paper, whether uniform)
PAPERS = {
    "glorot_uniform": (2 / (300 + 200), True),
    "glorot_normal": (2 / (300 + 200), False),
    "he_uniform": (2 / 300, True),
    "he_normal": (2 / 300, False),
    "lecun_uniform": (1 / 300, True),
    "lecun_normal": (1 / 300, False),
}


def draw(init, shape=SHAPE, fans=FANS, seed=0):
    return initializer(init)(Stream(seed, "init/w"), shape, fans)


@pytest.mark.parametrize("name", PAPERS)
def test_variance_and_bounds_are_the_papers(name):
    variance, uniform = PAPERS[name]
    w = draw(name)
    kurtosis = 1.8 if uniform else 3.0
    # The mean's and the variance's own standard deviations for 60,000 draws, six times each.
    assert abs(w.mean()) < 6 * math.sqrt(variance / w.size)
    assert abs(w.var() / variance - 1) < 6 * math.sqrt((kurtosis - 1) / w.size)
    bound = math.sqrt(3 * variance)
    if uniform:
        assert 0.999 * bound < np.abs(w).max() <= bound
    else:
        assert np.abs(w).max() > 1.5 * bound


@pytest.mark.parametrize(("mode", "fan"), [("in", 300), ("out", 200), ("average", 250)])
def test_scaled_divides_its_gain_by_the_fan_of_its_mode(mode, fan):
    w = draw(Scaled(3.0, mode))
    assert abs(w.var() * fan / 3 - 1) < 6 * math.sqrt(2 / w.size)


def test_scaled_refuses_other_modes():
    with pytest.raises(ValueError, match=r"mode: got 'fan_in', wanted \"in\", \"out\" or"):
        draw(Scaled(1.0, "fan_in"))


def test_normal_has_the_std_and_mean_asked_for():
    w = draw(Normal(0.5, 2.0))
    assert abs(w.mean() - 2) < 6 * 0.5 / math.sqrt(w.size)
    assert abs(w.std() / 0.5 - 1) < 6 / math.sqrt(2 * w.size)


def test_normal_defaults_to_dcgans_std():
    """Radford, Metz and Chintala (2016), section 4."""
    assert Normal() == Normal(std=0.02, mean=0.0)


def test_uniform_fills_its_interval():
    w = draw(Uniform(-1.0, 3.0))
    assert -1 <= w.min() < -0.999
    assert 2.999 < w.max() < 3


def test_constants():
    assert np.array_equal(draw(Constant(2.5), (2, 3)), np.full((2, 3), 2.5))
    assert not draw("zeros").any()
    assert (draw("ones") == 1).all()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 2, 7), (2, 2, 3, 4), (6,)])
def test_orthogonal_has_orthonormal_rows_or_columns_times_its_gain(shape):
    w = draw(Orthogonal(2.0), shape) / 2
    flat = w.reshape(-1, shape[-1])
    small = flat.T @ flat if flat.shape[0] >= flat.shape[1] else flat @ flat.T
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-13)


def test_orthogonal_prefers_no_sign():
    """Without the correction by R's diagonal, QR's own signs would show."""
    first = [draw("orthogonal", (3, 3), seed=s)[0, 0] for s in range(200)]
    assert 60 < sum(v > 0 for v in first) < 140


@pytest.mark.parametrize("name", NAMED)
def test_equal_streams_give_equal_values_of_the_shape_asked_for(name):
    a, b, c = (draw(name, (3, 4), seed=s) for s in (1, 1, 2))
    assert a.shape == (3, 4)
    assert np.array_equal(a, b)
    assert np.array_equal(a, c) == (name in ("zeros", "ones"))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="got 'xavier', wanted one of zeros, ones, glorot_uniform"):
        Dense(2, init="xavier").build((None, 3))


def test_a_function_of_stream_shape_and_fans_is_an_initialiser():
    def ramp(stream, shape, fans):
        return np.arange(np.prod(shape)).reshape(shape)

    weight = Dense(2, init=ramp).build((None, 3)).weight
    assert weight.dtype == np.float32
    assert weight.numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
