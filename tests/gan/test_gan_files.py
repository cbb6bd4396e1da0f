"""A generator in a file: it samples the same bits without knowing where it was trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from games import LATENT, networks, pictures, trainer

from minigan import nn
from minigan.files import FileError, read_header, save_arrays
from minigan.gan import Codes, Labels, Normal, Uniform, load_generator, save_generator


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("average", [None, 0.9])
def test_a_loaded_generator_samples_the_trainers_bits(tmp_path, dtype, average):
    run = trainer(norm=True, drop=0.3, dtype=dtype, average=average)
    run.fit(pictures(), 3, 8)
    path = tmp_path / "generator.npz"
    save_generator(run.sampler, run.game.latent, run.image_range, path)
    loaded = load_generator(path)
    assert loaded.latent == Normal(LATENT)
    assert loaded.image_range == (-1.0, 1.0)
    assert loaded.sample(70, seed=2).tobytes() == run.sample(70, seed=2).tobytes()


@pytest.mark.parametrize("latent", [Normal(LATENT), Uniform(LATENT), Uniform(LATENT, 0.5, 2.0)])
def test_the_latent_comes_back_with_its_settings(tmp_path, latent):
    path = tmp_path / "generator.npz"
    generator = networks()[0].build((None, LATENT), seed=0)
    save_generator(generator, latent, (0, 1), path)
    assert load_generator(path).latent == latent
    assert load_generator(path).image_range == (0.0, 1.0)


def test_a_latent_of_ones_own_is_refused_before_anything_is_written(tmp_path):
    @dataclass
    class Mine:
        size: int = LATENT

    generator = networks()[0].build((None, LATENT), seed=0)
    with pytest.raises(TypeError, match="latent: only Normal, Uniform, Codes can be saved"):
        save_generator(generator, Mine(), (0, 1), tmp_path / "generator.npz")
    assert not list(tmp_path.iterdir())


def test_a_network_of_ones_own_comes_back_if_it_is_named(tmp_path):
    class Twice(nn.Module):
        def forward(self, x):
            return x * 2

    path = tmp_path / "generator.npz"
    generator = nn.Sequential(networks()[0], Twice()).build((None, LATENT), seed=0)
    save_generator(generator, Normal(LATENT), (-2, 2), path)
    with pytest.raises(FileError, match="'Twice' is not one of minigan's"):
        load_generator(path)
    assert load_generator(path, {"Twice": Twice}).image_range == (-2.0, 2.0)


def test_other_files_are_refused(tmp_path):
    module, state = tmp_path / "module.npz", tmp_path / "state.npz"
    run = trainer()
    nn.save(run.game.generator, module)
    run.save(state)
    for path in (module, state):
        with pytest.raises(FileError, match=f"{path.name}: holds no generator"):
            load_generator(path)


@pytest.mark.parametrize(
    "notes",
    [
        {"latent": ["Poisson", {"size": 3}], "image_range": [0, 1]},
        {"latent": ["Normal", {"width": 3}], "image_range": [0, 1]},
        {"latent": ["Normal", {"size": 3}], "image_range": [0]},
        {"latent": ["Normal", {"size": 3}], "image_range": ["low", "high"]},
        {"latent": 7, "image_range": [0, 1]},
        {"latent": ["Normal", {"size": 3}]},
    ],
    ids=lambda notes: str(list(notes.values())),
)
def test_altered_notes_are_refused(tmp_path, notes):
    path = tmp_path / "generator.npz"
    generator = networks()[0].build((None, LATENT), seed=0)
    save_generator(generator, Normal(LATENT), (0, 1), path)
    header = read_header(path)[0]
    save_arrays(path, generator.state_dict(), {**header, "notes": notes})
    with pytest.raises(FileError, match="generator.npz"):
        load_generator(path)


def test_a_cut_or_altered_file_is_refused(tmp_path):
    path = tmp_path / "generator.npz"
    generator = networks()[0].build((None, LATENT), seed=0)
    save_generator(generator, Normal(LATENT), (0, 1), path)
    data = path.read_bytes()
    weight = generator[2].weight.numpy().tobytes()
    at = data.index(weight) + 5
    altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    for damaged in (data[: len(data) // 2], altered, b""):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match="generator.npz"):
            load_generator(path)


def test_images_of_a_loaded_generator_are_in_its_range(tmp_path):
    path = tmp_path / "generator.npz"
    run = trainer()
    save_generator(run.sampler, run.game.latent, run.image_range, path)
    images = load_generator(path).sample(10)
    assert np.abs(images).max() <= 1


@pytest.mark.parametrize("of", [lambda n: Normal(n), lambda n: Uniform(n), lambda n: Codes(n, [n])])
def test_numpys_whole_numbers_are_whole_numbers(tmp_path, of):
    latent, labels = of(np.int64(2)), Labels(np.int64(5))
    generator = nn.Dense(2).build((None, latent.size), seed=0)
    save_generator(generator, latent, (-1, 1), tmp_path / "g.npz", labels)
    saved = load_generator(tmp_path / "g.npz")
    assert (saved.latent, saved.conditioning) == (of(2), Labels(5))
