"""Precision, recall, density and coverage: plain loops, their direction, and bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality.metrics import plain_neighbours
from minigan import metrics
from minigan.metrics import manifold
from minigan.metrics import neighbours as all_four

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(6, 12), st.integers(6, 12), st.integers(1, 4), st.integers(1, 5))
def test_as_defined(seed, n, m, size, k):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, size)), 0.7 * rng.normal(size=(m, size))
    np.testing.assert_allclose(
        all_four(real=real, fake=fake, k=k), plain_neighbours(real, fake, k), rtol=1e-12, atol=0
    )


@given(SEEDS, st.integers(1, 4))
def test_ties_and_doubles_count_as_inside(seed, k):
    rng = np.random.default_rng(seed)
    real, fake = rng.integers(0, 3, (9, 2)), rng.integers(0, 4, (7, 2))
    np.testing.assert_allclose(
        all_four(real=real, fake=fake, k=k), plain_neighbours(real, fake, k), rtol=1e-12, atol=0
    )


def wide_and_tight():
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 4)), 0.2 * rng.normal(size=(500, 4))


def test_tight_fakes_inside_wide_reals_are_precise_and_have_little_recall():
    wide, tight = wide_and_tight()
    assert metrics.precision(real=wide, fake=tight) > 0.8
    assert metrics.recall(real=wide, fake=tight) < 0.3
    assert metrics.coverage(real=wide, fake=tight) < 0.3
    assert metrics.density(real=wide, fake=tight) > 0.8


def test_wide_fakes_around_tight_reals_are_the_mirror():
    wide, tight = wide_and_tight()
    assert metrics.precision(real=tight, fake=wide) < 0.3
    assert metrics.recall(real=tight, fake=wide) > 0.8
    assert metrics.density(real=tight, fake=wide) < 0.3
    for k in (1, 3, 7):
        assert metrics.precision(real=tight, fake=wide, k=k) == metrics.recall(
            real=wide, fake=tight, k=k
        )


def test_arguments_are_given_by_name_alone():
    wide, tight = wide_and_tight()
    for function in (metrics.precision, metrics.recall, metrics.density, metrics.coverage):
        with pytest.raises(TypeError, match="positional"):
            function(wide, tight)


def test_an_outlier_blows_up_recall_by_fakes_but_not_coverage():
    rng = np.random.default_rng(1)
    real = rng.normal(size=(200, 2))
    tight = 0.01 * rng.normal(size=(198, 2))
    fake = np.concatenate([tight, 100 * np.eye(2)])
    assert metrics.recall(real=real, fake=tight, k=3) < 0.1
    assert metrics.recall(real=real, fake=fake, k=3) > 0.6  # what coverage was made to mend
    assert metrics.coverage(real=real, fake=fake, k=3) < 0.3


def test_each_alone_is_the_one_of_all_four():
    wide, tight = wide_and_tight()
    found = all_four(real=wide, fake=tight, k=3)
    for name, value in found._asdict().items():
        assert getattr(metrics, name)(real=wide, fake=tight, k=3) == value


def test_blocks_change_nothing(monkeypatch):
    wide, tight = wide_and_tight()
    before = all_four(real=wide, fake=tight[:123])
    nearest = metrics.nearest_distance(real=wide, fake=tight)
    monkeypatch.setattr(manifold, "_ROOM", 1700)
    assert all_four(real=wide, fake=tight[:123]) == before
    assert metrics.nearest_distance(real=wide, fake=tight) == pytest.approx(nearest, rel=1e-12)


@given(SEEDS)
def test_nearest_distance(seed):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(9, 3)), rng.normal(size=(8, 3))
    nearest = [min(np.linalg.norm(x - y) for x in real) for y in fake]
    found = metrics.nearest_distance(real=real, fake=fake)
    assert found == pytest.approx(np.median(nearest), rel=1e-9)
    assert metrics.nearest_distance(real=real, fake=real) < 1e-6


def test_too_few_points_and_a_bad_k_are_named():
    with pytest.raises(ValueError, match="fake: got 5 samples, wanted at least 6"):
        all_four(real=np.ones((9, 2)), fake=np.ones((5, 2)))
    with pytest.raises(ValueError, match="k: got 0, wanted a whole number of at least 1"):
        all_four(real=np.ones((9, 2)), fake=np.ones((5, 2)), k=0)


def test_an_offset_that_all_share_changes_nothing():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(60, 5)), rng.normal(size=(50, 5))
    near, far = (
        (
            *all_four(real=real + c, fake=fake + c),
            metrics.nearest_distance(real=real + c, fake=fake + c),
        )
        for c in (0.0, 1e8)
    )
    np.testing.assert_allclose(near, far, rtol=1e-6)


def test_numbers_whose_powers_would_overflow_are_refused():
    with pytest.raises(ValueError, match="real: got numbers up to 1e.200, wanted at most 1e.50"):
        metrics.nearest_distance(real=np.full((4, 2), 1e200), fake=np.ones((4, 2)))


@pytest.mark.parametrize("seed", range(20))
def test_precision_and_recall_are_each_others_mirror_also_on_a_grid(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.round(rng.normal(size=(30, 2)), 1) for _ in range(2))
    assert metrics.precision(real=a, fake=b) == metrics.recall(real=b, fake=a)
