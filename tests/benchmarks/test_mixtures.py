"""The ring and grid commands: their wiring, the recipe's schedules, the spread of exact points."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.quality import grid, means, mixtures, published, ring
from benchmarks.quality.__main__ import main
from minigan.data.mixtures import Mixture
from minigan.gan import R1
from minigan.random import Stream

COMMANDS = {"ring": ring, "grid": grid}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_trains_and_says_what_falls_short(name, capsys, tmp_path):
    path = tmp_path / "out.json"
    few = ["--steps", "2", "--seeds", "2", "--plain", "ours", "pacgan", "unrolled"]
    assert main([name, *few, "--json", str(path)]) == 1
    shown = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(path.read_text())}
    assert len(shown.out.splitlines()) == len(rows) == 21
    assert len(shown.err.splitlines()) == 5  # three plain GANs, and two seeds
    assert all(
        rows[f"{name}, {what}"]["passed"] for what in ("modes", "high quality", "reverse KL")
    )
    high = rows[f"{name}, minigan: high quality"]
    assert high["least"] == COMMANDS[name].TASK.least_quality and not high["passed"]
    assert (
        "seeds 0 to 1" in high["protocol"] and "2 steps of 256; z N(0, I₂); G" in high["protocol"]
    )
    assert rows[f"{name}, plain GAN: modes"]["published"].startswith("GAN")
    other = rows[f"{name}, plain GAN of PacGAN's nets: modes"]
    assert "2 steps of 100; z N(0, I₂)" in other["protocol"]
    assert other["published"] == {"ring": "GAN 6.3±0.5", "grid": "GAN 17.3±0.8"}[name]
    assert not rows[f"{name}, plain GAN of Unrolled GAN's nets: modes"]["published"]


@pytest.mark.parametrize("module", COMMANDS.values())
def test_an_exact_sampler_is_within_all_bounds(module):
    task = module.TASK
    rows = [mixtures.judged(task.mixture.sample(2500, seed), task.mixture) for seed in range(10)]
    found = list(means("exact", rows, "", task.bounds, task.cured))
    assert [figure.passed for figure in found] == [True] * 4, [str(figure) for figure in found]
    assert found[3].value == pytest.approx(0.974, abs=0.01)


def test_the_spread_is_of_the_deviation_within_modes():
    mixture = Mixture(np.array([[0.0, 0.0], [100.0, 0.0]]), 2.0)
    around = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    points = np.concatenate([around, [100, 0] + 2 * around, [[50.0, 0.0]]])  # the last in neither
    deviation = math.sqrt(4 / 3)
    assert mixtures.spread(points, mixture) == pytest.approx((deviation / 2 + deviation) / 2)
    assert math.isnan(mixtures.spread(points[-1:], mixture))


def test_points_come_in_the_networks_scale():
    (low, high), scale = (-1.2, 1.2), grid.TASK.scale
    points = next(mixtures.batches(grid.TASK, seed=3))
    assert scale == 0.25 and ring.TASK.scale == 1
    assert points.shape == (256, 1, 1, 2) and points.dtype == "float32"
    assert low < points.min() < -0.9 and 0.9 < points.max() < high
    again = grid.TASK.mixture.sample(256, Stream(3, "mixture")).reshape(points.shape)
    np.testing.assert_array_equal(points, again * np.float32(scale))


def test_published_nets_see_the_plane_as_it_is():
    for method, size in ((mixtures.PLAIN["pacgan"], 100), (mixtures.PLAIN["unrolled"], 512)):
        points = next(mixtures.batches(grid.TASK, 3, method))
        assert points.shape == (size, 1, 1, 2) and 4 < abs(points).max() < 4.8


def test_published_nets_are_the_papers():
    made, judged = (
        {name: p.shape for name, p in network.named_parameters().items() if "weight" in name}
        for network in (published.pacgan(0).game.generator, published.pacgan(0).game.discriminator)
    )
    assert list(made.values()) == [(2, 400), (400, 400), (400, 400), (400, 400), (400, 2)]
    assert list(judged.values()) == [(2, 1000), (200, 1000), (200, 1000), (200, 1)]
    game = published.unrolled(0).game
    shapes = [p.shape for p in game.generator.parameters() if p.ndim == 2]
    assert shapes == [(256, 128), (128, 128), (128, 2)]
    weight = next(p.numpy() for p in game.generator.parameters() if p.shape == (128, 128))
    np.testing.assert_allclose(weight @ weight.T, 1.4**2 * np.eye(128), atol=1e-5)


def test_noise_and_rate_fall_as_stated():
    falling = mixtures.Falling(0.4, 0.1, 100, 2.0)
    assert [falling.std(step) for step in (0, 50, 100, 500)] == pytest.approx([0.4, 0.2, 0.1, 0.1])
    rate = mixtures.HeldThenFalling(1.0, 0.01, 100, held=0.5)
    assert [rate(step) for step in (0, 50, 75, 100)] == pytest.approx([1, 1, 0.1, 0.01])


def test_the_cure_is_planned_for_the_task():
    (cure,) = mixtures.trainer_for(grid.TASK, seed=0, steps=400).game.cures
    assert cure == mixtures.Falling(0.3 * 0.5, mixtures.LAST_NOISE * 0.0125, 280, wide=0.2)


def test_the_cure_is_r1_and_noise_of_two_sizes():
    """Halfway γ is 3·0.2², and a quarter of the points has noise of 0.4, the others of 0.2."""
    game = mixtures.trainer_for(grid.TASK, seed=0, steps=400).game
    cure = mixtures.Falling(0.4, 0.1, 100, strength=3.0, wide=0.25)
    points = np.zeros((20_000, 1, 1, 2), "float32")
    turn = SimpleNamespace(
        step=50,
        shown=(points[:4], points[:4]),
        streams=SimpleNamespace(augmentation=Stream(0, "augmentation")),
        judge=game.judge,
        of_each_judge=lambda term: term,
    )
    found = cure.discriminator(turn).item()
    assert found == pytest.approx(R1(3 * 0.04).discriminator(turn).item()) and found > 0
    noise = cure.show(points, turn).numpy()
    assert noise.dtype == "float32"
    assert noise.var() == pytest.approx(0.25 * 0.16 + 0.75 * 0.04, rel=0.05)
    far = abs(noise).max(axis=-1) > 1  # of the narrow noise 5 deviations, of the wide one 2.5
    assert far.mean() == pytest.approx(0.25 * 0.0247, rel=0.2)
    turn.step = 100
    noise = replace(cure, rest=0.5).show(points, turn).numpy()
    assert noise.var() == pytest.approx(0.5 * 0.16 + 0.5 * 0.01, rel=0.05)


def test_the_plain_game_has_no_cures():
    assert mixtures.trainer_for(ring.TASK, seed=0, steps=10, cured=False).game.cures == ()
