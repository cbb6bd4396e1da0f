from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.data import Images, check_range


def grey(count: int = 4, **fields: Any) -> Images:
    pixels = np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3, 1)
    return Images(pixels, np.arange(count, dtype=np.int64), **fields)


def floats(*values: float, **fields: Any) -> Images:
    return Images(np.array(values, np.float32).reshape(-1, 1, 1, 1), **fields)


def test_what_it_says_of_itself() -> None:
    images = grey(classes=("a", "b", "c", "d"), source="here")
    assert len(images) == 4
    assert images.shape == (2, 3, 1)
    assert images.range == (0, 255)
    assert repr(images) == "<Images: 4 images of 2x3x1, uint8, 4 classes, from here>"
    with pytest.raises(FrozenInstanceError):
        images.source = "there"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("pixels", "kind", "words"),
    [
        (np.zeros((2, 3, 3)), TypeError, "uint8 or float32 array, got float64"),
        ([[1]], TypeError, "got list"),
        (np.zeros((2, 3, 3), np.uint8), ValueError, r"\(N, H, W, C\), got \(2, 3, 3\)"),
        (np.zeros((0, 3, 3, 1), np.uint8), ValueError, "empty"),
        (np.full((1, 2, 2, 1), np.nan, np.float32), ValueError, r"nan at index \(0, 0, 0, 0\)"),
        (np.full((1, 1, 1, 1), np.inf, np.float32), ValueError, "inf at index"),
        (np.full((1, 1, 1, 1), 300, np.float32), ValueError, r"lie in \[300, 300\].*value_range"),
    ],
)
def test_pixels_that_do_not_fit(pixels: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        Images(pixels)


def test_the_first_bad_pixel_is_named() -> None:
    pixels = np.zeros((3, 2, 2, 1), np.float32)
    pixels[1, 0, 1] = pixels[2] = np.nan
    with pytest.raises(ValueError, match=r"\(1, 0, 1, 0\)"):
        Images(pixels)


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        (np.zeros(3, np.int64), ValueError, r"shape \(4,\).*got \(3,\)"),
        (np.zeros(4), TypeError, "int64 array, got float64"),
        ([0, 1, 2, 3], TypeError, "got list"),
        (np.array([0, 1, 2, 1]), ValueError, r"labels\[2\] is 2, wanted 0 to 1"),
        (np.array([0, -2, 1, 1]), ValueError, r"labels\[1\] is -2, wanted .* or -1 for a picture"),
    ],
)
def test_labels_that_do_not_fit(labels: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        Images(grey().pixels, labels, ("a", "b"))


def test_negative_labels_without_classes() -> None:
    with pytest.raises(ValueError, match="wanted at least 0"):
        Images(grey().pixels, np.array([0, 1, -2, 0]))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((0.0, 1.0), (0, 1)),
        ((0.2, 0.7), (0, 1)),
        ((0.0, 1.000001), (0, 1)),
        ((-0.1, 1.0), (-1, 1)),
        ((0.0, 65.0), (0, 255)),
    ],
)
def test_a_float_range_is_inferred(values: tuple[float, ...], wanted: tuple[int, int]) -> None:
    assert floats(*values).range == wanted


@pytest.mark.parametrize(("most", "white"), [(1.5, 2), (16, 16), (63.25, 64), (64, 64)])
def test_floats_dark_by_a_range_inferred_are_told_of(most: float, white: int) -> None:
    words = rf"reach only {most:g} of 255: pass value_range=\(0, {white}\) if"
    with pytest.warns(UserWarning, match=words) as caught:
        assert floats(0, most).take([0, 1]).range == (0, 255)
    assert len(caught) == 1
    assert floats(0, most, value_range=(0, white)).range == (0, white)
    assert floats(0, most, value_range=(0, 255)).range == (0, 255)


def test_a_range_can_be_declared() -> None:
    assert floats(0, 1, value_range=(-2, 2)).range == (-2, 2)
    with pytest.raises(ValueError, match=r"value_range is \(0, 1\), but pixels lie in \[0, 2\]"):
        floats(0, 2, value_range=(0, 1))
    with pytest.raises(ValueError, match="value_range"):
        floats(0, value_range=(1, 0))
    with pytest.raises(ValueError, match="omit it"):
        grey(value_range=(0, 1))


