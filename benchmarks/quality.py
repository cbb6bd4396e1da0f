"""Are the samples good? Judged by a classifier that minigan trains on real digits.

    python -m benchmarks.quality digits [--seeds 5] [--set KEY=VALUE …]   train and judge runs
    python -m benchmarks.quality judge generator.npz [--data PATH]        judge one generator

For 1,000 samples it prints, and compares with what is asked (in brackets):

    share       of the samples that the classifier takes for the rarest digit      [at least 0.03]
    confidence  mean top probability, over that on real held-out digits             [at least 0.9]
    distance    median distance to the nearest training picture, over that of the
                held-out pictures: below 1 the generator copies                     [at least 0.8]

It exits with 1 where a figure falls short, and writes them with ``--json FILE``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from minigan.data import Images, digits, load, mnist
from minigan.gan import load_generator
from minigan.recipes import RECIPES

from . import classifier

SAMPLES = 1000
LIMITS = {"share": 0.03, "confidence": 0.9, "distance": 0.8}


class Judge:
    """A classifier and the real pictures that samples are compared with."""

    def __init__(
        self, real: Images, held_out: Images, width: int, epochs: int, least_accuracy: float
    ) -> None:
        start = time.perf_counter()
        self.classifier = classifier.train(real, held_out, width, epochs)
        accuracy, seconds = self.classifier.accuracy, time.perf_counter() - start
        print(f"classifier: {accuracy:.2%} on {len(held_out)} held-out digits, {seconds:.0f} s")
        if accuracy < least_accuracy:
            raise SystemExit(f"the classifier is below {least_accuracy:.0%}: it can't judge")
        some = held_out.batch(np.arange(min(len(held_out), SAMPLES)))
        self.train = real.batch(slice(None)).reshape(len(real), -1)
        self.real_confidence = float(self.classifier.probabilities(some).max(axis=1).mean())
        self.real_distance = self.distance(some)

    def distance(self, images: np.ndarray) -> float:
        """The median over ``images`` of the Euclidean distance to the nearest training picture."""
        flat = images.reshape(len(images), -1)
        squares = np.einsum("ij,ij->i", self.train, self.train)
        nearest = [
            (squares + (x * x).sum(1, keepdims=True) - 2 * x @ self.train.T).min(axis=1)
            for x in np.array_split(flat, -(-len(flat) // 100))
        ]
        return float(np.median(np.sqrt(np.maximum(np.concatenate(nearest), 0))))

    def figures(self, images: np.ndarray) -> dict[str, float]:
        """The three figures of ``images`` (N, H, W, C) in [−1, 1]."""
        probabilities = self.classifier.probabilities(images)
        counts = np.bincount(probabilities.argmax(axis=1), minlength=10)
        return {
            "share": float(counts.min() / len(images)),
            "confidence": float(probabilities.max(axis=1).mean()) / self.real_confidence,
            "distance": self.distance(images) / self.real_distance,
        }


def digits_runs(seeds: int, changes: list[str]) -> list[dict[str, Any]]:
    """Train the digits recipe once a seed, timing the training alone, and judge the samples."""
    recipe = RECIPES["digits"]
    settings = dict(recipe.SETTINGS)
    for change in changes:
        key, _, value = change.partition("=")
        settings[key] = type(settings[key])(value)
    train = recipe.load_data(settings, None)
    held_out = digits().split(recipe.HELD_OUT, seed=0)[1]
    judge = Judge(train, held_out, width=64, epochs=60, least_accuracy=0.97)
    rows = []
    for seed in range(seeds):
        trainer = recipe.make_trainer(settings, train.shape, seed, "cpu")
        start = time.perf_counter()
        trainer.fit(train, settings["steps"], settings["batch"])
        seconds = time.perf_counter() - start
        rows.append({"seed": seed, "seconds": seconds, **judge.figures(trainer.sample(SAMPLES))})
        show(rows[-1])
    return rows


def judge_file(path: str, data: str | None) -> list[dict[str, Any]]:
    """Judge one generator against the digits in the package, or MNIST in the folder ``data``."""
    if data is None:
        train, held_out = digits().split(RECIPES["digits"].HELD_OUT, seed=0)
        judge = Judge(train, held_out, width=64, epochs=60, least_accuracy=0.97)
    else:
        train, held_out = load(data), mnist(data, "test")
        judge = Judge(train, held_out, width=24, epochs=4, least_accuracy=0.98)
    generator = load_generator(path)
    low, high = generator.image_range
    images = 2 * (generator.sample(SAMPLES) - low) / (high - low) - 1
    rows = [{"file": path, **judge.figures(images)}]
    show(rows[0])
    return rows


def show(row: dict[str, Any]) -> None:
    """One line: what was judged, and its figures, each that falls short marked."""
    parts = []
    for name, value in row.items():
        short = " (short)" if name in LIMITS and value < LIMITS[name] else ""
        parts.append(
            f"{name} {value:.3g}{short}" if isinstance(value, float) else f"{name} {value}"
        )
    print(", ".join(parts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("digits", help="train and judge the digits recipe")
    runs.add_argument("--seeds", type=int, default=5)
    runs.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    one = commands.add_parser("judge", help="judge one generator.npz")
    one.add_argument("file")
    one.add_argument("--data", help="a folder with the IDX files of MNIST")
    for command in (runs, one):
        command.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.command == "digits":
        rows = digits_runs(arguments.seeds, arguments.set)
    else:
        rows = judge_file(arguments.file, arguments.data)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    sys.exit(any(row[name] < limit for row in rows for name, limit in LIMITS.items()))


if __name__ == "__main__":
    main()
