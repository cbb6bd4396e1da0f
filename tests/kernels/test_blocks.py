from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import close
from strategies import examples, laid_out

from minigan import workers
from minigan.kernels import blocks, normalization
from minigan.kernels.blocks import flat_blocks, row_blocks, rows
from minigan.testing.strategies import seeds, values


@examples(60)
@given(laid_out(), st.integers(1, 9))
def test_blocks_of_any_layout_are_every_element_once(x, step):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", step)
        patch.setattr(blocks, "SHARED", step)
        twin, result = np.array(x, order="C") * 2, np.empty_like(x)
        result[...] = np.nan
        for out, a, b in flat_blocks(result, x, twin):
            assert out.shape == a.shape == b.shape and out.size <= step
            out[...] = a + b
    assert np.array_equal(result, 3 * x)


@pytest.mark.parametrize(
    ("step", "expected"), [(12, [3, 1]), (11, [2, 2]), (4, [1] * 4), (1, [1] * 4)]
)
def test_as_many_rows_at_a_time_as_fit(step, expected, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", step)
    x = np.empty((4, 4))
    assert [len(part) for (part,) in row_blocks(x)] == expected


@pytest.mark.parametrize("smallest", [1, 1 << 19])
def test_rows_of_a_map_are_a_view_in_its_own_order(smallest, monkeypatch):
    monkeypatch.setattr(workers, "SMALLEST", smallest)
    x = values(0, (3, 4, 2, 5)).transpose(2, 0, 1, 3)  # (N, H, W, C) with positions first
    found = rows(x, (1, 2, 0, 3))
    assert np.shares_memory(found, x)
    assert np.array_equal(found, x.transpose(1, 2, 0, 3).reshape(-1, 5))
    for other in (x, np.broadcast_to(x[:, :1, :1], x.shape)):
        found = rows(other, (0, 1, 2, 3))
        assert found.flags.c_contiguous
        assert np.array_equal(found, other.reshape(-1, 5))


@pytest.mark.parametrize("n", [1, 1000, 1 << 16, (1 << 19) + 7, 1 << 20, (1 << 22) + 1])
def test_several_cores_have_an_even_number_of_blocks_that_are_alike(n):
    sizes = [len(a) for a, _ in flat_blocks(*np.broadcast_arrays(np.empty(n, "b"), 0))]
    assert sum(sizes) == n
    if n < workers.SMALLEST:
        assert max(sizes) <= blocks.BLOCK
    else:
        assert len(sizes) % 2 == 0 and max(sizes) <= blocks.SHARED
        assert max(sizes) - min(sizes) < len(sizes)


def test_whether_several_cores_are_worth_it_is_a_matter_of_all_arrays(monkeypatch):
    sizes = []
    monkeypatch.setattr(workers, "each", lambda function, items, size: sizes.append(size))
    x = np.empty(6)
    for count in (1, 2, 4):
        blocks.each_block(lambda *parts: None, *[x] * count)
    assert sizes == [3, 6, 12]


@examples(60)
@given(
    laid_out(min_dims=2, min_side=1),
    seeds(),
    st.integers(1, 40),
    st.sampled_from([1, 100]),
    st.sampled_from([1.0, 0.3, 0.0, 2.0]),
)
def test_batch_norm_in_blocks_follows_its_formulas(x, seed, step, fewest, slope):
    channels, axes, eps = x.shape[-1], tuple(range(x.ndim - 1)), 0.1
    gamma, beta, g = (
        values(seed + i, s) for i, s in enumerate(((channels,), (channels,), x.shape))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", step)
        patch.setattr("minigan.kernels.channels.FEWEST", fewest)
        mean, variance = normalization.column_moments(x)
        norm = gamma, beta, mean, variance, eps, slope
        y = normalization.normalize(x, *norm)
        found = normalization.normalize_gradient(g, x, *norm)
    close(mean, x.mean(axes))
    close(variance, x.var(axes))
    sigma = np.sqrt(x.var(axes) + eps)
    standard = (x - x.mean(axes)) / sigma
    straight = gamma * standard + beta
    close(y, np.where(straight > 0, straight, slope * straight))
    g = np.where(straight > 0, g, slope * g)
    close(found[1], (g * standard).sum(axes))
    close(found[2], g.sum(axes))
    inner = g - g.mean(axes) - standard * (g * standard).mean(axes)
    close(found[0], gamma / sigma * inner)
    assert [a.dtype for a in (mean, variance, y, *found)] == [x.dtype] * 6


def test_results_lie_in_memory_as_the_map_does():
    x = values(0, (3, 4, 2, 5)).transpose(2, 0, 1, 3)
    one, zero = np.ones(5), np.zeros(5)
    norm = one, zero, zero, one, 0.1, 0.3
    y = normalization.normalize(x, *norm)
    back, *_ = normalization.normalize_gradient(x, x, *norm)
    assert y.strides == back.strides == x.strides


def test_moments_of_float16_are_taken_in_float32():
    x = np.full((1000, 2), 300, np.float16)
    x[::2] = 301
    mean, variance = normalization.column_moments(x)
    assert mean.dtype == variance.dtype == np.float32
    assert np.array_equal(mean, [300.5, 300.5]) and np.array_equal(variance, [0.25, 0.25])
    y = normalization.normalize(x, *np.ones((2, 2), np.float16), mean, variance, 0.0, 1.0)
    assert y.dtype == np.float16 and set(y[:, 0].tolist()) == {0.0, 2.0}


@examples(40)
@given(laid_out(min_dims=2, min_side=1), seeds(), st.integers(1, 40), st.sampled_from([1, 100]))
def test_standardizing_in_blocks(x, seed, step, fewest):
    centre, scale, shift = (values(seed + i, x.shape[-1:]) for i in range(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", step)
        patch.setattr("minigan.kernels.channels.FEWEST", fewest)
        close(normalization.standardize(x, centre, scale, shift), scale * (x - centre) + shift)
