"""Noise: shape, dtype, distribution, and what it is a function of."""

from __future__ import annotations

import numpy as np
import pytest

from minigan import nn
from minigan.gan import Normal, Uniform, sample
from minigan.random import Stream

LATENTS = [Normal(7), Uniform(7), Uniform(7, 2.0, 5.0)]


@pytest.mark.parametrize("latent", LATENTS, ids=repr)
def test_noise_is_a_function_of_the_stream(latent):
    z = latent.draw(5, Stream(3, "latent", 2))
    assert z.shape == (5, 7) and z.dtype == np.float32
    assert z.tobytes() == latent.draw(5, Stream(3, "latent", 2)).tobytes()
    for other in (Stream(4, "latent", 2), Stream(3, "sampling", 2), Stream(3, "latent", 3)):
        assert not (z == latent.draw(5, other)).any()


def test_successive_draws_of_a_stream_differ():
    stream = Stream(0, "latent")
    assert not (Normal(7).draw(5, stream) == Normal(7).draw(5, stream)).any()


# Of n independent numbers, the mean strays by σ/√n and the variance of a normal by σ²·√(2/n):
# six of those are allowed. The draws are the same in every run.
N = 100_000


def test_normal_noise_has_mean_0_and_variance_1():
    z = Normal(10).draw(N // 10, Stream(0, "latent")).astype(np.float64)
    assert abs(z.mean()) < 6 / N**0.5
    assert abs(z.var() - 1) < 6 * (2 / N) ** 0.5
    # The coordinates of a vector are as independent as the vectors.
    assert np.abs(np.cov(z.T) - np.eye(10)).max() < 6 * (2 / (N / 10)) ** 0.5


@pytest.mark.parametrize("low, high", [(-1.0, 1.0), (2.0, 5.0)])
def test_uniform_noise_fills_its_interval(low, high):
    z = Uniform(10, low, high).draw(N // 10, Stream(0, "latent")).astype(np.float64)
    width = high - low
    assert low <= z.min() < low + width * 1e-3 and high - width * 1e-3 < z.max() < high
    assert abs(z.mean() - (low + high) / 2) < 6 * width / (12 * N) ** 0.5


def test_the_sizes_that_papers_use_are_the_defaults():
    assert Normal() == Normal(100)
    assert Uniform() == Uniform(100, -1.0, 1.0)


@pytest.mark.parametrize("kind", [Normal, Uniform])
@pytest.mark.parametrize("size", [0, 2.5, "3"])
def test_a_size_is_a_whole_number(kind, size):
    with pytest.raises((TypeError, ValueError), match=f"latent size: got {size!r}, wanted a whole"):
        kind(size)


def test_an_interval_has_its_low_end_first():
    with pytest.raises(ValueError, match="low: got 1.0, high: got -1.0, wanted low below high"):
        Uniform(3, 1.0, -1.0)


@pytest.mark.parametrize("made", [lambda z: z[:-1], lambda z: z[:, :-1], lambda z: None])
def test_noise_of_another_shape_is_refused(made):
    class Own:
        size = 3

        def draw(self, count, stream):
            return made(stream.normal((count, 3)))

    generator = nn.Sequential(nn.Dense(2)).build((None, 3))
    with pytest.raises(ValueError, match=r"latent: Own.draw gave .*wanted .* \(64, 3\)"):
        sample(generator, Own(), 4)
