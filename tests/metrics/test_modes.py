"""Modes captured, quality and divergence: of mixtures, and of labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.data import grid, ring
from minigan.metrics import label_modes, mixture_modes

SEEDS = st.integers(0, 2**32 - 1)


def plain(points, centres, std):
    counts = [0] * len(centres)
    for point in points:
        away = [math.dist(point, centre) / std for centre in centres]
        if min(away) <= 3:
            counts[away.index(min(away))] += 1
    good = sum(counts)
    shares = [count / good for count in counts if count] if good else []
    divergence = sum(s * math.log(s * len(centres)) for s in shares) if good else math.nan
    return sum(count > 0 for count in counts), good / len(points), divergence


@given(SEEDS, st.sampled_from([ring(), ring(3, 2.0, 0.4), grid(), grid(2, 1.0, 0.2)]))
def test_as_defined(seed, mixture):
    rng = np.random.default_rng(seed)
    near = mixture.centres[rng.integers(len(mixture.centres), size=20)]
    points = near + 2 * mixture.std * rng.normal(size=near.shape)
    found = mixture_modes(points, mixture)
    np.testing.assert_allclose(found, plain(points, mixture.centres, mixture.std), rtol=1e-9)


def test_the_exact_sampler_scores_what_is_published():
    for mixture, divergence in ((ring(), 0.0014), (grid(), 0.0048)):
        found = np.mean([mixture_modes(mixture.sample(2500, s), mixture) for s in range(100)], 0)
        assert found[0] == len(mixture.centres)
        assert found[1] == pytest.approx(1 - math.exp(-4.5), abs=1e-3)  # Rayleigh within 3 σ
        assert found[2] == pytest.approx(divergence, abs=3e-4)


def test_a_collapsed_generator_and_a_poor_one():
    mixture = ring()
    collapsed = mixture_modes(np.tile(mixture.centres[2], (50, 1)), mixture)
    assert collapsed == (1, 1.0, pytest.approx(math.log(8)))
    nowhere = mixture_modes(np.zeros((50, 2)), mixture)
    assert nowhere[:2] == (0, 0.0) and math.isnan(nowhere.reverse_kl)


def test_the_mixtures_are_the_published_ones():
    assert len(np.unique(ring().centres.round(9), axis=0)) == 8  # not 0 and 2π both
    np.testing.assert_allclose(np.linalg.norm(ring().centres, axis=1), 1)
    assert (ring().std, grid().std) == (0.01, 0.05)
    expected = sorted((float(x), float(y)) for x in range(-4, 5, 2) for y in range(-4, 5, 2))
    assert sorted(map(tuple, grid().centres.tolist())) == expected


def test_a_sampler_repeats_itself_and_has_the_mixture_s_moments():
    mixture = grid()
    points = mixture.sample(20_000, 3)
    assert points.dtype == np.float32 and points.shape == (20_000, 2)
    np.testing.assert_array_equal(points[:5], mixture.sample(20_000, 3)[:5])
    assert not np.array_equal(points, mixture.sample(20_000, 4))
    covariance = np.cov(mixture.sample(20_000, 3, "float64").T)
    np.testing.assert_allclose(covariance, (8 + 0.05**2) * np.eye(2), atol=0.25)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_labels(labels):
    found = label_modes(labels, 10)
    shares = [labels.count(k) / len(labels) for k in set(labels)]
    assert found.captured == len(shares)
    assert found.reverse_kl == pytest.approx(
        sum(s * math.log(10 * s) for s in shares), rel=1e-9, abs=1e-12
    )


def test_stacked_digits_of_a_thousand_modes():
    digits = np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), axis=1)
    found = label_modes(digits @ [100, 10, 1], 1000)
    assert found.captured == 1000 and abs(found.reverse_kl) < 1e-12


@pytest.mark.parametrize(
    "labels, words", [([0, 10], "got 0 to 10, wanted 0 to 9"), ([0.5], "wanted integers")]
)
def test_bad_labels_are_named(labels, words):
    with pytest.raises(ValueError, match=words):
        label_modes(labels, 10)


def test_points_of_other_dimensions_are_named():
    with pytest.raises(ValueError, match=r"points: got shape \(4, 3\), wanted \(N, 2\)"):
        mixture_modes(np.zeros((4, 3)), ring())


def test_a_mixture_of_nothing_is_named():
    for make, words in (
        (lambda: ring(0), "modes: got 0"),
        (lambda: grid(0), "side: got 0"),
        (lambda: ring(std=0.0), "std: got 0.0, wanted a number above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
