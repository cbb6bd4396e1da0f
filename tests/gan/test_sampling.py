"""Samples: a function of the weights and the seed, and of nothing else."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from games import SHAPE, pictures, trainer

import minigan as mg
from minigan import workers
from minigan.gan import sample
from minigan.nn import training
from minigan.random import Stream


@pytest.fixture(scope="module")
def run():
    """Trained a little, with batch norm and dropout, which mix a batch if they are let."""
    run = trainer(norm=True, drop=0.3)
    run.fit(pictures(), 5, 8)
    return run


@pytest.mark.parametrize("count", [1, 5, 63, 64, 65, 70])
def test_the_first_images_are_the_same_whatever_the_count(run, count):
    many = run.sample(130, seed=3)
    assert many.shape == (130, *SHAPE) and many.dtype == np.float32
    assert run.sample(count, seed=3).tobytes() == many[:count].tobytes()


def test_no_two_images_are_alike(run):
    many = run.sample(130).reshape(130, -1)
    assert len(np.unique(many, axis=0)) == 130


def test_seeds_differ_in_every_image(run):
    first, second = run.sample(70, seed=0), run.sample(70, seed=1)
    assert (first != second).any(axis=(1, 2, 3)).all()


def test_the_training_mode_does_not_matter(run):
    expected = run.sample(5).tobytes()
    generator = run.game.generator
    for mode in (True, False):
        generator.train(mode)
        assert run.sample(5).tobytes() == expected
        with training(mode):
            assert run.sample(5).tobytes() == expected
    generator.train()
    assert all(module.training for _, module in generator.named_modules())


def test_an_image_does_not_depend_on_its_batch_mates(run):
    # Made alone, in evaluation mode, it is the same but for rounding.
    noise = run.game.latent.draw(64, Stream(2, "sampling", 0))
    images = run.sample(64, seed=2)
    for i in (0, 17, 63):
        with training(False):
            alone = run.game.generator(noise[i : i + 1]).numpy()
        assert np.abs(alone[0] - images[i]).max() < 1e-6


def test_a_samplers_images_are_the_callers_own(run):
    first = run.sample(5)
    expected = first.tobytes()
    second = run.sample(5)
    second[...] = 0
    assert first.tobytes() == expected == run.sample(5).tobytes()


def test_the_trainer_samples_as_the_function_does(run):
    assert run.sampler is run.game.generator
    alone = sample(run.game.generator, run.game.latent, 5, seed=4)
    assert alone.tobytes() == run.sample(5, seed=4).tobytes()


def test_a_float64_generator_gives_float64_images():
    assert trainer(dtype="float64").sample(2).dtype == np.float64


def test_bad_counts_are_named(run):
    with pytest.raises(ValueError, match="count: got 0, wanted a whole number of at least 1"):
        run.sample(0)
    with pytest.raises(ValueError, match="condition: got 2 rows, wanted 3"):
        run.sample(3, condition=np.zeros((2, 1)))
    with pytest.raises(ValueError, match="seed"):
        run.sample(3, seed=-1)


def test_several_threads_make_the_same_images_each_group_once(run, monkeypatch):
    alone, threads = run.sample(500, seed=4).tobytes(), set()
    forward = type(run.game.generator).forward

    def noted(self, *inputs):
        threads.add(threading.get_ident())
        time.sleep(0.01)  # so that another thread comes along
        return forward(self, *inputs)

    monkeypatch.setattr(type(run.game.generator), "forward", noted)
    monkeypatch.setattr(workers, "SMALLEST", 1)
    with mg.config(threads=3):
        assert run.sample(500, seed=4).tobytes() == alone
    assert len(threads) > 1
    threads.clear()
    with mg.config(threads=1):
        assert run.sample(500, seed=4).tobytes() == alone
    assert threads == {threading.get_ident()}


def test_a_small_generator_has_one_thread(run, monkeypatch):
    asked = []
    monkeypatch.setattr(workers, "results", lambda f, items, size: asked.append(size) or [])
    sample(run.game.generator, run.game.latent, 64)
    parameters = sum(p.size for p in run.game.generator.parameters())
    assert asked == [parameters * 64 // 16] and asked[0] < workers.SMALLEST
