"""Figures of classes that only some runs have: what was asked for, named, or found unasked.

They are ``minigan evaluate``'s, beside the metrics that every generator has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from .. import nn
from ..data import Images
from ..gan import Codes, Heads, SavedGenerator
from ..gan.heads import MODULES
from ..gan.sampling import noise
from ..metrics import Result, Source
from ..tensor import no_grad
from .folder import RunFolder

RECOGNISED = ("asked_class", "class_of_code", "named_class")
_AT_A_TIME = 500


def recognised(
    folder: RunFolder,
    saved: SavedGenerator,
    source: Source,
    fake: Any,
    real: Images,
    seed: int,
    split: str,
) -> Iterator[Result]:
    """All that the run has; ``fake`` are samples of that ``seed``, ``real`` images of ``split``."""
    _result = partial(_figure, split)
    count, probabilities = len(fake), source.probabilities
    known = np.zeros(len(real), bool) if real.labels is None else real.labels >= 0
    images = real.batch(np.flatnonzero(known))
    labels = None if real.labels is None else real.labels[known]
    if saved.conditioning is not None and probabilities is not None:
        value = _share(probabilities(fake), saved.conditioning.chosen(None, count))
        real_value = _share(probabilities(images), labels) if len(images) else math.nan
        yield _result("asked_class", value, real_value, count, len(images), source.name)
    if isinstance(saved.latent, Codes) and saved.latent.categorical and probabilities is not None:
        first = noise(saved.latent, count, seed)[:, saved.latent.noise :]
        codes = first[:, : saved.latent.categorical[0]].argmax(1)
        value = purity(codes, probabilities(fake).argmax(1))
        # Codes that are the classes themselves score what the classifier makes of real images.
        found = probabilities(images).argmax(1) if len(images) else None
        real_value = math.nan if found is None else purity(labels, found)
        yield _result("class_of_code", value, real_value, count, len(images), source.name)
    judge = nn.load(folder / "discriminator.npz", custom=MODULES)
    if isinstance(judge, Heads) and judge.class_logits is not None and len(images):
        low, high = saved.image_range
        value = _share(_class_logits(judge, low + (high - low) * (images + 1) / 2), labels)
        # It is of real images: there are no others to compare them with.
        yield _result("named_class", value, math.nan, 0, len(images), "the run's discriminator")


def purity(codes: Any, classes: Any) -> float:
    """The share of samples whose class is the most frequent one of their code (the same code)."""
    table = np.zeros((codes.max() + 1, classes.max() + 1), np.int64)
    np.add.at(table, (codes, classes), 1)
    return float(table.max(axis=1).sum() / len(codes))


def _share(scores: Any, labels: Any) -> float:
    return float((scores.argmax(1) == labels).mean())


def _class_logits(judge: Heads, images: Any) -> Any:
    images = images.astype(judge.parameters()[0].dtype)
    with no_grad(), nn.training(False):
        starts = range(0, len(images), _AT_A_TIME)
        outputs = [judge(images[i : i + _AT_A_TIME]).class_logits for i in starts]
    return np.concatenate([logits.numpy() for logits in outputs if logits is not None])


def _figure(
    split: str, name: str, value: float, real_value: float, fakes: int, reals: int, source: str
) -> Result:
    sizes = (reals, fakes)
    return Result(
        name, value, real_value, math.nan, 1, sizes, sizes, split, source, "top class",
        "higher",
    )  # fmt: skip
