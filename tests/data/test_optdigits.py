from __future__ import annotations

from importlib import resources

import numpy as np

from minigan.data import digits


def test_the_digits_are_there() -> None:
    images = digits()
    assert len(images) == 1797
    assert images.shape == (8, 8, 1)
    assert images.pixels.dtype == np.uint8
    assert images.classes == tuple("0123456789")
    assert images.labels is not None
    assert np.bincount(images.labels).min() > 170
    assert set(np.unique(images.pixels)) == {round(v * 255 / 16) for v in range(17)}


def test_each_digit_looks_like_its_kind() -> None:
    images = digits()
    assert images.labels is not None
    flat = images.pixels.reshape(len(images), -1).astype(np.float64)
    means = np.stack([flat[images.labels == label].mean(0) for label in range(10)])
    nearest = ((flat[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (nearest == images.labels).mean() > 0.9


def test_the_file_is_small_and_each_call_gives_new_arrays() -> None:
    stored = resources.files("minigan.data").joinpath("digits.npz")
    assert len(stored.read_bytes()) < 80_000
    digits().pixels[:] = 0
    assert digits().pixels.any()
