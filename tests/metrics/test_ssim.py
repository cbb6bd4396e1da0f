"""Structural similarity over scales, and variety by it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigan.metrics import mean_similarity, ms_ssim

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def terms(x, y, window, value_range):
    """(l, s) of one window."""
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    mx, my = (window * x).sum(), (window * y).sum()
    vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
    vxy = (window * (x - mx) * (y - my)).sum()
    return (2 * mx * my + c1) / (mx**2 + my**2 + c1), (2 * vxy + c2) / (vx + vy + c2)


def plain(x, y, value_range, scales):
    """Window by window, channel by channel."""
    result = 1.0
    for scale in range(scales):
        tall, wide = (min(11, side) for side in x.shape[:2])
        bells = [
            [math.exp(-((i - (size - 1) / 2) ** 2) / (2 * 1.5**2)) for i in range(size)]
            for size in (tall, wide)
        ]
        window = np.outer(*bells) / (sum(bells[0]) * sum(bells[1]))
        found = [
            terms(x[i : i + tall, j : j + wide, c], y[i : i + tall, j : j + wide, c], window,
                  value_range)
            for i, j, c in np.ndindex(
                x.shape[0] - tall + 1, x.shape[1] - wide + 1, x.shape[2]
            )
        ]  # fmt: skip
        mean = np.mean([a * b if scale == scales - 1 else b for a, b in found])
        result *= max(mean, 0) ** (WEIGHTS[scale] / sum(WEIGHTS[:scales]))
        x, y = (
            np.mean([a[i::2, j::2][: len(a) // 2, : a.shape[1] // 2]
                     for i in (0, 1) for j in (0, 1)], axis=0)
            for a in (x, y)
        )  # fmt: skip
    return result


@pytest.mark.parametrize(
    "shape, scales", [((23, 25, 1), 2), ((8, 8, 1), 1), ((12, 9, 2), 1), ((44, 45, 1), 3)]
)
def test_as_defined(shape, scales):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3, *shape))
    y = 0.6 * x + 0.2 * rng.normal(size=x.shape)
    expected = [plain(a, b, 2.0, scales) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ms_ssim(x, y), expected, rtol=1e-9)


def test_of_176_pixels_all_five_scales_are_seen():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (1, 176, 176, 1))
    coarse = np.repeat(np.repeat(rng.normal(size=(1, 11, 11, 1)), 16, 1), 16, 2)
    kept = ms_ssim(x, x + 0.05 * (coarse - coarse.mean()))
    gone = ms_ssim(x, np.zeros_like(x))
    assert gone < 0.2 < kept < 1


def test_equal_images_have_1_and_the_range_matters():
    x = np.random.default_rng(2).uniform(0, 1, (4, 16, 16, 3))
    np.testing.assert_allclose(ms_ssim(x, x), 1, rtol=1e-12)
    y = x[::-1]
    np.testing.assert_allclose(ms_ssim(x, y, 1.0), ms_ssim(255 * x, 255 * y, 255.0), rtol=1e-9)
    assert (ms_ssim(x, y, 1.0) != ms_ssim(x, y, 2.0)).all()
    np.testing.assert_allclose(ms_ssim(x, y), ms_ssim(y, x), rtol=1e-12)


def test_opposites_count_as_0_not_nan():
    x = np.random.default_rng(3).uniform(-1, 1, (2, 24, 24, 1))
    np.testing.assert_array_equal(ms_ssim(x, -x), 0)


def test_little_variety_shows():
    rng = np.random.default_rng(4)
    various = rng.uniform(-1, 1, (30, 12, 12, 1))
    alike = various[:1] + 0.05 * rng.normal(size=various.shape)
    high, low = mean_similarity(alike, 100), mean_similarity(various, 100)
    assert high.value > 0.9 > 0.2 > low.value
    assert high.parts == 100
    assert mean_similarity(various, 100) == low != mean_similarity(various, 100, seed=1)


def test_pairs_are_of_two_images_and_within_a_class():
    images = np.zeros((7, 11, 11, 1))
    images += np.array([0, 1, 0, 1, 0, 1, 5]).reshape(7, 1, 1, 1) / 5
    labels = np.array([3, 4, 3, 4, 3, 4, 9])  # of 9 there is one alone
    assert mean_similarity(images, 200, labels).value == pytest.approx(1)
    assert mean_similarity(images, 200).value < 0.99
    two = np.stack([np.ones((11, 11, 1)), -np.ones((11, 11, 1))])
    assert mean_similarity(two, 50).value < 0.01  # never an image with itself


def test_bad_arguments_are_named():
    x = np.zeros((3, 8, 8, 1))
    with pytest.raises(ValueError, match="second: got shape"):
        ms_ssim(x, x[:, :7])
    with pytest.raises(ValueError, match="labels: got shape"):
        mean_similarity(x, labels=[1, 2])
    with pytest.raises(ValueError, match="no class of two images"):
        mean_similarity(x, labels=[1, 2, 3])
    with pytest.raises(ValueError, match="at least 2 to compare"):
        mean_similarity(x[:1])
