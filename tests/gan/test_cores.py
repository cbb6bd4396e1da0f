"""Whose threads multiply: ours alone in large networks with convolutions."""

from __future__ import annotations

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.gan import Game, Normal, Trainer, cores
from minigan.gan.cores import own_threads
from minigan.kernels import blas

SIDE, LATENT = 8, 100


def run(convolves: bool, units: int = 64 * 40) -> Trainer:
    """A game of networks with some 250,000 weights, and a convolution if asked for."""
    shape = (SIDE, SIDE, units // SIDE**2)
    last = nn.Conv2D(1, 3, 1, "same") if convolves else nn.Dense(1)
    generator = nn.Sequential(nn.Dense(units), nn.Reshape(*shape), last, nn.Tanh())
    discriminator = nn.Sequential(nn.Flatten(), nn.Dense(8), nn.LeakyReLU(0.2), nn.Dense(1))
    return Trainer(Game(generator, discriminator, latent=Normal(LATENT)), doctor=False)


@pytest.fixture
def said(monkeypatch):
    """What every product of matrices was told."""
    found, matmul = [], blas.matmul

    def noted(*operands):
        found.append(blas.is_shared())
        return matmul(*operands)

    monkeypatch.setattr(blas, "matmul", noted)
    return found


def pictures(count):
    return np.zeros((count, SIDE, SIDE, 1), "float32")


@pytest.mark.parametrize(
    ("convolves", "images", "shared"), [(True, 256, False), (True, 16, True), (False, 256, True)]
)
def test_blas_shares_no_product_of_a_large_step_with_convolutions(convolves, images, shared, said):
    trainer = run(convolves)
    trainer.step(pictures(images))
    said.clear()  # it also made an image to learn the shape
    trainer.step(pictures(images))
    assert set(said) == {shared}


def test_a_parameter_of_three_axes_is_no_convolution():
    layer = nn.MinibatchDiscrimination(64, 16).build((None, 1024), seed=0)
    assert any(p.ndim == 3 for p in layer.parameters())
    with own_threads(layer.parameters(), 1024):
        assert blas.is_shared()


def test_huge_convolutions_are_left_to_blas(monkeypatch):
    weights = nn.Conv2D(64, 5).build((None, 8, 8, 64), seed=0).parameters()
    size = max(p.size for p in weights)
    for most, shared in ((size, False), (size - 1, True)):
        monkeypatch.setattr(cores, "MOST", most)
        with own_threads(weights, 1024):
            assert blas.is_shared() == shared


def test_what_the_user_says_comes_first(said):
    for told in (True, False):
        with mg.config(blas_threads=told):
            run(True).step(pictures(256 if told else 4))
        assert set(said) == {told}
        said.clear()
        with mg.config(blas_threads=told):
            run(True, 64 * 100 if told else 64).sample(1)
        assert set(said) == {told}
        said.clear()


def test_samples_of_a_large_network_are_made_so_too(said):
    small, large = run(True), run(True, 64 * 100)
    for trainer, shared in ((small, True), (large, False)):
        trainer.game.build(0)
        said.clear()
        trainer.sample(100)
        assert set(said) == {shared}


def test_it_holds_for_the_step_alone():
    trainer = run(True)
    trainer.step(pictures(256))
    assert blas.shared.get() is None


def test_a_run_goes_on_with_the_same_bits():
    first = run(True)
    first.fit(pictures(256), 2, 256)
    saved = first.state()
    second = run(True)
    second.load_state(saved)
    for trainer in (first, second):
        trainer.fit(pictures(256), 1, 256)
    assert {n: a.tobytes() for n, a in first.state().items()} == {
        n: a.tobytes() for n, a in second.state().items()
    }
