"""``minigan evaluate`` and ``train-classifier``: how good samples are, and the judge to ask."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import metrics
from ..data import Images, digits, find_mnist, mnist
from ..data.images import scaled
from ..gan import SavedGenerator, load_generator
from ..metrics import METRICS, PIXELS, Classifier, Result, Source
from ..random import Stream
from ..recipes.digits import HELD_OUT
from .config import Config, held_out, images_of, with_images
from .folder import RunFolder
from .inspect import existing
from .recognised import RECOGNISED, recognised
from .words import ROOM, check_room, check_target, progress, unknown

CLASSIFICATION = "classification_accuracy"
"""The figure that is found only if it is asked for, as two classifiers learn for it."""
_MOST = 10_000  # samples, unless more are asked for
_BYTES = 40  # of memory that an evaluation takes, about, for each number of a sample


class _Kind(NamedTuple):
    """How large a classifier is for some data, and how long it learns."""

    width: int
    steps: int


_KINDS = {"digits": _Kind(64, 2500), "mnist": _Kind(32, 4000)}


def train_classifier(asked: argparse.Namespace) -> int:
    """Run ``minigan train-classifier``."""
    if asked.name not in _KINDS:
        raise unknown("data set", asked.name, _KINDS)
    target = Path(asked.out or f"{asked.name}-classifier.npz")
    check_target("out", target)
    classifier = _trained(asked.name, *_sets(asked.name, asked.data), asked.seed, asked.quiet)
    metrics.save_classifier(classifier, target)
    print(target)
    return 0


def _sets(name: str, path: str | None) -> tuple[Images, Images]:
    """The images to learn from, and those held out."""
    if name == "mnist":
        folder = path or find_mnist()
        return mnist(folder), mnist(folder, "test")
    if path is not None:
        raise ValueError("data: the digits are in the package; leave --data out, or name mnist")
    return digits().split(HELD_OUT, seed=0)


def _trained(name: str, real: Images, held_out: Images, seed: int, quiet: bool) -> Classifier:
    kind = _KINDS[name]
    made = metrics.train_classifier(
        real,
        held_out,
        width=kind.width,
        steps=kind.steps,
        seed=seed,
        progress=None if quiet else lambda steps: progress(steps, "step"),
    )
    if not quiet:
        _note(f"{name}: right on {made.accuracy:.2%} of {len(held_out):,} held-out images")
    return made


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def evaluate(asked: argparse.Namespace) -> int:
    """Run ``minigan evaluate``."""
    folder = RunFolder(existing(asked.source))
    if not folder.path.is_dir():
        raise ValueError(f"RUN: got the file {asked.source!r}, wanted the folder of a run")
    config = folder.read_config()
    if asked.best and folder.read_best() is None:
        raise ValueError(f"best: the run in {folder.path} kept none; train with --best METRIC")
    saved = load_generator(folder / ("best.npz" if asked.best else "generator.npz"))
    names = _known(asked.metrics)
    real = images_of(config, asked.data, asked.quiet)
    if asked.data is None:
        with_images(config, real)
    others = held_out(config, real, asked.data)
    real = _once(real)
    if CLASSIFICATION in names:
        _check_labelled(saved, real)
    source = _source(asked, config, real, names)
    each = math.prod(real.shape) * _BYTES
    count = asked.count or min(_MOST, ROOM // each, len(real if others is None else others))
    check_room(f"-n: {count:,} samples", count * each, "judge fewer")
    if not asked.quiet:
        _note(f"drawing {count:,} samples, and comparing them with real images")
    fake = _fakes(saved, count, asked.seed)
    seen, others = some(real, count), None if others is None else some(others, count)
    chosen = [n for n in names if n in METRICS] if names else _possible(source)
    results: list[Result] = []
    if chosen:
        results += metrics.evaluate(
            real=seen.batch(slice(None)),
            fake=fake,
            held_out=None if others is None else others.batch(slice(None)),
            source=source,
            metrics=chosen,
            progress=None if asked.quiet else lambda names: progress(names, "metric"),
        )
    if not names or set(names) & set(RECOGNISED):
        shown = seen if others is None else others
        split = "real, trained on" if others is None else "real, held out"
        found = list(recognised(folder, saved, source, fake, shown, asked.seed, split))
        _check_has(names, [result.metric for result in found])
        results += [result for result in found if not names or result.metric in names]
    if CLASSIFICATION in names:
        results.append(_classification(saved, fake, seen, others, asked))
    print(_as_json(results) if asked.json else "\n".join(_table(results)))
    return 0


def _once(images: Images) -> Images:
    """Each picture once, with its label, where a recipe repeats those that have one."""
    if images.labels is None or (images.labels >= 0).all():
        return images
    order = np.argsort(images.labels < 0, kind="stable")
    first = {images.pixels[i].tobytes(): i for i in reversed(order)}
    return images.take(np.sort([*first.values()]))


def _known(text: str | None) -> list[str]:
    names = [] if text is None else text.split(",")
    for name in names:
        if name not in METRICS and name not in (*RECOGNISED, CLASSIFICATION):
            raise unknown("metric", name, [*METRICS, *RECOGNISED, CLASSIFICATION])
    return names


def _check_has(names: Sequence[str], found: Sequence[str]) -> None:
    """Raise if the run has nothing to say of a figure that was asked for."""
    for name in names:
        if name in RECOGNISED and name not in found:
            raise ValueError(
                f"metrics: this run has no {name}: asked_class and class_of_code are for runs with "
                "labels or codes and want --classifier FILE, named_class is for discriminators "
                "with class logits and wants images with labels"
            )


def _check_labelled(saved: SavedGenerator, real: Images) -> None:
    if saved.conditioning is None or real.labels is None:
        raise ValueError(
            f"metrics: this run has no {CLASSIFICATION}: it is for runs with labels, and wants "
            "real images with labels"
        )


def _classification(
    saved: Any,
    fake: Any,
    real: Images,
    held_out: Images | None,
    asked: argparse.Namespace,
) -> Result:
    """How much a classifier learns from the samples, and from as many real images."""
    if held_out is None:  # then one half of the real images learns for the other
        fake = fake[: len(real) // 2]
    labels = saved.conditioning.chosen(None, len(fake))
    samples = Images(fake.clip(-1, 1).astype("float32"), labels, value_range=(-1, 1))
    kind = _KINDS["digits" if real.shape == (8, 8, 1) else "mnist"]

    def train(images: Images) -> Any:
        if not asked.quiet:
            what = "samples" if images is samples else "real images"
            _note(f"a classifier learns from {len(images):,} {what}")
        return metrics.train_classifier(
            images,
            known,
            width=kind.width,
            steps=kind.steps,
            batch=min(64, len(images)),
            seed=asked.seed,
            progress=None if asked.quiet else lambda steps: progress(steps, "step"),
        ).probabilities

    known, place = (real, None) if held_out is None else (held_out, real)
    return metrics.evaluate_classification(real=known, fake=samples, train=train, held_out=place)


def _possible(source: Source) -> list[str]:
    """All metrics that the source allows, and those of the images themselves."""
    classes = source.probabilities is not None
    return [n for n, metric in METRICS.items() if classes or metric.sees != "probabilities"]


def some(images: Images, count: int) -> Images:
    """Up to ``count`` images, drawn at random but always the same."""
    return images.take(Stream(0, "evaluation").permutation(len(images))[:count])


def _fakes(saved: SavedGenerator, count: int, seed: int) -> Any:
    return scaled(saved.sample(count, seed), saved.image_range, (-1, 1))


def _source(
    asked: argparse.Namespace, config: Config, real: Images, names: Sequence[str]
) -> Source:
    """The classifier that is given, one of digits if that is the data, or the pixels."""
    if asked.classifier is not None:
        return classifier_of(asked.classifier, real.shape)
    if names and all(
        n in METRICS and METRICS[n].sees == "images" or n == CLASSIFICATION for n in names
    ):
        return PIXELS
    if config.recipe == "digits" and not (asked.data or config.data):
        if not asked.quiet:
            _note("training a classifier of digits (--classifier FILE takes one that is kept)")
        return _trained("digits", *_sets("digits", None), 0, asked.quiet)
    if not asked.quiet:
        _note("features are the pixels: --classifier FILE gives those of a trained classifier")
    return PIXELS


def classifier_of(path: str, shape: tuple[int, ...]) -> Classifier:
    """The classifier in that file. Raises ``ValueError`` if it takes images of another shape."""
    classifier = metrics.load_classifier(path)
    if classifier.shape != shape:
        raise ValueError(
            f"classifier: {path} takes images of {classifier.shape}, but the run is of {shape}"
        )
    return classifier


def _as_json(results: Sequence[Result]) -> str:
    """JSON has no NaN: what is not a number there is null."""
    rows = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in result._asdict().items()
        }
        for result in results
    ]
    return json.dumps(rows, indent=1)


def _table(results: Sequence[Result]) -> list[str]:
    lines = [
        ("metric", "value", "real to real", "better", "samples", "split", "features", "protocol")
    ]
    for r in results:
        sizes = " ".join(dict.fromkeys(f"{a:,}:{b:,}" for a, b in (r.samples, r.real_samples)))
        value = f"{r.value:.4g}" + ("" if math.isnan(r.error) else f" ± {r.error:.2g}")
        real_value = f"{r.real_value:.4g}"
        lines.append((r.metric, value, real_value, r.better, sizes, r.split, r.source, r.protocol))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
