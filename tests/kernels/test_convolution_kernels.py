from __future__ import annotations

import numpy as np
import pytest
import references
from hypothesis import given
from hypothesis import strategies as st
from properties import FLOATS, adjoint, close
from strategies import examples

from minigan.kernels import convolution as kernel
from minigan.kernels.windows import Window
from minigan.ops.geometry import window
from minigan.testing.strategies import convolutions, values


def problem(c):
    """Map, weights, a cotangent, and the settings as the kernels take them."""
    x, w = c.map(), c.weights()
    where = window(c.size, c.taps, c.stride, c.padding, c.dilation)
    y = values(c.seed + 2, (len(x), *where.positions(c.size), c.c_out))
    return x, w, y, where


@examples(60)
@given(convolutions())
def test_kernels_follow_the_definition(c):
    x, w, y, where = problem(c)
    close(kernel.convolve(x, w, where, c.groups), references.conv2d(x, w, **c.settings))
    found = kernel.input_gradient(y, w, where, c.groups, c.size)
    close(found, references.conv2d_transpose(y, w, **c.settings, output_size=c.size))


@examples(40)
@given(convolutions())
def test_kernels_are_each_others_adjoints(c):
    x, w, y, where = problem(c)
    adjoint(
        lambda x: kernel.convolve(x, w, where, c.groups),
        lambda y: kernel.input_gradient(y, w, where, c.groups, c.size),
        x,
        y,
    )
    adjoint(
        lambda w: kernel.convolve(x, w, where, c.groups),
        lambda y: kernel.weight_gradient(x, y, where, c.groups),
        w,
        y,
    )


@pytest.mark.parametrize("limit", [1, 100])
@examples(20)
@given(c=convolutions(min_images=1), more=st.integers(0, 3))
def test_images_done_a_few_at_a_time_are_the_same(limit, c, more):
    x, w, y, where = problem(c)
    x, y = (
        np.concatenate([a] * (1 + more)) * values(0, (len(a) * (1 + more), 1, 1, 1)) for a in (x, y)
    )
    arguments = (where, c.groups)

    def results():
        return (
            kernel.convolve(x, w, *arguments),
            kernel.input_gradient(y, w, *arguments, c.size),
            kernel.weight_gradient(x, y, *arguments),
        )

    whole = results()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "COLUMNS_AT_A_TIME", limit)
        chunked = results()
    for found, expected in zip(chunked, whole, strict=True):
        close(found, expected, 1e-14)


