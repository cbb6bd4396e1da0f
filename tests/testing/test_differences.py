"""Finite differences: right where they say that they are, and honest about their noise."""

import numpy as np
import pytest

from minigan.testing.differences import STEPS, at_step, derivatives, noise_floor

POINTS = np.array([0.3, 1.7, -2.4, 5.0])

CASES = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "steep": (lambda x: np.tanh(9 * x), lambda x: 9 / np.cosh(9 * x) ** 2),
    "fast": (lambda x: np.sin(40 * x), lambda x: 40 * np.cos(40 * x)),
    "rational": (lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
}


def line_of(function, points=POINTS):
    return lambda t: function(points + t) - function(points)


@pytest.mark.parametrize("h", STEPS)
@pytest.mark.parametrize("name", CASES)
def test_the_error_is_within_a_few_times_the_noise(name, h):
    function, slope = CASES[name]
    line = line_of(function)
    found = at_step(line, np.maximum(noise_floor(line), 1e-16 * abs(function(POINTS))), h)
    assert (abs(found.value - slope(POINTS)) <= 3 * found.noise).all()


@pytest.mark.parametrize("name", CASES)
def test_the_best_step_reaches_eight_digits(name):
    function, slope = CASES[name]
    line = line_of(function)
    floor = np.maximum(noise_floor(line), 1e-16 * abs(function(POINTS)))
    found = derivatives([line], floor, lambda v: 1e-8 * abs(v).max())
    scale = abs(slope(POINTS)).max()
    assert found.noise.max() <= 1e-8 * scale
    assert abs(found.value[0] - slope(POINTS)).max() <= 1e-8 * scale


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-6])
def test_the_noise_floor_is_measured(size):
    rng = np.random.default_rng(0)
    noisy = lambda t: np.sin(np.ones(200) + t) + size * rng.normal(size=200)  # noqa: E731
    base = noisy(0.0)
    line = lambda t: noisy(t) - base  # noqa: E731
    assert size / 2 < np.median(noise_floor(line)) < 2 * size


def test_the_noise_floor_of_single_precision_is_measured():
    single = lambda t: np.sin(np.float32(POINTS + t)).astype(np.float64)  # noqa: E731
    line = lambda t: single(t) - single(0.0)  # noqa: E731
    assert 3e-9 < noise_floor(line).max() < 3e-7


@pytest.mark.parametrize("h", STEPS)
def test_a_kink_shows_as_a_jump_of_the_slope(h):
    found = at_step(lambda t: np.array([abs(t) + t, t, t * t, np.sin(3 * t)]), 0.0, h)
    assert abs(found.jump[0] - 2) < 1e-9
    assert not found.jump[1:].any()
