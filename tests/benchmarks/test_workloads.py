"""What is timed is what it says: the recipes' networks, data of their kind, the same each time."""

import numpy as np
import pytest

from benchmarks import ours
from benchmarks.networks import Dropout, shapes
from benchmarks.workloads import POOL, WORKLOADS, named
from minigan.nn import Parameter
from minigan.recipes import RECIPES

ALL = named(list(WORKLOADS))
RECIPE_OF = {
    "mlp": ("mlp-mnist", (28, 28, 1)),
    "dcgan28": ("dcgan-mnist", (28, 28, 1)),
    "dcgan28-color": ("dcgan-color", (28, 28, 3)),
    "upsampling28": ("upsampling", (28, 28, 3)),
    "upsampling64": ("upsampling", (64, 64, 3)),
}


TUTORIAL = {"dcgan28": {"update": "simultaneous", "falls": 1.0}}
"""Where a recipe's play is not timed, but that of the system it comes from."""


def settings(layer):
    """A layer's class and settings, whether it is built or not."""
    held = {k: v for k, v in vars(layer).items() if k[0] != "_" and k != "training"}
    return type(layer), {k: v for k, v in held.items() if not isinstance(v, Parameter)}


def by_name(workload):
    return f"{workload.name}-{workload.batch}"


@pytest.mark.parametrize("name", RECIPE_OF)
def test_networks_loss_optimizer_and_update_are_the_recipes(name):
    recipe, shape = RECIPE_OF[name]
    played = RECIPES[recipe].SETTINGS | TUTORIAL.get(name, {})
    trainer = RECIPES[recipe].make_trainer(played, shape, 0, "cpu")
    workload = WORKLOADS[name][0]()
    for layers, network in (
        (workload.generator, trainer.game.generator),
        (workload.discriminator, trainer.game.discriminator),
    ):
        made = [settings(ours.module(layer)) for layer in layers]
        assert made == [settings(layer) for layer in network.layers]
    assert repr(ours.LOSSES[workload.loss]) == repr(trainer.game.loss)
    assert repr(ours.Latent(workload).own) == repr(trainer.game.latent)
    assert workload.step == trainer.update
    described = ours.optimizer(workload).describe(), trainer.players.generator.describe()
    assert [{**each, "schedule": None} for each in described] == [
        {**described[0], "schedule": None}
    ] * 2
    schedule = trainer.players.generator.schedule
    assert schedule is None or {schedule(k) for k in range(0, 5000, 100)} == {workload.optimizer.lr}


def test_every_workload_at_every_batch():
    assert list(map(by_name, ALL)) == [
        *("mlp-100", "dcgan28-64", "dcgan28-128", "dcgan28-color-128"),
        *("upsampling28-32", "upsampling64-8", "dcgan64-32", "wgan-gp28-64"),
        *("sample-1024", "ring-512"),
    ]


@pytest.mark.parametrize("workload", ALL, ids=by_name)
def test_networks_fit_their_images(workload):
    if workload.generator:
        assert shapes(workload.generator, (workload.latent,))[-1] == workload.image
    if workload.discriminator:
        assert shapes(workload.discriminator, workload.image)[-1] == (1,)


@pytest.mark.parametrize("workload", ALL, ids=by_name)
def test_data_and_draws_are_functions_of_the_step(workload):
    for k in range(2):
        for one, again in zip(workload.data(k), workload.data(k), strict=True):
            assert one.dtype == np.float32 and np.array_equal(one, again)
            assert one.shape == (workload.batch, *workload.image)
        assert np.array_equal(workload.draws(k), workload.draws(k))
    assert not np.array_equal(workload.draws(0), workload.draws(1))
    if workload.step == "sample":
        return
    assert not np.array_equal(workload.data(0)[0], workload.data(1)[0])
    assert np.array_equal(workload.data(0)[0], workload.data(POOL)[0])


def test_parity_is_checked_without_dropout():
    workload = WORKLOADS["dcgan28"][0]()
    before, after = workload.discriminator, workload.for_parity().discriminator
    rates = [layer.rate for layer in after if isinstance(layer, Dropout)]
    assert rates == [0, 0] and len(before) == len(after)
    assert [x for x in before if not isinstance(x, Dropout)] == [
        x for x in after if not isinstance(x, Dropout)
    ]


def test_the_learning_rate_is_calmed_where_batch_norm_judges():
    calmed = {w.name: w.calm for w in ALL if w.calm != 1}
    assert calmed == {"upsampling28": 0.1, "upsampling64": 0.1, "dcgan64": 0.01}
    workload = WORKLOADS["dcgan64"][0]()
    assert workload.for_parity().optimizer.lr == pytest.approx(2e-6)
    assert workload.optimizer.lr == 2e-4
