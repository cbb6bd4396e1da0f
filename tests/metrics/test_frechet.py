"""The Fréchet distance against closed forms, whatever the ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.metrics import frechet_distance, frechet_of_moments

SEEDS = st.integers(0, 2**32 - 1)


def rotation(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def with_moments(mean, sigma):
    """2·D rows of exactly that mean and of covariance diag(σ²)."""
    rows = np.diag(sigma) * np.sqrt((2 * len(mean) - 1) / 2)
    return mean + np.concatenate([rows, -rows])


def diagonal(rng, size):
    means, sigmas = rng.normal(size=(2, size)), rng.uniform(0, 2, (2, size))
    return means, sigmas, ((means[0] - means[1]) ** 2 + (sigmas[0] - sigmas[1]) ** 2).sum()


@given(SEEDS, st.integers(1, 8))
def test_moments_of_diagonal_gaussians_in_any_rotation(seed, size):
    rng = np.random.default_rng(seed)
    (m1, m2), (s1, s2), exact = diagonal(rng, size)
    turn = rotation(rng, size)
    c1, c2 = (turn.T @ np.diag(s**2) @ turn for s in (s1, s2))
    found = frechet_of_moments(m1 @ turn, c1, m2 @ turn, c2)
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9)


@given(SEEDS, st.integers(1, 6), st.integers(0, 40))
def test_data_of_known_moments_with_fewer_rows_than_dimensions(seed, size, more):
    rng = np.random.default_rng(seed)
    means, sigmas, exact = diagonal(rng, size)
    turn = rotation(rng, size + more)[:size]
    real, fake = (with_moments(m, s) @ turn for m, s in zip(means, sigmas, strict=True))
    found = frechet_distance(real=real, fake=fake)
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9)


def square_root(matrix):
    """The root of a positive definite matrix, by Newton's iteration (Denman and Beavers)."""
    y, z = matrix, np.eye(len(matrix))
    for _ in range(60):
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    return y


@given(SEEDS)
def test_data_against_the_formula_with_a_matrix_root(seed):
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 4)) + 1
    fake = rng.normal(size=(41, 4)) + 0.1 * rng.normal(size=(41, 1))
    c1, c2 = np.cov(real.T), np.cov(fake.T)
    root = square_root(c1)
    overlap = np.trace(square_root(root @ c2 @ root))
    shift = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    exact = shift + np.trace(c1) + np.trace(c2) - 2 * overlap
    assert frechet_distance(real=real, fake=fake) == pytest.approx(exact, rel=1e-6)


def test_fewer_samples_than_dimensions_give_a_real_number_that_is_0_for_the_same_set():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(20, 300)), rng.normal(size=(15, 300))
    found = frechet_distance(real=real, fake=fake)
    assert isinstance(found, float) and found > 0
    assert frechet_distance(real=real, fake=real[::-1]) < 1e-12 * 300
    assert found == pytest.approx(frechet_distance(real=fake, fake=real), rel=1e-12)


def test_it_grows_with_a_shift_and_with_a_lack_of_variety():
    real = np.random.default_rng(1).normal(size=(500, 5))
    real -= real.mean(0)
    same = frechet_distance(real=real, fake=real)
    shifted = frechet_distance(real=real, fake=real + 2)
    narrow = frechet_distance(real=real, fake=real / 2)
    assert same < 1e-12
    assert shifted == pytest.approx(20)
    assert narrow == pytest.approx(np.trace(np.cov(real.T)) / 4)


@pytest.mark.parametrize(
    "real, fake, words",
    [
        (np.ones((1, 3)), np.ones((4, 3)), r"real: got 1 samples, wanted at least 2"),
        (np.ones((4, 3)), np.ones((4, 2)), "fake: got 2 features, wanted 3"),
        (np.ones((4, 3)), np.full((4, 3), np.nan), "fake: row 0 has NaN"),
        (np.ones((4, 2, 2, 1)), np.ones((4, 4)), r"flatten images"),
    ],
)
def test_bad_data_is_named(real, fake, words):
    with pytest.raises(ValueError, match=words):
        frechet_distance(real=real, fake=fake)


@pytest.mark.parametrize(
    "cov, words",
    [
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "cov2: .* symmetric"),
        (np.eye(3), r"cov2: got shape \(3, 3\), wanted \(2, 2\)"),
        (np.diag([1.0, -1.0]), "cov2: has the eigenvalue -1"),
    ],
)
def test_a_bad_covariance_is_named(cov, words):
    with pytest.raises(ValueError, match=words):
        frechet_of_moments(np.zeros(2), np.eye(2), np.zeros(2), cov)
    with pytest.raises(ValueError, match="mean2"):
        frechet_of_moments(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
