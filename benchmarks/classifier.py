"""A small convolutional classifier, trained with minigan itself, to judge generated digits with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import minigan as mg
from minigan import nn, optim
from minigan.data import Images


@dataclass(frozen=True)
class Classifier:
    """A trained network and its accuracy on images that it was not trained on."""

    network: nn.Module
    accuracy: float

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities (N, classes) of images (N, H, W, C) in [−1, 1]."""
        return np.concatenate(
            [_predict(self.network, images[i : i + 500]) for i in range(0, len(images), 500)]
        )


def train(real: Images, held_out: Images, width: int, epochs: int, seed: int = 0) -> Classifier:
    """Two convolutions and two dense layers with dropout; Adam; images moved by up to a pixel."""
    network = nn.Sequential(
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
        nn.Dense(10),
    ).build((None, *real.shape), seed=seed)
    batch = 64
    steps = epochs * (len(real) // batch)
    adam = optim.Adam(optim.Cosine(2e-3, steps)).bind(network)
    for step in range(steps):
        epoch, slot = divmod(step, len(real) // batch)
        order = mg.random.Stream(seed, "classifier data", epoch).permutation(len(real))
        chosen = order[slot * batch : (slot + 1) * batch]
        stream = mg.random.Stream(seed, "classifier", step)
        shift = stream.integers(3, 2) - 1
        images = np.roll(real.batch(chosen), tuple(int(s) for s in shift), (1, 2))
        with mg.random.use(stream):
            scores = mg.log_softmax(network(images))
        labels = real.labels[chosen]
        loss = -scores[np.arange(batch), labels].mean()
        adam.step(mg.grad(loss, network.parameters()))
    guesses = [
        _predict(network, held_out.batch(np.arange(i, min(i + 500, len(held_out)))))
        for i in range(0, len(held_out), 500)
    ]
    accuracy = float((np.concatenate(guesses).argmax(1) == held_out.labels).mean())
    return Classifier(network, accuracy)


def _predict(network: nn.Module, images: np.ndarray) -> np.ndarray:
    with mg.no_grad(), nn.training(False):
        return mg.softmax(network(images)).numpy()
