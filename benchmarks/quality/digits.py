"""The digits recipe, trained once a seed, and its samples judged as ``judge`` does."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from minigan.recipes import RECIPES

from . import Figure
from .judge import SAMPLES, digits_judge


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")


def run(arguments: argparse.Namespace) -> Iterator[Figure]:
    recipe = RECIPES["digits"]
    settings = dict(recipe.SETTINGS)
    for change in arguments.set:
        key, _, value = change.partition("=")
        settings[key] = type(settings[key])(value)
    real = recipe.load_data(settings, None)
    judge = digits_judge()
    for seed in range(arguments.seeds):
        trainer = recipe.make_trainer(settings, real.shape, seed, "cpu")
        start = time.perf_counter()
        trainer.fit(real, settings["steps"], settings["batch"])
        yield Figure(f"seed {seed}: seconds of training", time.perf_counter() - start)
        yield from judge.figures(f"seed {seed}", trainer.sample(SAMPLES))
