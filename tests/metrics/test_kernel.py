"""The kernel distance: pair by pair, without bias, negative when it has to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.metrics import kernel, kernel_distance

SEEDS = st.integers(0, 2**32 - 1)


def k(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3


def plain(x, y):
    """The estimator as it is defined, a pair at a time."""
    within = [
        np.mean([k(a[i], a[j]) for i, j in itertools.permutations(range(len(a)), 2)])
        for a in (x, y)
    ]
    return sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])


@given(SEEDS, st.integers(2, 7), st.integers(2, 7), st.integers(1, 4))
def test_as_defined(seed, m, n, size):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(m, size)), rng.normal(0.5, 1, size=(n, size))
    found = kernel_distance(real=x, fake=y)
    assert found.value == pytest.approx(plain(x, y), rel=1e-9, abs=1e-10)
    assert found.parts == 1 and np.isnan(found.std)


def test_one_distribution_gives_0_on_average_and_negative_values_too():
    rng = np.random.default_rng(0)
    values = [
        kernel_distance(real=rng.normal(size=(20, 4)), fake=rng.normal(size=(30, 4))).value
        for _ in range(400)
    ]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert 0.2 < np.mean(np.array(values) < 0) < 0.9
    biased = 2 * np.mean([k(x, x) for x in rng.normal(size=(50, 4))]) / 25
    assert 3 * error < biased / 3  # what keeping the diagonal would add would be seen


def test_blocks_are_estimates_of_their_own():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 3)), rng.normal(0.8, 1, size=(200, 3))
    whole, parts = (kernel_distance(real=x, fake=y, blocks=b) for b in (1, 10))
    assert parts.parts == 10
    assert parts.error == pytest.approx(parts.std / np.sqrt(10))
    assert abs(whole.value - parts.value) < 4 * parts.error
    again = kernel_distance(real=x, fake=y, blocks=10)
    other = kernel_distance(real=x, fake=y, blocks=10, seed=1)
    assert again == parts and other.value != parts.value
    with pytest.raises(ValueError, match="blocks: got 101, wanted a whole number from 1 to 100"):
        kernel_distance(real=x, fake=y, blocks=101)


def test_sorted_data_are_shuffled_before_they_are_cut():
    x, y = np.sort(np.random.default_rng(2).normal(size=(2, 400, 1)), axis=1)
    found = kernel_distance(real=x, fake=y[::-1], blocks=8)  # unshuffled, low would meet high
    assert abs(found.value) < 4 * found.error


def test_rows_at_a_time_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(31, 3)), rng.normal(size=(17, 3))
    before = kernel_distance(real=x, fake=y).value
    monkeypatch.setattr(kernel, "_ROOM", 40)
    assert kernel_distance(real=x, fake=y).value == pytest.approx(before, rel=1e-10)
