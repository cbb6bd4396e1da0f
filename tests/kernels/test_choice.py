"""Which algorithm does what, and that all of them can be had by name."""

from __future__ import annotations

import numpy as np
import pytest
from properties import close

import minigan as mg
from minigan.kernels import choice
from minigan.kernels.choice import ALGORITHMS, FORWARD, INPUT, WEIGHT, algorithm_for
from minigan.kernels.windows import Window
from minigan.ops.geometry import window
from minigan.testing.values import values

MAPS = (FORWARD, INPUT, WEIGHT)
DTYPES = ("float32", "float64")


def chosen(size, taps, stride, channels, which=FORWARD, images=64, groups=1, dtype="float32"):
    where = window((size,) * 2, (taps,) * 2, stride, "same")
    return algorithm_for(which, images, (size,) * 2, where, channels, groups, np.dtype(dtype))


def test_every_algorithm_has_its_prices():
    assert set(choice.PRICES) == set(DTYPES)
    for table in choice.PRICES.values():
        assert set(table) == set(MAPS)
        for prices in table.values():
            assert set(prices) == set(choice.PRICED)
            for price in prices.values():
                assert len(price) == len(choice.Counts._fields) and min(price) >= 0 < max(price)


@pytest.mark.parametrize("which", MAPS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_of_dcgan_get_what_was_measured_to_be_fastest(which, dtype):
    for images in (64, 128):
        got = [
            chosen(*layer, which, images, dtype=dtype)
            for layer in (
                (28, 5, 2, (1, 64)),
                (14, 5, 2, (64, 128)),
                (7, 5, 1, (128, 256)),
                (28, 3, 1, (64, 128)),
                (28, 3, 1, (256, 512)),
            )
        ]
        assert got == ["planes", "dft", "dft", "winograd", "winograd"]


@pytest.mark.parametrize("which", MAPS)
def test_weights_whose_transforms_fit_no_cache_are_used_as_they_are(which):
    assert chosen(8, 5, 2, (512, 1024), which, 32) == "direct"
    assert chosen(16, 5, 2, (256, 512), which, 32) == "winograd"  # which do fit
    cheap = choice.Counts(0, 0, choice.LARGE, 0)
    assert choice._cost((1.0,) * 4, cheap) == choice.LARGE
    dear = cheap._replace(weights=choice.LARGE + 1)
    assert choice._cost((1.0,) * 4, dear) == choice.SPILLED * (choice.LARGE + 1)


@pytest.mark.parametrize("which", MAPS)
def test_strides_of_few_channels_are_not_winograds(which):
    assert chosen(32, 5, 2, (64, 128), which) == chosen(32, 4, 2, (64, 128), which) == "winograd"
    assert chosen(32, 5, 2, (63, 128), which) != "winograd" != chosen(32, 4, 2, (128, 63), which)
    assert chosen(32, 4, 2, (126, 128), which, groups=2) != "winograd"
    assert chosen(32, 3, 1, (32, 64), which) == "winograd"


@pytest.mark.parametrize("which", MAPS)
def test_little_work_is_done_directly(which):
    each = 8 * 8 * 9 * 32 * 64  # multiplications of an image
    enough = -(-choice.SMALL // each)
    assert chosen(8, 3, 1, (32, 64), which, enough - 1) == "direct"
    assert chosen(8, 3, 1, (32, 64), which, enough) == "winograd"
    assert chosen(8, 3, 1, (64, 128), which, enough, groups=2) == "winograd"
    assert chosen(8, 3, 1, (64, 128), which, enough - 1, groups=2) == "direct"


@pytest.mark.parametrize("which", MAPS)
def test_few_channels_are_done_as_planes_however_many_groups_have_them(which):
    assert chosen(28, 3, 1, (64, 64), which) == "winograd"
    assert chosen(28, 3, 1, (64, 64), which, groups=64) == "planes"
    assert chosen(28, 3, 1, (3, 64), which) == chosen(28, 3, 1, (64, 3), which) == "planes"
    assert chosen(28, 3, 2, (12, 64), which) == "planes" != chosen(28, 3, 2, (13, 64), which)
    assert chosen(28, 3, 2, (64, 3), which) == "direct"  # a few channels of a map are made of many
    assert chosen(28, 3, 1, (3, 64), which, dtype="float16") == "direct"


@pytest.mark.parametrize("which", MAPS)
def test_planes_are_not_chosen_where_their_steps_are_many_or_their_rows_short(which):
    def planar(size, taps, stride=(1, 1), images=64, channels=(3, 64)):
        where = window(size, taps, stride, "same")
        name = algorithm_for(which, images, size, where, channels, 1, np.dtype("float32"))
        return name == "planes"

    assert planar((28, 28), (5, 5)) and planar((28, 28), (13, 2)) == (which == INPUT)
    assert planar((28, 28), (13, 2), channels=(64, 3))
    assert not planar((28, 28), (43, 3)) and not planar((28, 28), (43, 3), channels=(64, 3))
    assert not planar((28, 28), (1, 1))
    assert planar((64, 64), (3, 3), images=4) and not planar((64, 64), (3, 3), images=3)
    assert planar((4, 512), (3, 3)) and not planar((3, 512), (3, 3))
    assert planar((64, 64), (2, 3), (2, 3)) and not planar((64, 64), (2, 3), (2, 4))
    assert not planar((64, 64), (2, 3), (3, 3))


@pytest.mark.parametrize("which", MAPS)
@pytest.mark.parametrize("channels", [(2, 64), (64, 2)])
def test_few_columns_are_made_directly(which, channels):
    adds = which == (INPUT if channels[0] == 2 else FORWARD)
    enough = -(-(choice.ADDED if adds else choice.GATHERED) // (8 * 8 * 9 * 2))
    assert chosen(8, 3, 1, channels, which, enough) == "planes"
    assert chosen(8, 3, 1, channels, which, enough - 1) == "direct"


def test_other_dtypes_and_windows_that_nothing_applies_to_are_done_directly():
    assert chosen(28, 3, 1, (64, 64), dtype="float16") == "direct"
    where = window((28, 28), (3, 3), 1, "same", dilation=2)
    arguments = (64, (28, 28), where, (64, 64), 1, np.dtype("float32"))
    assert {algorithm_for(which, *arguments) for which in MAPS} == {"direct"}


def test_counts_of_the_definition_are_its_sizes():
    where = Window((2, 3), (1, 2), padding=((1, 0), (0, 0)))
    found = choice.counts("direct", 5, (4, 7), where, (6, 8), 2, np.dtype("float32"))
    columns = 5 * 4 * 3 * 2 * 3 * 3
    assert found == (columns * 4, columns, 0, 5 * 4 * 7 * 3 + 5 * 4 * 3 * 4)


def test_counts_of_one_dft_are_those_of_its_steps():
    where = window((7, 7), (5, 5), 1, "same")
    found = choice.counts("dft", 2, (7, 7), where, (30, 20), 1, np.dtype("float32"))
    each = 2 * (30 * 20 + 49 * 30 + 49 * 20) + 25 * 30 * 20
    assert found == (121 * each, 121 * 2 * 50, 121 * 600, 2 * 49 * 30)  # products are put at once


# Forced


X, W = values(0, (2, 6, 6, 2)), values(1, (3, 3, 2, 3))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_forced_algorithm_does_it(name, monkeypatch):
    for other in ALGORITHMS:
        if other != name:
            for which in MAPS:
                monkeypatch.delattr(ALGORITHMS[other], which)
    x, w = (mg.Tensor(a, requires_grad=True) for a in (X, W))
    with mg.config(conv=name):
        y = mg.conv2d(x, w, padding="same")
        mg.grad(mg.conv2d_transpose(y, w, padding="same").sum(), [x, w])


@pytest.mark.parametrize("name", choice.FAST)
def test_all_algorithms_agree_through_a_network(name):
    def run():
        x, w = (mg.Tensor(a, requires_grad=True) for a in (X, W))
        y = mg.conv2d(x, w, padding="same")
        y = mg.leaky_relu(mg.batch_norm(y, np.ones(3), np.zeros(3)))
        y = mg.avg_pool2d(mg.upsample_nearest(y, 2), 2)
        y = mg.conv2d_transpose(mg.concatenate([y, y[::-1]]), w, padding="same")
        loss = mg.tanh(mg.reshape(y, (len(y), -1)) @ values(2, (72, 4))).sum()
        first = mg.grad(loss, [x, w], create_graph=True)
        return first + mg.grad((first[0] * first[0]).sum() + first[1].sum(), [x, w])

    with mg.config(conv="direct"):
        expected = run()
    with mg.config(conv=name):
        for found, wanted in zip(run(), expected, strict=True):
            close(found, wanted, 1e-11)


@pytest.mark.parametrize(
    ("name", "settings", "dtype"),
    [
        ("winograd", {"stride": 3}, "float64"),
        ("winograd", {"dilation": 2}, "float64"),
        ("dft", {"dilation": 2}, "float64"),
        ("dft", {}, "float16"),
        ("winograd", {}, "float16"),
    ],
)
def test_an_algorithm_that_does_not_apply_is_an_error_that_says_what_it_is_for(
    name, settings, dtype
):
    with (
        mg.config(conv=name),
        pytest.raises(ValueError, match=rf"conv='{name}' is for windows .*taps \(3, 3\).*{dtype}"),
    ):
        mg.conv2d(X.astype(dtype), W.astype(dtype), **settings)


def test_windows_of_too_many_taps_have_no_dft():
    with mg.config(conv="dft"), pytest.raises(ValueError, match="at most 8 taps"):
        mg.conv2d(np.ones((1, 9, 9, 1)), np.ones((9, 9, 1, 1)))
