"""Layers that move, repeat or pool elements, against plain loops."""

import numpy as np
import pytest
import references

from minigan import nn
from minigan.testing.values import values


def close(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)


def test_flatten_and_reshape_are_each_others_inverse():
    x = values(0, (2, 3, 4, 5))
    flat = nn.Flatten()(x).numpy()
    assert np.array_equal(flat, x.reshape(2, 60))
    assert np.array_equal(nn.Reshape(3, 4, 5)(flat).numpy(), x)
    assert np.array_equal(nn.Reshape(-1, 5)(flat).numpy(), x.reshape(2, 12, 5))


def test_reshape_names_both_shapes_when_they_do_not_fit():
    with pytest.raises(ValueError, match=r"Reshape: can't make \(7, 7\) of a sample of \(6,\)"):
        nn.Reshape(7, 7)(np.zeros((2, 6)))


@pytest.mark.parametrize("size", [(2, 2), (3, 1)])
def test_upsampling_is_the_plain_loop(size):
    x = values(0, (2, 3, 2, 2))
    close(nn.UpSampling2D(size)(x).numpy(), references.upsample_nearest(x, size))
    smooth = nn.UpSampling2D(size, "bilinear")
    close(smooth(x).numpy(), references.upsample_bilinear(x, size))


def test_upsampling_refuses_other_interpolations():
    with pytest.raises(ValueError, match=r"'cubic', wanted \"nearest\" or \"bilinear\""):
        nn.UpSampling2D(2, "cubic")


def test_pixel_shuffle_is_the_plain_loop():
    x = values(0, (2, 2, 3, 18))
    close(nn.PixelShuffle(3)(x).numpy(), references.pixel_shuffle(x, 3))


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, None, "valid"), ((2, 3), (1, 2), "same"), (3, 2, ((1, 0), (1, 1)))],
)
@pytest.mark.parametrize(
    ("layer", "combine"), [(nn.MaxPooling2D, np.max), (nn.AveragePooling2D, np.mean)]
)
def test_pooling_is_the_plain_loop(layer, combine, size, stride, padding):
    x = values(0, (2, 5, 6, 2))
    pair = lambda n: (n, n) if isinstance(n, int) else n  # noqa: E731
    expected = references.pool2d(x, pair(size), pair(stride or size), padding, combine)
    close(layer(size, stride, padding)(x).numpy(), expected)


def test_global_pooling_takes_each_map_as_one():
    x = values(0, (2, 3, 4, 5))
    close(nn.GlobalAveragePooling2D()(x).numpy(), x.mean(axis=(1, 2)))
    close(nn.GlobalSumPooling2D()(x).numpy(), x.sum(axis=(1, 2)))
    close(nn.GlobalMaxPooling2D()(x).numpy(), x.max(axis=(1, 2)))