@pytest.mark.parametrize("outputs, least", [(5, 1), (36, 3)])
def test_as_many_images_at_a_time_as_their_columns_fit(monkeypatch, outputs, least):
    x, w, where = values(0, (7, 5, 4, 6)), values(1, (2, 2, 6, outputs)), Window((2, 2))
    y = values(2, (7, 4, 3, outputs))
    columns = 4 * 3 * 2 * 2 * 6  # of one image: with 36 outputs the weights are as many as three's
    counts = []
    for name in ("_columns", "_pieces"):
        made = getattr(kernel, name)
        monkeypatch.setattr(
            kernel, name, lambda a, *more, made=made: (counts.append(len(a)), made(a, *more))[1]
        )
    for run in (
        lambda: kernel.convolve(x, w, where, 1),
        lambda: kernel.input_gradient(y, w, where, 1, (5, 4)),
        lambda: kernel.weight_gradient(x, y, where, 1),
    ):
        for limit in (4 * columns, 3 * columns, 3 * columns - 1, columns, columns - 1, 1):
            monkeypatch.setattr(kernel, "COLUMNS_AT_A_TIME", limit)
            run()
            step = min(2, max(limit // columns, 1))  # in shares of two images for several cores
            assert counts == [min(step, 7 - i) for i in range(0, 7, step)]
            counts.clear()
            with monkeypatch.context() as patch:
                patch.setattr(kernel, "FEW", 0)
                run()
            step = max(limit // columns, least)
            assert counts == [min(step, 7 - i) for i in range(0, 7, step)]
            counts.clear()


def test_weights_are_few_by_themselves_or_for_many_rows():
    few, more = np.empty((64, kernel.FEW // 64)), np.empty((75, 128))
    assert kernel._are_few(few, 1) and not kernel._are_few(more, 1)
    assert kernel._are_few(more, kernel.PER_WEIGHT * more.size)
    assert not kernel._are_few(more, kernel.PER_WEIGHT * more.size - 1)


def test_one_image_has_the_same_bits_whichever_batch_mates_share_its_chunk(monkeypatch):
    # Numbers whose products and sums are exact, so that any order of summation gives these bits.
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-8, 9, s).astype(np.float32) for s in ((7, 6, 5, 4), (3, 2, 2, 6)))
    where = Window((3, 2), (2, 1), (1, 2), ((1, 0), (0, 1)))
    y = rng.integers(-8, 9, (7, *where.positions((6, 5)), 6)).astype(np.float32)
    whole = kernel.convolve(x, w, where, 2)
    back = kernel.input_gradient(y, w, where, 2, (6, 5))
    weights = kernel.weight_gradient(x, y, where, 2)
    monkeypatch.setattr(kernel, "COLUMNS_AT_A_TIME", 500)
    np.testing.assert_array_equal(kernel.convolve(x, w, where, 2), whole)
    np.testing.assert_array_equal(kernel.convolve(x[4:5], w, where, 2), whole[4:5])
    np.testing.assert_array_equal(kernel.input_gradient(y, w, where, 2, (6, 5)), back)
    np.testing.assert_array_equal(kernel.weight_gradient(x, y, where, 2), weights)


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtype_in_is_dtype_out_and_operands_are_not_written_to(dtype):
    where = Window((3, 2), (2, 1), (1, 2), ((1, 0), (0, 1)))
    x, w = values(0, (2, 6, 5, 2)).astype(dtype), values(1, (3, 2, 1, 4)).astype(dtype)
    y = values(2, (2, *where.positions((6, 5)), 4)).astype(dtype)
    for a in (x, w, y):
        a.flags.writeable = False
    exact = [a.astype(np.float64) for a in (x, w, y)]
    precision = 50 * np.finfo(dtype).eps
    for found, expected in (
        (kernel.convolve(x, w, where, 2), kernel.convolve(*exact[:2], where, 2)),
        (
            kernel.input_gradient(y, w, where, 2, (6, 5)),
            kernel.input_gradient(exact[2], exact[1], where, 2, (6, 5)),
        ),
        (
            kernel.weight_gradient(x, y, where, 2),
            kernel.weight_gradient(exact[0], exact[2], where, 2),
        ),
    ):
        assert found.dtype == dtype
        close(found, expected, precision)


@examples(15)
@given(convolutions(min_images=1))
def test_operands_need_not_be_contiguous(c):
    x, w, y, where = problem(c)
    turned = [np.asfortranarray(x), np.flip(np.flip(w).copy()), np.repeat(y, 2, axis=-1)[..., ::2]]
    close(
        kernel.convolve(turned[0], turned[1], where, c.groups),
        kernel.convolve(x, w, where, c.groups),
    )
    close(
        kernel.input_gradient(turned[2], turned[1], where, c.groups, c.size),
        kernel.input_gradient(y, w, where, c.groups, c.size),
    )
    close(
        kernel.weight_gradient(turned[0], turned[2], where, c.groups),
        kernel.weight_gradient(x, y, where, c.groups),
    )


def test_a_batch_of_none_has_weights_of_gradient_zero():
    where = Window((2, 2))
    found = kernel.weight_gradient(np.ones((0, 3, 3, 2)), np.ones((0, 2, 2, 4)), where, 2)
    assert found.shape == (2, 2, 1, 4) and not found.any()


def test_rows_and_columns_that_no_window_meets_get_gradient_zero():
    where = Window((2, 2), (3, 3))
    y = values(0, (1, 1, 1, 2))
    found = kernel.input_gradient(y, values(1, (2, 2, 3, 2)), where, 1, (4, 4))
    assert found[:, :2, :2].all() and not found[:, 2:].any() and not found[:, :, 2:].any()
    assert not np.signbit(found[:, 2:]).any() and not np.signbit(found[:, :, 2:]).any()
