"""Taps added as planes: the same input gradient as pieces scattered, bit by bit where exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from properties import close
from strategies import examples

from minigan.kernels import convolution, planes
from minigan.kernels.windows import Window
from minigan.ops.geometry import window
from minigan.testing.strategies import convolutions, values


def both_ways(y, w, where, groups, size):
    """By planes, and by scattering."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for most in (1 << 30, 0):
            patch.setattr(planes, "FEWEST", 1)
            patch.setattr(planes, "MOST", most)
            found.append(convolution.input_gradient(y, w, where, groups, size))
    return found


@examples(150)
@given(convolutions())
def test_planes_are_what_scattering_gives(c):
    where = window(c.size, c.taps, c.stride, c.padding, c.dilation)
    close(*both_ways(c.result(), c.weights(), where, c.groups, c.size), 1e-13)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 2), (5, 4)])
@pytest.mark.parametrize("dilation", [(1, 1), (3, 2)])
def test_taps_are_added_in_the_same_order(stride, dilation):
    where = Window((4, 3), stride, dilation, ((2, 5), (0, 3)))
    rng = np.random.default_rng(0)
    w = rng.integers(-8, 9, (4, 3, 3, 5)).astype("float32")
    y = rng.integers(-8, 9, (3, *where.positions((13, 11)), 5)).astype("float32")
    np.testing.assert_array_equal(*both_ways(y, w, where, 1, (13, 11)))


def test_rows_that_no_tap_reaches_get_nothing():
    where = Window((1, 1), (3, 3))
    found, expected = both_ways(values(0, (2, 3, 3, 2)), values(1, (1, 1, 3, 2)), where, 1, (8, 9))
    np.testing.assert_array_equal(found, expected)
    assert found[:, ::3, ::3].all()
    assert not found[:, 1::3].any() and not found[:, :, 2::3].any()


def test_as_many_images_at_a_time_as_their_copies_fit(monkeypatch):
    counts = []
    made = planes.add_taps
    monkeypatch.setattr(
        planes, "add_taps", lambda y, *more: (counts.append(len(y)), made(y, *more))
    )
    monkeypatch.setattr(convolution, "COLUMNS_AT_A_TIME", 2 * 3 * 3 * 40)
    y, w = values(0, (5, 3, 3, 40)), values(1, (2, 2, 3, 40))  # 40 outputs, 12 numbers to a tap
    convolution.input_gradient(y, w, Window((2, 2)), 1, (4, 4))
    assert counts == [2, 2, 1]


@pytest.mark.parametrize("channels, planar", [(1, False), (2, True), (12, True), (13, False)])
def test_only_of_few_channels(monkeypatch, channels, planar):
    called = []
    monkeypatch.setattr(planes, "add_taps", lambda *_: called.append(True))
    y, w = values(0, (2, 3, 3, 2)), values(1, (2, 2, channels, 2))
    convolution.input_gradient(y, w, Window((2, 2)), 1, (4, 4))
    assert bool(called) == planar
