"""A classifier of images, trained by minigan: the features and the judge for data of its kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import nn, optim
from ..arguments import whole
from ..autograd import grad
from ..backend import to_device
from ..buffers import Buffers
from ..data import Images
from ..files import FileError
from ..ops import log_softmax, softmax
from ..random import Stream, use
from ..tensor import no_grad
from .checks import Array, labels_of

_AT_A_TIME = 500
_TAIL = 2  # layers after the features: dropout and the dense layer to the classes

Progress = Callable[[Iterable[int]], Iterable[int]]


class Classifier(NamedTuple):
    """A trained network, with its accuracy on images that it was not trained on.

    It takes images (N, H, W, C) in [−1, 1], and serves :func:`minigan.metrics.evaluate` as a
    source of features and of probabilities.
    """

    network: nn.Sequential
    accuracy: float
    data: str

    @property
    def name(self) -> str:
        """What results say about where their features are from."""
        return f"classifier of {self.data} ({self.accuracy:.2%})"

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) of the images that it takes."""
        (found,) = self.network._shapes or ((),)
        return tuple(size or 0 for size in found[1:])

    def probabilities(self, images: Array) -> Array:
        """Class probabilities (N, classes)."""
        return self._through(lambda x: softmax(self.network(x)), images)

    def features(self, images: Array) -> Array:
        """What the last layer sees (N, D): activations after the ReLU before it."""
        body = nn.Sequential(*self.network.layers[:-_TAIL])
        return self._through(body, images)

    def _through(self, function: Callable[[Array], Any], images: Array) -> Array:
        like = self.network.parameters()[0]
        chunks = (images[i : i + _AT_A_TIME] for i in range(0, len(images), _AT_A_TIME))
        with no_grad(), nn.training(False):
            parts = [
                function(to_device(x.astype(like.dtype, copy=False), like.device)).numpy()
                for x in chunks
            ]
        return np.concatenate(parts)


def train_classifier(
    real: Images,
    held_out: Images,
    *,
    width: int = 32,
    steps: int = 4000,
    batch: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> Classifier:
    """Learn the labels of ``real`` and measure the share that is right of ``held_out``'s.

    Two convolutions of ``width`` and twice as many channels, each with pooling, and two dense
    layers with dropout; Adam, its rate falling as half a cosine from 2e-3; a batch is rolled by
    up to a pixel each way. ``progress`` wraps the steps, as ``tqdm.tqdm`` does.
    """
    labels, wanted = labels_of("real", real), labels_of("held_out", held_out)
    if real.shape != held_out.shape:
        raise ValueError(f"held_out: got images of {held_out.shape}, wanted {real.shape} as real's")
    whole("width", width)
    whole("steps", steps)
    whole("batch", batch, 1, len(real))
    network = _network(width, 1 + int(max(labels.max(), wanted.max()))).build(
        (None, *real.shape), seed=seed
    )
    with Buffers().in_use():
        _learn(network, real, labels, steps, batch, seed, progress)
    network.eval()
    guesses = Classifier(network, 0.0, "").probabilities(held_out.batch(slice(None))).argmax(1)
    return Classifier(network, float((guesses == wanted).mean()), real.source or "images")


def _learn(
    network: nn.Module,
    real: Images,
    labels: Array,
    steps: int,
    batch: int,
    seed: int,
    progress: Progress | None,
) -> None:
    adam = optim.Adam(optim.Cosine(2e-3, steps)).bind(network)
    slots, order = len(real) // batch, np.empty(0, np.int64)
    for step in range(steps) if progress is None else progress(range(steps)):
        epoch, slot = divmod(step, slots)
        if slot == 0:
            order = Stream(seed, "classifier data", epoch).permutation(len(real))
        chosen = order[slot * batch : (slot + 1) * batch]
        stream = Stream(seed, "classifier", step)
        shift = stream.integers(3, 2) - 1
        images = np.roll(real.batch(chosen), tuple(int(s) for s in shift), (1, 2))
        with use(stream):
            scores = log_softmax(network(images))
        loss = -scores[np.arange(batch), labels[chosen]].mean()
        adam.step(grad(loss, network.parameters()))


def _network(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2D(width, 3, 1, "same", init="he_normal"),
        nn.ReLU(),
        nn.MaxPooling2D(2),
        nn.Conv2D(2 * width, 3, 1, "same", init="he_normal"),
        nn.ReLU(),
        nn.MaxPooling2D(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Dense(4 * width, init="he_normal"),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Dense(classes),
    )


def save_classifier(classifier: Classifier, path: str | os.PathLike[str]) -> None:
    """Write a classifier that ``load_classifier`` can use without knowing where it was trained."""
    about = {"accuracy": classifier.accuracy, "data": classifier.data}
    nn.save(classifier.network, path, {"classifier": about})


def load_classifier(path: str | os.PathLike[str]) -> Classifier:
    """Read what ``save_classifier`` wrote. Raises ``FileError`` for any other file."""
    notes = nn.read_notes(path)
    try:
        about = notes["classifier"]
        accuracy, data = float(about["accuracy"]), str(about["data"])
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{path}: holds no classifier (its header names no accuracy)") from None
    network = nn.load(path)
    if not isinstance(network, nn.Sequential) or len(network) <= _TAIL:
        raise FileError(f"{path}: holds no classifier, but {type(network).__name__}")
    return Classifier(network, accuracy, data)
