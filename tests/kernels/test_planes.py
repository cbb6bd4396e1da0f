"""Convolutions of few channels, as planes: the definition's maps, of any window and any layout."""

from __future__ import annotations

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from properties import adjoint, close
from strategies import examples

from minigan import workers
from minigan.kernels import blas, choice, convolution, planes
from minigan.kernels.windows import Window
from minigan.ops.geometry import window
from minigan.testing.strategies import convolutions, values

MAPS = (choice.FORWARD, choice.INPUT, choice.WEIGHT)
TO_FEW = Window((3, 2), padding=((2, 0), (1, 1)))  # of stride 1, padded by less than it reaches


def operands(where, size, channels, images=2, seed=0):
    """A map, weights and a gradient of the result."""
    c_in, c_out = channels
    x, w = values(seed, (images, *size, c_in)), values(seed + 1, (*where.taps, c_in, c_out))
    return x, w, values(seed + 2, (images, *where.positions(size), c_out))


def maps(kernel, x, w, y, where, groups=1):
    return (
        kernel.convolve(x, w, where, groups),
        kernel.input_gradient(y, w, where, groups, x.shape[1:3]),
        kernel.weight_gradient(x, y, where, groups),
    )


def spatial(a):
    """The same array, (H, W, N, C) in memory."""
    return np.ascontiguousarray(a.transpose(1, 2, 0, 3)).transpose(2, 0, 1, 3)


limits = st.sampled_from([1, 100, 1 << 22])


@examples(150)
@given(convolutions(), limits, limits)
def test_planes_follow_the_definition(c, at_a_time, in_cache):
    x, w, y = c.map(), c.weights(), c.result()
    where = window(c.size, c.taps, c.stride, c.padding, c.dilation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planes, "AT_A_TIME", at_a_time)
        patch.setattr(planes, "IN_CACHE", in_cache)
        patch.setattr(workers, "SMALLEST", 1)
        forward, back, weights = maps(planes, x, w, y, where, c.groups)
    close(forward, references.conv2d(x, w, **c.settings))
    close(back, references.conv2d_transpose(y, w, **c.transposed_settings))
    close(weights, convolution.weight_gradient(x, y, where, c.groups))


@examples(60)
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 2), st.integers(1, 2), st.integers(0, 999)
)
def test_a_convolution_to_few_channels_is_an_adjoint(kh, kw, d_h, d_w, seed):
    rng = np.random.default_rng(seed)
    reach = [(kh - 1) * d_h + 1, (kw - 1) * d_w + 1]
    padding = tuple(tuple(int(rng.integers(0, r)) for _ in range(2)) for r in reach)
    where = Window((kh, kw), dilation=(d_h, d_w), padding=padding)
    size = tuple(int(rng.integers(1, 4)) + r for r in reach)
    channels = (int(rng.integers(2, 6)), 1)
    assert planes.is_to_few(*channels, where, 1)
    x, w, y = operands(where, size, channels, seed=seed)
    for found, wanted in zip(
        maps(planes, x, w, y, where), maps(convolution, x, w, y, where), strict=True
    ):
        close(found, wanted, 1e-13)
    adjoint(
        lambda x: planes.convolve(x, w, where, 1),
        lambda y: planes.input_gradient(y, w, where, 1, size),
        x,
        y,
    )


@pytest.mark.parametrize(
    ("channels", "where", "groups", "is_to_few"),
    [
        ((3, 2), TO_FEW, 1, True),
        ((2, 2), TO_FEW, 1, False),
        ((4, 2), TO_FEW, 2, False),
        ((3, 2), TO_FEW._replace(stride=(1, 2)), 1, False),
        ((3, 2), TO_FEW._replace(padding=((3, 0), (0, 0))), 1, False),
        ((3, 2), TO_FEW._replace(padding=((3, 0), (0, 0)), dilation=(2, 1)), 1, True),
    ],
)
def test_it_is_one_of_stride_1_that_is_not_padded_by_more_than_it_reaches(
    channels, where, groups, is_to_few, monkeypatch
):
    assert planes.is_to_few(*channels, where, groups) == is_to_few
    x, w, y = operands(where, (5, 6), channels)
    w = w[:, :, : channels[0] // groups]
    asked = []
    for name in ("_convolve", "_input_gradient"):
        made = getattr(planes, name)
        monkeypatch.setattr(planes, name, lambda *a, n=name, m=made: (asked.append(n), m(*a))[1])
    for found, wanted in zip(
        maps(planes, x, w, y, where, groups), maps(convolution, x, w, y, where, groups), strict=True
    ):
        close(found, wanted, 1e-13)
    assert asked == ["_input_gradient", "_convolve"][:: 1 if is_to_few else -1]


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 2), (5, 4)])
@pytest.mark.parametrize("dilation", [(1, 1), (3, 2)])
def test_exact_numbers_give_exact_maps(stride, dilation):
    where = Window((4, 3), stride, dilation, ((2, 5), (0, 3)))
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(-8, 9, a.shape).astype("float32") for a in operands(where, (13, 11), (3, 5), 3)
    ]
    for found, wanted in zip(
        maps(planes, *arrays, where), maps(convolution, *arrays, where), strict=True
    ):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted)


