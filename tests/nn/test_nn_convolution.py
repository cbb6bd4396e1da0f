"""The convolutional layers against plain loops, with their shapes and what they refuse."""

import numpy as np
import pytest
import references

from minigan import nn
from minigan.testing.values import values

SETTINGS = [
    {"stride": (1, 1), "padding": "valid", "dilation": (1, 1), "groups": 1},
    {"stride": (2, 1), "padding": "same", "dilation": (1, 1), "groups": 1},
    {"stride": (2, 2), "padding": "same", "dilation": (1, 1), "groups": 2},
    {"stride": (1, 1), "padding": ((2, 0), (1, 1)), "dilation": (1, 2), "groups": 2},
]


def biased(layer, shape):
    layer.build(shape, seed=1)
    layer.bias.assign(values(5, layer.bias.shape))
    return layer


def close(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("settings", SETTINGS)
def test_conv2d_is_the_plain_loop_plus_a_bias(settings):
    x = values(0, (2, 5, 6, 2))
    layer = biased(nn.Conv2D(4, (3, 2), **settings, dtype="float64"), x.shape)
    expected = references.conv2d(x, layer.weight.numpy(), **settings) + layer.bias.numpy()
    close(layer(x).numpy(), expected)


@pytest.mark.parametrize("settings", SETTINGS)
def test_conv2d_transpose_is_the_plain_loop_plus_a_bias(settings):
    x = values(0, (2, 3, 4, 4))
    layer = biased(nn.Conv2DTranspose(2, (3, 2), **settings, dtype="float64"), x.shape)
    w, b = layer.weight.numpy(), layer.bias.numpy()
    close(layer(x).numpy(), references.conv2d_transpose(x, w, **settings) + b)


def test_output_size_chooses_among_the_sizes_a_stride_allows():
    x = values(0, (1, 3, 3, 1))
    layer = nn.Conv2DTranspose(1, 3, 2, "same", output_size=(5, 6), dtype="float64")
    layer.build(x.shape, seed=1)
    args = (2, 2), "same", (1, 1), 1, (5, 6)
    expected = references.conv2d_transpose(x, layer.weight.numpy(), *args)
    assert expected.shape == (1, 5, 6, 1)
    close(layer(x).numpy(), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"stride": 2, "padding": "same", "dilation": 1, "groups": 1},
        {"stride": 1, "padding": (2, 1), "dilation": 2, "groups": 2},
    ],
)
def test_conv1d_is_the_plain_loop_plus_a_bias(settings):
    x = values(0, (2, 6, 2))
    layer = biased(nn.Conv1D(4, 3, **settings, dtype="float64"), x.shape)
    w, b = layer.weight.numpy(), layer.bias.numpy()
    close(layer(x).numpy(), references.conv1d(x, w, **settings) + b)


def test_weights_are_taps_by_inputs_by_filters_and_transposed_the_other_way():
    maps = (None, 4, 4, 6)
    assert nn.Conv2D(8, (3, 2), groups=2).build(maps).weight.shape == (3, 2, 3, 8)
    assert nn.Conv2DTranspose(8, (3, 2), groups=2).build(maps).weight.shape == (3, 2, 4, 6)
    assert nn.Conv1D(8, 5, groups=2).build((None, 9, 6)).weight.shape == (5, 3, 8)


@pytest.mark.parametrize("layer", [nn.Conv2D, nn.Conv2DTranspose])
def test_fans_count_taps_and_channels_of_one_unit(layer):
    seen = []

    def spy(stream, shape, fans):
        seen.append(fans)
        return np.zeros(shape)

    layer(8, (3, 5), groups=2, init=spy).build((None, 9, 9, 6))
    assert seen == [(3 * 5 * 6 // 2, 3 * 5 * 8 // 2)]


@pytest.mark.parametrize("settings", [{"filters": 0}, {"filters": 3, "groups": 2}])
def test_filters_must_divide_into_groups(settings):
    with pytest.raises(ValueError, match="filters"):
        nn.Conv2D(kernel_size=3, **settings)


def test_input_channels_must_divide_into_groups():
    with pytest.raises(ValueError, match=r"Conv2D '0': 3 input channels .* 2 equal groups"):
        nn.Sequential(nn.Conv2D(2, 3, groups=2)).build((None, 5, 5, 3))


@pytest.mark.parametrize(
    ("layer", "good", "bad"),
    [
        (lambda: nn.Conv2D(2, 1), (1, 4, 4, 3), (4, 4, 3)),
        (lambda: nn.Conv2DTranspose(2, 1), (1, 4, 4, 3), (4, 4, 3)),
        (lambda: nn.Conv1D(2, 1), (1, 4, 3), (1, 4, 4, 3)),
    ],
)
@pytest.mark.parametrize("is_built", [True, False])
def test_a_wrong_rank_names_the_layer_and_what_it_wanted(layer, good, bad, is_built):
    model = nn.Sequential(nn.Tanh(), layer())
    if is_built:
        model.build(good)
    with pytest.raises(ValueError, match=rf"{type(model[1]).__name__} '1': .*wanted .*\(N, "):
        model(np.zeros(bad, "f4"))


@pytest.mark.parametrize("layer", [nn.Conv2D, nn.Conv2DTranspose])
def test_wrong_channels_name_the_layer(layer):
    model = nn.Sequential(layer(2, 1, groups=2)).build((None, 4, 4, 4))
    with pytest.raises(ValueError, match=r"'0': .* 6 channels, but it was built for 4"):
        model(np.zeros((1, 4, 4, 6), "f4"))


@pytest.mark.parametrize("layer", [nn.Conv1D, nn.Conv2D, nn.Conv2DTranspose])
def test_a_setting_of_another_name_is_an_error_that_says_the_nearest(layer):
    words = rf"^{layer.__name__} has no setting 'strides' \(did you mean 'stride'\?\)$"
    with pytest.raises(TypeError, match=words):
        layer(3, 3, strides=2)

    class Mine(layer):
        def __init__(self, **options):
            self.shade = options.pop("shade")
            super().__init__(3, 3, **options)

    assert Mine(shade=1, stride=2).stride == 2
