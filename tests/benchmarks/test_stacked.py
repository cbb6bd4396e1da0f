"""The stacked command: its wiring, what it reads in the colours, its networks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.quality import stacked
from benchmarks.quality.__main__ import main
from minigan.data import Images
from minigan.nn import BatchNorm, Conv2D, Conv2DTranspose, Tanh
from minigan.random import Stream

DIGITS = Images(np.repeat(np.arange(10, dtype="uint8"), 28 * 28).reshape(10, 28, 28, 1) * 25)
"""Ten pictures, each of one grey, by which ``Reader`` knows them."""


class Reader:
    """A classifier that is right on ``DIGITS``."""

    accuracy = 1.0

    def probabilities(self, images):
        assert images.shape[1:] == (28, 28, 1)
        levels = (images[:, 0, 0, 0] + 1) / 2 * 255 / 25
        return np.eye(10)[np.clip(levels.round().astype(int), 0, 9)]


def test_a_stack_is_three_digits_at_random():
    images = stacked.stacks(DIGITS, 500, Stream(0, "x"))
    assert images.shape == (500, 28, 28, 3) and images.dtype == "float32"
    modes, divergence = stacked.judged(images, Reader())
    assert 350 < modes < 440  # 1,000·(1 − e^(−1/2)) = 393
    assert divergence == pytest.approx(np.log(1000 / 500), abs=0.4)
    assert stacked.judged(images[:1], Reader()) == (1, pytest.approx(np.log(1000)))


def test_each_colour_counts():
    """Stacks that differ in one colour alone are modes of their own."""
    one, two = (np.full((1, 28, 28, 1), 2 * 25 * digit / 255 - 1, "float32") for digit in (1, 2))
    changed = [[two, one, one], [one, two, one], [one, one, two], [one, one, one]]
    images = np.concatenate([np.concatenate(colours, axis=-1) for colours in changed])
    assert stacked.judged(images, Reader()).modes == 4


@pytest.mark.parametrize("size, most", [("quarter", 8), ("half", 16)])
def test_the_networks_are_the_published_ones_without_batch_norm_beside_r1(size, most):
    """But for the discriminator's batch norm, which goes with neither R1 nor pairs (R3GAN)."""
    trainer = stacked.trainer_for(size, 0, 10)
    judged, made = trainer.game.discriminator.layers, trainer.game.generator.layers
    assert [m.filters for m in judged if isinstance(m, Conv2D)] == [most // 4, most // 2, most]
    assert not any(isinstance(m, BatchNorm) for m in judged)
    assert judged[-1].weight.shape == (4 * 4 * most, 1)
    assert made[0].weight.shape == (256, 4 * 4 * 64)
    assert [m.filters for m in made if isinstance(m, Conv2DTranspose)] == [32, 16, 8]
    assert sum(isinstance(m, BatchNorm) for m in made) == 4
    assert isinstance(made[-2], Conv2D) and isinstance(made[-1], Tanh)
    assert trainer.sample(2).shape == (2, 28, 28, 3)


def test_the_command_trains_and_says_what_falls_short(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(stacked, "SAMPLES", 500)
    monkeypatch.setattr(stacked, "BATCH", 4)
    monkeypatch.setattr(stacked, "mnist", lambda folder, split="train": DIGITS)
    monkeypatch.setattr(stacked, "classifier_of", lambda path, folder: Reader())
    path = tmp_path / "out.json"
    asked = ["stacked", "--size", "half", "--steps", "1", "--data", "x", "--json", str(path)]
    assert main(asked) == 1
    rows = {row["name"]: row for row in json.loads(path.read_text())}
    assert rows["classifier: accuracy"]["passed"]
    assert rows["exact: modes"]["value"] > 350
    made = rows["D half of G: modes"]
    assert made["value"] >= 1 and made["least"] == 867 and not made["passed"]
    assert "1 steps of 4" in made["protocol"] and "D 4, 8, 16 channels" in made["protocol"]
    assert "seed 0: " in capsys.readouterr().err
