"""semi-supervised: a classifier from a hundred labels and 60,000 images (Salimans et al., 2016)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..data import Images
from ..gan import Classification, FeatureMatching, Game, Heads, Normal, Trainer
from ..nn import Dense, Dropout, LeakyReLU, Sequential
from ..optim import Adam
from ..random import Stream
from .dcgan_mnist import held_out as held_out
from .dcgan_mnist import load_data as load_all
from .networks import body, class_count, generator, scaled

SETTINGS: dict[str, Any] = {
    "steps": 3000,
    "batch": 100,
    "width": 0.5,  # 1 is DCGAN's
    "classes": 10,
    "labels": 100,  # images whose digit is told, as many of each
    "lr": 3e-4,
    "beta1": 0.5,
    "average": 0.99,
}


def load_data(settings: dict[str, Any], path: str | None) -> Images:
    """The images without their labels (−1), and ``labels`` of them again with theirs.

    These are repeated until a tenth of all images have one, so that every batch has some.
    """
    images = load_all(settings, path)
    if images.labels is None:
        raise ValueError(
            "data: semi-supervised needs images with labels, got none: give a folder with one "
            "sub-folder to a class, or an .npz file with images and labels"
        )
    classes, digits = class_count(settings), images.labels
    each = settings["labels"] // classes
    if each < 1:
        raise ValueError(f"labels: got {settings['labels']}, wanted at least {classes}")
    found = np.unique(digits[digits >= 0]).tolist()
    if found != list(range(classes)):
        raise ValueError(
            f"classes: got {classes}, but the data's labels are {found}: add --set classes="
            f"{found[-1] + 1}, and images of those that are missing, if any"
        )
    order = Stream(0, "labels").permutation(len(images))
    known = np.concatenate([order[digits[order] == k][:each] for k in range(classes)])
    again = np.resize(known, max(len(known), len(images) // 9))
    everything = images.take(np.concatenate([np.arange(len(images)), again]))
    labels = np.concatenate([np.full(len(images), -1), digits[again]])
    parts = f"{len(images):,} without labels, {len(known):,} of them again with theirs, repeated "
    source = f"{images.source}: {parts}to {len(again):,}"
    return dataclasses.replace(everything, labels=labels, source=source)


def make_trainer(
    settings: dict[str, Any], shape: tuple[int, int, int], seed: int, device: str
) -> Trainer:
    """The classes and one for fakes; the generator matches features."""
    features = Sequential(
        *body(scaled(settings["width"], 64, 128)), Dropout(0.5), Dense(128), LeakyReLU(0.2)
    )
    game = Game(
        generator(shape, scaled(settings["width"], 256, 128)),
        Heads(features, class_logits=Dense(class_count(settings))),
        FeatureMatching(),
        Normal(100),
        cures=[Classification(fake=0, generator_weight=0)],
    )
    adam = Adam(settings["lr"], beta1=settings["beta1"])
    return Trainer(game, seed=seed, optimizers=adam, average=settings["average"], device=device)
