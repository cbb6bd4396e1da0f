from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from properties import adjoint
from strategies import examples

from minigan.kernels.windows import Window, padded, scatter, view
from minigan.ops.geometry import window
from minigan.testing.strategies import convolutions, values


def window_of(c):
    return window(c.size, c.taps, c.stride, c.padding, c.dilation)


@examples(50)
@given(convolutions())
def test_views_show_what_each_tap_meets(c):
    x, where = c.map(), window_of(c)
    down, across = where.positions(c.size)
    found = view(padded(x, where, -7.0), where)
    assert found.shape == (len(x), down, across, *c.taps, c.c_in)
    for p, q, i, j in itertools.product(*(range(n) for n in (down, across, *c.taps))):
        row = p * c.stride[0] + i * c.dilation[0] - where.padding[0][0]
        col = q * c.stride[1] + j * c.dilation[1] - where.padding[1][0]
        inside = 0 <= row < c.size[0] and 0 <= col < c.size[1]
        expected = x[:, row, col] if inside else np.full((len(x), c.c_in), -7.0)
        np.testing.assert_array_equal(found[:, p, q, i, j], expected)


@examples(50)
@given(convolutions())
def test_scatter_is_the_adjoint_of_padding_and_viewing(c):
    x, where = c.map(), window_of(c)
    pieces = values(c.seed + 3, view(padded(x, where), where).shape)
    adjoint(lambda a: view(padded(a, where), where), lambda b: scatter(b, where, c.size), x, pieces)


@examples(20)
@given(convolutions(min_images=1))
def test_views_of_maps_that_are_not_contiguous(c):
    x, where = c.map(), window_of(c)
    expected = view(padded(x, where), where)
    backwards = np.flip(np.flip(x).copy())
    turned = np.ascontiguousarray(x.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)
    for same in (backwards, turned, np.repeat(x, 2, axis=2)[:, :, ::2]):
        np.testing.assert_array_equal(view(padded(same, where), where), expected)


def test_a_map_without_padding_is_not_copied():
    x = np.ones((1, 3, 3, 1))
    assert padded(x, Window((2, 2))) is x
    assert np.shares_memory(view(x, Window((2, 2))), x)


def test_padding_keeps_the_dtype_and_goes_where_it_is_told():
    where = Window((2, 2), padding=((1, 0), (0, 2)))
    for dtype in (np.float16, np.float32, np.float64):
        x = np.ones((1, 2, 1, 1), dtype=dtype)
        found = padded(x, where, -np.inf)
        assert found.dtype == dtype and found.shape == (1, 3, 3, 1)
        np.testing.assert_array_equal(np.isfinite(found[0, :, :, 0]).nonzero(), [[1, 2], [0, 0]])
        assert scatter(view(found, where), where, (2, 1)).dtype == dtype


def test_operands_are_not_written_to():
    x, where = values(0, (2, 4, 4, 2)), Window((3, 2), (2, 1), (1, 2), ((1, 0), (0, 1)))
    x.flags.writeable = False
    pieces = view(padded(x, where), where).copy()
    pieces.flags.writeable = False
    before = pieces.copy()
    scatter(pieces, where, (4, 4))
    np.testing.assert_array_equal(pieces, before)
