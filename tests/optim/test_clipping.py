"""Clipping by norm and by value, as functions."""

import math

import numpy as np
import pytest

from minigan.optim import clip_by_norm, clip_by_value, norm
from minigan.testing.values import values

FLOATS = ("float16", "float32", "float64")


def test_the_norm_is_over_everything_together():
    assert norm([np.array([3.0, 4.0]), None, np.array([[12.0]])]) == 13
    assert norm([np.array(-2.0), np.zeros((0, 3))]) == 2
    assert norm([]) == norm([None]) == 0


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_norm_is_summed_in_float64(dtype):
    """The squares of 300 overflow float16 and 10,000 of 0.1 lose digits in it."""
    assert norm([np.full(4, 300, dtype)]) == 600
    g = np.full(10_000, 0.1, dtype)
    assert norm([g]) == pytest.approx(100 * float(g[0]), rel=1e-12)


def test_a_long_gradient_is_scaled_to_the_limit_in_its_direction():
    gradients = [values(0, (3, 2)), None, values(1, (4,))]
    size = math.sqrt(sum(float((g**2).sum()) for g in gradients if g is not None))
    clipped = clip_by_norm(gradients, 0.5)
    assert clipped[1] is None
    for before, after in zip(gradients, clipped, strict=True):
        if before is not None:
            np.testing.assert_allclose(after, before * (0.5 / size), rtol=1e-14)
    assert norm(clipped) == pytest.approx(0.5, rel=1e-14)


def test_a_short_gradient_stays_bit_for_bit():
    gradients = [np.array([0.3, 0.4]), None]
    for limit in (0.5, 7.0):
        clipped = clip_by_norm(gradients, limit)
        assert clipped[0].tolist() == [0.3, 0.4]
        assert clipped[1] is None
    assert clip_by_norm([np.zeros(2)], 0.0)[0].tolist() == [0, 0]


def test_values_are_held_to_the_limit():
    g = np.array([-5.0, -1.0, 0.5, 2.0])
    clipped = clip_by_value([g, None], 1.5)
    assert clipped[0].tolist() == [-1.5, -1, 0.5, 1.5]
    assert clipped[1] is None


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_limit_beyond_the_dtypes_range_holds_nothing(dtype):
    g = np.array([-60000, 60000], dtype)
    assert np.array_equal(clip_by_value([g], 1e300)[0], g)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_neither_widens_nor_writes_to_what_it_is_given(clip, shape, dtype):
    g = np.full(shape, 3, dtype)
    g.flags.writeable = False
    (clipped,) = clip([g], 0.5)
    assert clipped.dtype == dtype
    assert clipped.shape == shape
    assert (np.abs(clipped) <= 0.5).all()
