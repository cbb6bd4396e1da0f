"""Recipes on MNIST: the classifier's score of samples over that of real images, and asked digits.

The protocol of TF-GAN's tutorial, with our own classifier, so that only the ratio of the two scores
can be compared. Theirs, in 4,000 steps of 32: 0.71, 0.79, 0.88 and 0.91 after 500, 1,000, 2,000 and
4,000. Ours are one recipe that is told no labels, as theirs is, and one that is; ``--recipe`` names
others.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from minigan import metrics
from minigan.data import find_mnist, mnist
from minigan.data.images import scaled
from minigan.recipes import RECIPES

from . import Figure, means, note

SAMPLES = 10_000
LEAST_MEAN, LEAST, LEAST_ASKED = 0.95, 0.90, 0.98


class Row(NamedTuple):
    """What is averaged over seeds."""

    mean_ratio: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", nargs="+", default=["mapping", "projection"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--data", metavar="FOLDER", help="of MNIST's files")
    parser.add_argument("--classifier", metavar="FILE", help="of minigan train-classifier")


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    folder = arguments.data or find_mnist()
    test = mnist(folder, "test")
    judge = classifier_of(arguments.classifier, folder)
    yield Figure(
        "classifier: accuracy", judge.accuracy, 0.99, protocol=f"{len(test):,} test images"
    )
    real = metrics.classifier_score(judge.probabilities(test.batch(slice(None)))).value
    for name in arguments.recipe:
        rows = []
        for seed in range(arguments.seeds):
            figures = list(_run(name, seed, arguments, judge, real))
            rows.append(Row(figures[0].value))
            yield from figures
        protocol = f"seeds 0 to {arguments.seeds - 1}, {SAMPLES:,} samples"
        yield from means(name, rows, protocol, [(LEAST_MEAN, math.inf)], ["0.91"])


def classifier_of(path: str | None, folder: str) -> metrics.Classifier:
    """The classifier in that file, or a new one."""
    if path is not None:
        return metrics.load_classifier(path)
    note("training a classifier; minigan train-classifier mnist keeps one for --classifier")
    return metrics.train_classifier(mnist(folder), mnist(folder, "test"))


def _run(
    name: str, seed: int, arguments: argparse.Namespace, judge: metrics.Classifier, real: float
) -> Iterator[Figure]:
    """One seed's figures, the ratio first."""
    recipe = RECIPES[name]
    changes = {"steps": arguments.steps, "batch": arguments.batch}
    settings = {**recipe.SETTINGS, **changes}
    images = recipe.load_data(settings, arguments.data)
    trainer = recipe.make_trainer(settings, images.shape, seed, "cpu")
    start = time.process_time()
    trainer.fit(images, arguments.steps, arguments.batch)
    minutes = (time.process_time() - start) / 60
    made = scaled(trainer.sample(SAMPLES), trainer.image_range, (-1, 1))
    probabilities = judge.probabilities(made)
    ratio = metrics.classifier_score(probabilities).value / real
    protocol = (
        f"{arguments.steps:,} steps of {arguments.batch}, {minutes:.1f} min of processor time"
    )
    yield Figure(f"{name}, seed {seed}: ratio", ratio, LEAST, protocol=protocol)
    if trainer.game.conditioning is not None:
        asked = trainer.game.conditioning.chosen(None, SAMPLES)
        share = float((probabilities.argmax(axis=1) == asked).mean())
        yield Figure(f"{name}, seed {seed}: asked digit", share, LEAST_ASKED)