def test_take_keeps_order_labels_and_range() -> None:
    images = floats(0.5, -0.5, 0.25, value_range=(-1, 1))
    assert images.take([2, 0]).pixels.ravel().tolist() == [0.25, 0.5]
    assert images.take([2, 0]).range == (-1, 1)
    assert grey().take([3, 3, 1]).labels.tolist() == [3, 3, 1]  # type: ignore[union-attr]
    assert len(grey().take(slice(1, None))) == 3
    assert len(grey().take([True, False, False, True])) == 2
    with pytest.raises(TypeError, match=r"indices must be .* float64"):
        grey().take([0.5])
    with pytest.raises(IndexError):
        grey().take([4])


def test_split_is_a_fixed_partition() -> None:
    images = grey(20)
    train, held_out = images.split(5, seed=1)
    assert (len(train), len(held_out)) == (15, 5)
    assert sorted([*train.labels, *held_out.labels]) == list(range(20))  # type: ignore[misc]
    again = images.split(5, seed=1)[1]
    other = images.split(5, seed=2)[1]
    assert again.pixels.tolist() == held_out.pixels.tolist() != other.pixels.tolist()
    for count in (0, 20, -1):
        with pytest.raises(ValueError, match="held_out"):
            images.split(count, seed=1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (-0.1, 0.3)])
def test_batches_of_bytes_meet_both_ends(dtype: Any, low: float, high: float) -> None:
    images = Images(np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1))
    batch = images.batch([0, 1, 2], low, high, dtype)
    assert batch.shape == (3, 1, 1, 1)
    assert batch.dtype == dtype
    assert batch[0] == dtype(low)
    assert batch[1] == dtype(high)
    assert batch[2, 0, 0, 0] == pytest.approx(low + (high - low) / 5, rel=2e-3)


@given(low=st.floats(-10, 0), width=st.floats(0.1, 10))
def test_batches_of_floats_meet_both_ends(low: float, width: float) -> None:
    images = floats(0, 1, 0.25)
    for dtype in (np.float32, np.float64):
        batch = images.batch([0, 1, 2], low, low + width, dtype).ravel()
        assert batch[0] == dtype(low)
        assert batch[1] == dtype(low + width)
        assert batch[2] == pytest.approx(low + width / 4, rel=1e-5, abs=1e-5)


def test_a_batch_is_new_and_within_range() -> None:
    images = floats(-1, 1.0005, 0)
    batch = images.batch(slice(None))
    assert batch.ravel().tolist() == [-1, 1, 0]
    batch[:] = 7
    assert images.pixels.max() < 2


def test_batch_arguments() -> None:
    with pytest.raises(TypeError, match="dtype must be a float type, got int32"):
        grey().batch([0], dtype=np.int32)
    with pytest.raises(ValueError, match="low=1, high=1"):
        grey().batch([0], 1, 1)


@pytest.mark.parametrize(
    ("values", "low", "high", "words"),
    [
        ([-1, 0.5, 1], -1, 1, None),
        ([-0.4, 0.3], -1, 1, None),
        ([0, 0], -1, 1, None),
        ([0, 0.5], 0, 1, None),
        ([0, 128, 255], -1, 1, "scale them with x / 127.5 - 1"),
        ([0, 0.2, 1], -1, 1, "scale them with x / 0.5 - 1"),
        ([-1, 0, 1], 0, 1, r"scale them with x / 2 \+ 0.5"),
        ([-700, 700], -1, 1, r"scale the images to \[-1, 1\]"),
        ([0, np.nan], -1, 1, "NaN"),
        ([], -1, 1, "empty"),
    ],
)
def test_check_range(values: list[float], low: float, high: float, words: str | None) -> None:
    message = check_range(values, low, high)
    if words is None:
        assert message is None
    else:
        assert message is not None
        assert "\n" not in message
        assert re.search(words, message)