def test_rows_that_no_tap_reaches_get_nothing():
    where = Window((1, 1), (3, 3))
    found = planes.input_gradient(
        values(0, (2, 3, 3, 2)), values(1, (1, 1, 3, 2)), where, 1, (8, 9)
    )
    assert found[:, ::3, ::3].all()
    assert not found[:, 1::3].any() and not found[:, :, 2::3].any()


@pytest.mark.parametrize("channels", [(2, 3), (3, 2)])
def test_operands_of_any_layout_are_read_and_left_alone(channels):
    arrays = operands(TO_FEW, (6, 5), channels, images=4)
    expected = maps(planes, *arrays, TO_FEW)
    layouts = (
        spatial,
        np.asfortranarray,
        lambda a: np.flip(np.flip(a).copy()),
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    )
    same = [np.broadcast_to(a[:1], a.shape) for a in arrays]
    for found, wanted in zip(
        maps(planes, *same, TO_FEW), maps(convolution, *same, TO_FEW), strict=True
    ):
        close(found, wanted, 1e-13)
    for layout in layouts:
        turned = [layout(a) for a in arrays]
        for a in turned:
            a.flags.writeable = False
        for found, wanted in zip(maps(planes, *turned, TO_FEW), expected, strict=True):
            close(found, wanted, 1e-14)


@pytest.mark.parametrize("channels", [(2, 3), (3, 2)])
def test_maps_come_out_with_positions_first_in_memory(channels):
    forward, back, _ = maps(planes, *operands(TO_FEW, (6, 5), channels), TO_FEW)
    assert forward.transpose(1, 2, 0, 3).flags.c_contiguous
    assert back.transpose(1, 2, 0, 3).flags.c_contiguous


def test_of_no_images_maps_are_empty_and_the_weights_gradient_is_zero():
    forward, back, weights = maps(planes, *operands(TO_FEW, (6, 5), (2, 3), images=0), TO_FEW)
    assert forward.shape == (0, 6, 6, 3) and back.shape == (0, 6, 5, 2)
    assert weights.shape == (3, 2, 2, 3) and not weights.any()


@pytest.fixture
def made(monkeypatch):
    """The sizes of all columns that are made, and less than 0 how many products at once."""
    sizes, spaced, products = [], planes.spaced, blas.products
    monkeypatch.setattr(
        planes,
        "spaced",
        lambda shape, dtype: (sizes.append(np.prod(shape)), spaced(shape, dtype))[1],
    )
    monkeypatch.setattr(
        blas, "products", lambda a, b, out: (sizes.append(-len(out)), products(a, b, out))[1]
    )
    return sizes


@pytest.mark.parametrize("which", MAPS)
def test_no_more_is_made_at_a_time_than_is_allowed(which, monkeypatch, made):
    where = Window((3, 3), padding=((1, 1), (1, 1)))
    x, w, y = operands(where, (8, 8), (2, 5), images=6)
    row = 9 * 2 * 8  # elements of a row of one image's columns
    monkeypatch.setattr(planes, "AT_A_TIME", (8 if which == choice.INPUT else 1) * 2 * row)
    monkeypatch.setattr(planes, "IN_CACHE", row)
    calls = {
        choice.FORWARD: lambda: planes.convolve(x, w, where, 1),
        choice.INPUT: lambda: planes.input_gradient(y, w, where, 1, (8, 8)),
        choice.WEIGHT: lambda: planes.weight_gradient(x, y, where, 1),
    }
    calls[which]()
    rows = 8 if which == choice.INPUT else 1
    assert [size for size in made if size > 0] == [rows * 2 * row] * (6 // 2 * 8 // rows)
    assert {size for size in made if size < 0} == {-1}  # one product for a few rows


def test_as_many_gradients_of_weights_are_held_as_there_are_shares(monkeypatch):
    where, held, results = Window((3, 3), padding=((1, 1), (1, 1))), [], workers.results
    monkeypatch.setattr(planes, "IN_CACHE", 1)
    monkeypatch.setattr(
        workers, "results", lambda *told: (held.append(found := results(*told)), found)[1]
    )
    x, _, y = operands(where, (50, 8), (2, 5))
    planes.weight_gradient(x, y, where, 1)
    assert [len(found) for found in held] == [-(-50 // -(-50 // blas.SHARES))]


@pytest.mark.parametrize("channels", [(1, 64), (3, 64), (64, 3)])
def test_float32_errs_little_more_than_the_definition_does(channels):
    where = Window((5, 5), padding=((2, 2), (2, 2)))
    single = [a.astype("float32") for a in operands(where, (14, 14), channels, images=4)]
    exact = maps(convolution, *(a.astype("float64") for a in single), where)
    both = maps(planes, *single, where), maps(convolution, *single, where)
    for found, defined, wanted in zip(*both, exact, strict=True):
        worst, allowed = (np.abs(a - wanted).max() for a in (found, defined))
        assert 0 < worst < 4 * allowed
