"""The sliced Wasserstein distance of points and of patches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.metrics import patch_wasserstein, sliced_wasserstein, wasserstein

SEEDS = st.integers(0, 2**32 - 1)


def plain(x, y):
    """W₁ of points on a line: each repeated until both sets are as large, sorted and matched."""
    size = math.lcm(len(x), len(y))
    a, b = (sorted(v for v in s for _ in range(size // len(s))) for s in (x, y))
    return sum(abs(p - q) for p, q in zip(a, b, strict=True)) / size


@given(SEEDS, st.integers(1, 7), st.integers(1, 7))
def test_on_a_line_it_is_the_wasserstein_distance(seed, n, m):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 4, n) * 1.0, rng.normal(size=m)
    found = sliced_wasserstein(real=x[:, None], fake=y[:, None], projections=3)
    assert found.value == pytest.approx(plain(x, y), rel=1e-9)
    assert found.parts == 3 and found.std < 1e-9


@given(SEEDS)
def test_a_shift_shows_by_its_part_along_each_direction(seed):
    rng = np.random.default_rng(seed)
    x, shift = rng.normal(size=(20, 4)), rng.normal(size=4)
    found = sliced_wasserstein(real=x, fake=x + shift, projections=20_000)
    # E|cos| of a random direction in 4 dimensions is 4/(3π)
    assert abs(found.value - np.linalg.norm(shift) * 4 / (3 * np.pi)) < 5 * found.error
    assert sliced_wasserstein(real=x, fake=x[::-1]).value < 1e-12


def test_directions_follow_the_seed_and_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    found = sliced_wasserstein(real=x, fake=y)
    assert found == sliced_wasserstein(real=x, fake=y)
    assert found.value != sliced_wasserstein(real=x, fake=y, seed=1).value
    monkeypatch.setattr(wasserstein, "_ROOM", 150)
    assert sliced_wasserstein(real=x, fake=y).value == pytest.approx(found.value, rel=1e-12)


def blurred(image):
    """The binomial filter with mirrored edges, pixel by pixel."""
    weights, (height, width) = np.array([1, 4, 6, 4, 1]) / 16, image.shape

    def mirrored(i, size):
        return abs(i) if i < size else 2 * (size - 1) - i

    result = np.zeros_like(image)
    for row, column, i, j in np.ndindex(height, width, 5, 5):
        r, c = mirrored(row + i - 2, height), mirrored(column + j - 2, width)
        result[row, column] += weights[i] * weights[j] * image[r, c]
    return result


def test_the_pyramid_level_by_level():
    image = np.random.default_rng(1).normal(size=(33, 35))
    fine, coarse = wasserstein._pyramid(image[None, :, :, None])
    small = blurred(image)[::2, ::2]
    spread = np.zeros_like(image)
    spread[::2, ::2] = small
    np.testing.assert_allclose(coarse[0, :, :, 0], small, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        fine[0, :, :, 0], image - 4 * blurred(spread), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("side, levels", [(7, 1), (28, 1), (31, 1), (32, 2), (64, 3), (128, 4)])
def test_how_many_scales_an_image_has(side, levels):
    images = np.random.default_rng(2).normal(size=(2, side, side, 1))
    found = patch_wasserstein(real=images, fake=images, patches=2, projections=2)
    assert (found.parts, found.value) == (levels, 0)


def test_patches_tell_texture_from_noise_but_not_brightness():
    rng = np.random.default_rng(3)
    images = rng.normal(size=(40, 16, 16, 2)).cumsum(1).cumsum(2)
    other = rng.normal(size=(40, 16, 16, 2)).cumsum(1).cumsum(2)
    noise = rng.normal(size=(40, 16, 16, 2))

    def distance(fake):
        return patch_wasserstein(real=images, fake=fake, patches=16, projections=64).value

    assert distance(noise) > 2 * distance(other)
    assert distance(3 * images + 1) < 1e-9
    assert np.isfinite(distance(np.zeros_like(images)))


def test_images_that_do_not_fit_are_named():
    images = np.zeros((2, 8, 8, 1))
    for bad in (np.zeros((2, 8, 9, 1)), np.zeros((2, 8, 8))):
        with pytest.raises(ValueError, match="fake"):
            patch_wasserstein(real=images, fake=bad)
    with pytest.raises(ValueError, match="at least 7 pixels"):
        patch_wasserstein(real=images[:, :6], fake=images[:, :6])
    with pytest.raises(ValueError, match="patches: got 0, wanted a whole number of at least 1"):
        patch_wasserstein(real=images, fake=images, patches=0)
