from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, behaves, close_each
from strategies import examples

import minigan as mg
from minigan import Tensor, random
from minigan.random import Stream
from minigan.testing.strategies import arrays, seeds


@examples(15)
@given(x=arrays(), rate=st.sampled_from([0.1, 0.3, 0.5, 0.9]), seed=seeds())
def test_each_element_is_dropped_or_scaled(x, rate, seed):
    keep = Stream(seed, "dropout").keep_mask(x.shape, rate)
    close_each(mg.dropout(Tensor(x), rate, Stream(seed, "dropout")), x * keep / (1 - rate))
    behaves(lambda t: mg.dropout(t, rate, Stream(seed, "dropout")) * t, x)
    behaves(lambda t: mg.dropout(t, rate, Stream(seed, "dropout")), x)


def test_the_rate_is_the_part_that_is_dropped():
    x = Tensor(np.ones(40_000))
    for rate in (0.1, 0.5, 0.8):
        y = mg.dropout(x, rate, Stream(0)).numpy()
        # Six standard deviations of a binomial count; the stream is fixed, so this can't flicker.
        assert abs((y == 0).mean() - rate) < 6 * np.sqrt(rate * (1 - rate) / y.size)
        np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-15)


def test_the_mask_comes_from_the_stream_in_force_and_each_draw_is_new():
    x = Tensor(np.ones((8, 8)))
    with random.use(3):
        first, second = mg.dropout(x, 0.5).numpy(), mg.dropout(x, 0.5).numpy()
    assert (first != second).any()
    with random.use(Stream(3)):
        np.testing.assert_array_equal(mg.dropout(x, 0.5).numpy(), first)
    stream = Stream(3)
    np.testing.assert_array_equal(mg.dropout(x, 0.5, stream).numpy(), first)
    np.testing.assert_array_equal(mg.dropout(x, 0.5, stream).numpy(), second)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_rate_of_zero_drops_nothing_and_draws_nothing(dtype):
    x, stream = Tensor([1.0, 2.0], dtype=dtype), Stream(0)
    y = mg.dropout(x, 0, stream)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), x.numpy())
    np.testing.assert_array_equal(stream.words(2), Stream(0).words(2))


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match=f"rate: got {rate}"):
        mg.dropout(Tensor([1.0]), rate)
