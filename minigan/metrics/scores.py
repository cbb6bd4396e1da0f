"""What a classifier says of images: the classifier score, and how well one learns from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import whole
from ..data import Images
from .checks import Array, Estimate, labels_of, matrix, mean_of

Predict = Callable[[Array], Array]
"""Images (N, H, W, C) in [−1, 1] to class probabilities (N, classes)."""


def classifier_score(probabilities: Any, splits: int = 1) -> Estimate:
    """exp E[KL(p(y|x) ‖ p(y))], from 1 to the number of classes (Salimans et al., 2016).

    With the Inception network it is the Inception score. It is high where each image is surely of
    one class and all classes are made alike; within a class it sees nothing.

    Args:
        probabilities: (N, classes), rows that sum to 1.
        splits: into how many parts, in order, the rows are cut; p(y) is that of a part. A part of
            few rows scores too low.
    """
    p = matrix("probabilities", probabilities)
    sums = p.sum(1)
    if p.min() < 0 or abs(sums - 1).max() > 1e-3:
        raise ValueError(
            f"probabilities: got a least of {p.min():g} and rows that sum to {sums.min():g} to "
            f"{sums.max():g}, wanted none below 0 and sums of 1; logits want a softmax"
        )
    whole("splits", splits, 1, len(p))
    return mean_of([_score(part) for part in np.array_split(p / sums[:, None], splits)])


def _score(p: Array) -> float:
    """exp of the mean entropy of a row relative to the mean row, with 0·log 0 = 0."""
    ratio = np.divide(p, p.mean(0), out=np.ones_like(p), where=p > 0)
    return float(np.exp((p * np.log(ratio)).sum(1).mean()))


def classification_accuracy(
    *, real: Images, fake: Images, train: Callable[[Images], Predict]
) -> float:
    """The accuracy on ``real`` of a classifier that ``train`` taught on ``fake`` alone.

    The classification accuracy score of Ravuri and Vinyals (2019): it falls with poor images,
    wrong labels and missing variety alike. ``fake`` has the labels that its images were made for;
    training images in its place give the value to compare with: ``evaluate_classification`` puts
    it beside. With minigan's own classifier ``train`` is
    ``lambda images: train_classifier(images, real).probabilities``.
    """
    wanted, _ = labels_of("real", real), labels_of("fake", fake)
    guesses = train(fake)(real.batch(slice(None))).argmax(1)
    return float((guesses == wanted).mean())
