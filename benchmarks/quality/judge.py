"""One generator's file, judged by a classifier that minigan trains on real digits.

Of 1,000 samples it gives

    share       of the samples that the classifier takes for the rarest digit      [at least 0.03]
    confidence  mean top probability, over that on real held-out digits             [at least 0.9]
    distance    median distance to the nearest training picture, over that of the
                held-out pictures: below 1 the generator copies                     [at least 0.8]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from minigan import metrics
from minigan.data import Images, digits, load, mnist
from minigan.data.images import scaled
from minigan.gan import load_generator
from minigan.recipes import RECIPES

from . import Figure, note

SAMPLES = 1000
LIMITS = {"share": 0.03, "confidence": 0.9, "distance": 0.8}


class Judge:
    """A classifier and the real pictures that samples are compared with."""

    def __init__(
        self, real: Images, held_out: Images, width: int, steps: int, least_accuracy: float
    ) -> None:
        start = time.perf_counter()
        self.classifier = metrics.train_classifier(real, held_out, width=width, steps=steps)
        accuracy, seconds = self.classifier.accuracy, time.perf_counter() - start
        note(f"classifier: {accuracy:.2%} on {len(held_out)} held-out digits, {seconds:.0f} s")
        if accuracy < least_accuracy:
            raise SystemExit(f"the classifier is below {least_accuracy:.0%}: it can't judge")
        some = held_out.batch(np.arange(min(len(held_out), SAMPLES)))
        self.train = metrics.PIXELS.features(real.batch(slice(None)))
        self.real_confidence = self.confidence(some)
        self.real_distance = self.distance(some)
        self.protocol = f"{SAMPLES:,} samples, held out {len(held_out)} of {real.source}"

    def confidence(self, images: np.ndarray) -> float:
        """The mean over ``images`` of the highest class probability."""
        return float(self.classifier.probabilities(images).max(axis=1).mean())

    def distance(self, images: np.ndarray) -> float:
        """The median over ``images`` of the Euclidean distance to the nearest training picture."""
        return metrics.nearest_distance(real=self.train, fake=metrics.PIXELS.features(images))

    def figures(self, name: str, images: np.ndarray) -> Iterator[Figure]:
        """The three figures of ``images`` (N, H, W, C) in [−1, 1]."""
        guesses = self.classifier.probabilities(images).argmax(axis=1)
        counts = np.bincount(guesses, minlength=10)
        values = {
            "share": float(counts.min() / len(images)),
            "confidence": self.confidence(images) / self.real_confidence,
            "distance": self.distance(images) / self.real_distance,
        }
        for key, value in values.items():
            yield Figure(f"{name}: {key}", value, least=LIMITS[key], protocol=self.protocol)


def digits_judge() -> Judge:
    """A judge of the digits in the package."""
    real, held_out = digits().split(RECIPES["digits"].HELD_OUT, seed=0)
    return Judge(real, held_out, width=64, steps=2500, least_accuracy=0.97)


def mnist_judge(folder: str) -> Judge:
    """A judge of MNIST, which lies in ``folder``."""
    return Judge(load(folder), mnist(folder, "test"), width=24, steps=3700, least_accuracy=0.98)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a generator.npz")
    parser.add_argument("--data", help="a folder with the IDX files of MNIST (the digits)")


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    judge = digits_judge() if arguments.data is None else mnist_judge(arguments.data)
    generator = load_generator(arguments.file)
    images = scaled(generator.sample(SAMPLES), generator.image_range, (-1, 1))
    yield from judge.figures(arguments.file, images)
