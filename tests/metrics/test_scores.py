"""The classifier score, and the accuracy of a classifier that learnt from samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.data import Images, digits
from minigan.metrics import classification_accuracy, classifier_score


def plain(p):
    marginal = [sum(row[c] for row in p) / len(p) for c in range(len(p[0]))]
    divergences = [
        sum(a * math.log(a / b) for a, b in zip(row, marginal, strict=True) if a > 0) for row in p
    ]
    return math.exp(sum(divergences) / len(p))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 5), st.integers(1, 3))
def test_as_defined(seed, n, classes, splits):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.3), n)
    splits = min(n, splits)
    found = classifier_score(p, splits)
    values = [plain(part) for part in np.array_split(p, splits)]
    assert found.value == pytest.approx(np.mean(values), rel=1e-9)
    assert found.parts == splits
    if splits > 1:
        assert found.std == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-12)


def test_its_ends_are_1_and_the_number_of_classes():
    assert classifier_score(np.eye(7)).value == pytest.approx(7)
    assert classifier_score(np.eye(7)[[3] * 9]).value == pytest.approx(1)
    assert classifier_score(np.full((9, 7), 1 / 7)).value == pytest.approx(1)


@pytest.mark.parametrize(
    "p, splits, words",
    [
        (np.eye(3) * 2, 1, "sum to 2"),
        (np.eye(3) - [[0.1, -0.1, 0]], 1, "none below 0"),
        (np.eye(3), 4, "splits: got 4, wanted a whole number from 1 to 3"),
        (np.eye(3)[0], 1, r"probabilities: got shape \(3,\)"),
    ],
)
def test_what_is_no_probabilities_is_named(p, splits, words):
    with pytest.raises(ValueError, match=words):
        classifier_score(p, splits)


def nearest_mean(images):
    """A classifier that ``train`` could be: the class whose mean is nearest."""
    flat = images.batch(slice(None)).reshape(len(images), -1)
    means = np.stack([flat[images.labels == c].mean(0) for c in range(10)])

    def probabilities(x):
        away = ((x.reshape(len(x), 1, -1) - means) ** 2).sum(-1)
        return np.eye(10)[away.argmin(1)]

    return probabilities


def test_classification_accuracy_falls_with_wrong_labels_and_missing_variety():
    made, real = digits().split(800, seed=0)
    score = classification_accuracy(real=real, fake=made, train=nearest_mean)
    assert score > 0.85
    wrong = Images(made.pixels, (made.labels + 1) % 10, made.classes)
    assert classification_accuracy(real=real, fake=wrong, train=nearest_mean) < 0.05
    poor = np.concatenate([np.flatnonzero(made.labels == c)[:1] for c in range(10)])
    few = classification_accuracy(real=real, fake=made.take(poor), train=nearest_mean)
    assert few < score - 0.1


def test_images_without_labels_are_named():
    real = digits()
    some = Images(real.pixels, np.where(np.arange(len(real)) < 9, real.labels, -1))
    for bare, words in ((Images(real.pixels), "without labels"), (some, "image 9 has no label")):
        for pair in ({"real": bare, "fake": real}, {"real": real, "fake": bare}):
            with pytest.raises(ValueError, match=words):
                classification_accuracy(**pair, train=nearest_mean)
