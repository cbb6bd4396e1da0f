"""Training on a GPU: the CPU's numbers, runs that change devices, and how often it waits."""

from __future__ import annotations

import copy
import re

import games
import numpy as np
import pytest
import standin
from games import RECIPES_AT, pictures

import minigan as mg
from minigan import gan, nn, optim
from minigan.errors import NonFiniteError
from minigan.gan import feed
from minigan.gan.captured import WARM_UP
from minigan.kernels import cuda
from minigan.metrics import evaluate
from minigan.metrics.classifier import train_classifier
from minigan.random import Stream, use
from minigan.recipes import RECIPES


def close(got, wanted, tolerance=1e-9):
    """Arrays by name: the same within ``tolerance``, in norm, of at least 1."""
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype, name
        gap = np.linalg.norm(np.float64(got[name]) - array)
        assert gap <= tolerance * max(1, np.linalg.norm(array)), name


def trainer(device, *cures, seed=1, loss="non_saturating", dtype="float64", **settings):
    """A trainer of two perceptrons with batch norm and dropout."""
    networks = games.networks(norm=True, drop=0.2, dtype=dtype)
    game = gan.Game(*networks, loss, gan.Normal(games.LATENT), cures=cures)
    # A smaller ε would make steps of gradients that are 0 but for their rounding.
    adam = optim.Adam(1e-2, eps=1e-3, clip_norm=1.0)
    settings = {"average": 0.9, "optimizers": adam} | settings
    return gan.Trainer(game, seed=seed, device=device, **settings)


def trained(device, steps, *cures, **settings):
    run = trainer(device, *cures, **settings)
    run.fit(pictures(), steps, batch=8)
    return run


# The numbers


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_a_step_of_each_recipe_is_the_cpus(cupy, name):
    recipe, (shape, settings) = RECIPES[name], RECIPES_AT[name]
    made = recipe.make_trainer({**recipe.SETTINGS, **settings}, shape, 0, "cpu")
    rng, moves = np.random.default_rng(0), made.discriminator_steps
    batch = rng.uniform(-1, 1, (2, *shape)), rng.integers(0, 10, 2)
    for network in (made.game.generator, made.game.discriminator):
        network.to("float64")
    states, reports = [], []
    for device in ("cpu", "cuda"):
        run = gan.Trainer(
            copy.deepcopy(made.game),
            optimizers=optim.SGD(1e-3),  # Adam takes the sign of a 0 that is only rounded
            update=made.update,
            discriminator_steps=moves,
            device=device,
            doctor=False,
        )
        with standin.counted() as counts:
            reports.append(run.step(*[batch] * moves))
        states.append(run.state())
    np.testing.assert_allclose(reports[1], reports[0], 1e-9)
    for array, wanted in states[0].items():
        np.testing.assert_allclose(states[1][array], wanted, 1e-9, 1e-12, err_msg=array)
    if cupy is standin.cupy:
        judged = 3 * isinstance(made.game.loss, gan.BinaryCrossEntropy)  # are probabilities?
        assert counts.waits == moves + 2 + judged


CURES = {
    "none": (),
    "penalties": (
        gan.GradientPenalty(1.0),
        gan.LeCam(),
        gan.Orthogonal(),
        gan.HistoricalAveraging(),
    ),
    "slopes": (gan.R1(0.1), gan.R2(0.1), gan.Dragan(0.1)),
    "consistency": (gan.Consistency(0.1, 0.1), gan.LatentConsistency(0.1)),
    "augmentation": (gan.InstanceNoise(0.1), gan.AdaptiveAugment(images=100), gan.DiffAugment()),
    "selection": (gan.HistoryPool(6), gan.LabelFlip(0.3), gan.TopK(0.5, 0.9)),
    "weights": (gan.WeightClipping(0.5), gan.Unrolled(2, 0.1)),
}


@pytest.mark.parametrize("cures", CURES.values(), ids=CURES)
@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_runs_with_cures_are_the_cpus(cupy, cures):
    wanted, got = (trained(device, 3, *cures).state() for device in ("cpu", "cuda"))
    close(got, wanted)


SCHEMES = [
    {"update": "simultaneous"},
    {"first": "generator", "discriminator_steps": 2},
    {"optimizers": optim.RMSprop(1e-3, momentum=0.5, eps=1e-3), "loss": "wasserstein"},
    {"optimizers": optim.SGD(optim.Cosine(0.1, 5), momentum=0.9, clip_value=0.1), "loss": "hinge"},
    {"optimizers": optim.Adam(1e-3, eps=1e-3, amsgrad=True, weight_decay=0.1)},
    {"loss": "relativistic_average"},
    {"loss": "least_squares", "dtype": "float32"},
]


@pytest.mark.parametrize("settings", SCHEMES)
@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_runs_of_other_schemes_are_the_cpus(cupy, settings):
    wanted, got = (trained(device, 3, **settings).state() for device in ("cpu", "cuda"))
    close(got, wanted, 1e-3 if "dtype" in settings else 1e-9)


def test_what_the_doctor_sees_is_the_same(cupy):
    held_out, found = pictures(seed=2), []
    for device in ("cpu", "cuda"):
        run = trainer(device, loss="hinge", optimizers=optim.SGD(1e-9), average=None)
        run.doctor.every = 5
        with pytest.warns(mg.errors.HealthWarning):
            run.fit(pictures(), 20, batch=8, held_out=held_out)
        found.append(run)
    here, there = found
    assert there.findings == here.findings and there.findings
    signs = [run.doctor._seen[-1] for run in found]
    assert signs[1].variety == pytest.approx(signs[0].variety)
    assert signs[1].margins == pytest.approx(signs[0].margins)


def test_a_bad_batch_is_named_and_the_state_is_as_before(cupy):
    run = trained("cuda", 2)
    before, images = run.state(), pictures(8)
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="the batch of real images is the first tensor"):
        run.step(images)
    assert games.bits(run.state()) == games.bits(before)


def test_random_numbers_have_the_same_bits(cupy):
    run = trainer("cuda", dtype="float32")
    drawn = gan.latent.noise_for(run.game.generator, run.game.latent, 5, Stream(3))
    assert cupy.asnumpy(drawn).tobytes() == run.game.latent.draw(5, Stream(3)).tobytes()
    kept = []
    for device in ("cpu", "cuda"):
        with use(7), nn.training(True):
            kept.append(nn.Dropout(0.5)(mg.Tensor(np.ones((4, 9)), device=device)).numpy())
    assert kept[0].tobytes() == kept[1].tobytes() and 0 < kept[0].mean() < 2


def test_a_step_goes_through_the_kernels(cupy, monkeypatch):
    launched, launch = set(), cuda._launch
    monkeypatch.setattr(cuda, "_launch", lambda *a, **k: (launched.add(a[0]), launch(*a, **k)))
    networks = RECIPES["dcgan-mnist"].networks(1)
    game = gan.Game(*networks, "non_saturating", gan.Normal(10))
    for rate in (optim.Adam(), optim.RMSprop(), optim.SGD()):
        run = gan.Trainer(
            copy.deepcopy(game), optimizers=rate, device="cuda", doctor=False, average=0.9
        )
        run.step(np.zeros((2, 28, 28, 1), "float32"))
    run.capture()
    for _ in range(WARM_UP + 1):
        run.step(np.zeros((2, 28, 28, 1), "float32"))
    mg.ops.embedding(run.game.generator[0].weight, [1, 1]).sum().backward()
    kernels = r"^(?:KERNEL |COLUMNS\(|SCATTER\()(\w+)"
    assert launched == set(re.findall(kernels, cuda.source(), re.MULTILINE))


# From device to device


@pytest.mark.parametrize("cures", CURES.values(), ids=CURES)
@pytest.mark.parametrize("first, second", [("cpu", "cuda"), ("cuda", "cpu")])
@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_a_saved_run_goes_on_elsewhere(cupy, tmp_path, first, second, cures):
    trained(first, 2, *cures).save(tmp_path / "state.npz")
    again = trainer(second, *cures)
    again.load(tmp_path / "state.npz")
    again.fit(pictures(), 2, batch=8)
    close(again.state(), trained("cpu", 4, *cures).state())


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_a_trainer_moves_as_it_goes(cupy):
    cures = CURES["penalties"] + CURES["selection"]
    run = trainer("cpu", *cures)
    run.doctor.every = 2
    for device in ("cpu", "cuda", "cpu"):
        assert run.to(device) is run and run.device == device
        run.fit(pictures(), 3, batch=8, held_out=pictures(seed=2))
    wanted = trainer("cpu", *cures)
    wanted.fit(pictures(), 9, batch=8)
    close(run.state(), wanted.state(), 1e-6)


def test_an_optimiser_moves_with_its_module(cupy):
    def steps(module, adam, count):
        x = mg.Tensor(np.random.default_rng(1).normal(size=(6, 3)), device=module[0].weight.device)
        for _ in range(count):
            (module(x) ** 3).sum().backward()
            adam.step()
            adam.zero_grad()

    states = []
    for device in ("cpu", "cuda"):
        module = nn.Sequential(nn.Dense(4, dtype="float64"), nn.BatchNorm(dtype="float64"))
        adam = optim.Adam(0.1, eps=1e-3).bind(module.build((None, 3), seed=0))
        steps(module, adam, 2)
        assert adam.to(device) is adam
        steps(module.to(device), adam, 2)
        states.append(module.state_dict())
    close(states[1], states[0])


def test_an_optimiser_that_was_left_behind_is_named(cupy):
    module = nn.Dense(2).build((None, 3), seed=0)
    adam = optim.Adam(0.1).bind(module)
    gradients = [np.ones(p.shape, "float32") for p in module.to("cuda").parameters()]
    with pytest.raises(mg.errors.DeviceError, match=r"move it too, with optimizer.to\('cuda:0'\)"):
        adam.step(gradients)
    with pytest.raises(mg.errors.DeviceError, match="got one on cpu, wanted it on cuda:0"):
        adam.to("cuda").step(gradients)


def test_modules_take_and_give_numpys_arrays(cupy, tmp_path):
    here = nn.Sequential(nn.Dense(4), nn.BatchNorm()).build((None, 3), seed=0)
    there = nn.Sequential(nn.Dense(4), nn.BatchNorm()).build((None, 3), seed=1).to("cuda")
    there.load_state_dict(here.state_dict())
    close(there.state_dict(), here.state_dict(), 0)
    nn.save(there, tmp_path / "network.npz")
    close(nn.load(tmp_path / "network.npz").state_dict(), here.state_dict(), 0)
    there.to("float64")
    assert {p.device for p in there.parameters()} == {"cuda:0"}
    assert {p.dtype.name for p in there.parameters()} == {"float64"}


def test_samples_are_the_cpus(cupy):
    here, there = (trained(device, 2).sample(70, seed=3) for device in ("cpu", "cuda"))
    assert type(there) is np.ndarray
    np.testing.assert_allclose(there, here, rtol=1e-9)


def test_a_judge_on_a_gpu_says_the_same(cupy):
    real = mg.data.digits()
    some = real.take(np.arange(150))
    judge = train_classifier(some, some, width=4, steps=20)
    fake = np.random.default_rng(0).uniform(-1, 1, (120, 8, 8, 1)).astype(np.float32)
    results = []
    for device in ("cpu", "cuda"):
        judge.network.to(device)
        with mg.config(precision="ieee"):
            results.append(evaluate(real=real.batch(slice(120)), fake=fake, source=judge))
    assert [r.value for r in results[1]] == pytest.approx([r.value for r in results[0]], rel=1e-4)


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_the_second_gpu_is_used_where_it_is_asked_for(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("this machine has one GPU")
    run = trained("cuda:1", 3, *CURES["penalties"])
    assert {p.device for p in run.game.generator.parameters()} == {"cuda:1"}
    close(run.state(), trained("cpu", 3, *CURES["penalties"]).state())
    with pytest.raises(mg.errors.DeviceError, match="got arrays on cuda:0 and on cuda:1"):
        run.game.generator(mg.Tensor(np.ones((1, games.LATENT)), device="cuda:0"))


# What users give


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("fits", [True, False])
def test_a_feed_has_the_cpus_bits(cupy, monkeypatch, dtype, fits):
    if not fits:
        monkeypatch.setattr(feed, "ON_A_GPU", 100)
    pixels = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1)).astype(dtype)
    images = mg.data.Images(pixels, np.arange(10), value_range=(0, 255))
    here, there = (feed.Feed(images, 4, 0, (-1.0, 1.0), device) for device in ("cpu", "cuda"))
    for k in range(4):
        wanted, got = here(k), there(k)
        assert type(got.images) is cupy.ndarray and got.images.get().tobytes() == (
            wanted.images.tobytes()
        )
        assert got.labels.tolist() == wanted.labels.tolist()
    assert (type(there._pixels) is cupy.ndarray) == fits


def test_batches_may_be_on_the_gpu_already(cupy):
    networks = [
        nn.Sequential(nn.LabelConcat(3), nn.Dense(16), nn.Reshape(4, 4, 1), nn.Tanh()),
        gan.Heads(nn.Sequential(nn.Flatten(), nn.Dense(8)), nn.Dense(1), nn.Dense(3)),
    ]
    conditioning = gan.Labels(3, discriminator=False)
    game = gan.Game(
        *networks, latent=gan.Normal(4), cures=[gan.Classification()], conditioning=conditioning
    )
    run = gan.Trainer(game, device="cuda")
    images, labels = pictures(6), np.array([0, 1, 2, 2, 1, 0])
    first = run.state()
    run.step((images, labels))
    wanted = run.state()
    run.load_state(first)
    run.step((cupy.asarray(images), cupy.asarray(labels)))
    close(run.state(), wanted, 1e-6)
    condition = cupy.asarray(np.arange(5) % 3)
    assert run.sample(5, condition=condition).tobytes() == run.sample(5).tobytes()


# How often the processor waits for the GPU


@pytest.fixture
def counted(cupy):
    """A block in which waits are counted, or none where the GPU is a real one."""
    if cupy is not standin.cupy:
        pytest.skip("only the stand-in counts")
    return standin.counted


WAITS = {
    "none": 3,  # once for each player's loss and gradient, once for the report
    "penalties": 4,  # the means that LeCam remembers
    "slopes": 3,
    "consistency": 3,
    "augmentation": 4,  # AdaptiveAugment's sign
    "selection": 3,
    "weights": 3,
}


@pytest.mark.parametrize("name", CURES)
@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")
def test_a_step_waits_a_few_times(counted, name):
    run = trainer("cuda", *CURES[name], optimizers=optim.Adam(1e-3))
    run.fit(pictures(), 2, batch=8)  # in the first the doctor looks
    with counted() as counts:
        run.fit(pictures(), 1, batch=8)
    assert counts.waits == WAITS[name]


def test_clipping_the_norm_waits_for_nothing(counted):
    run = trained("cuda", 2)
    with counted() as counts:
        run.fit(pictures(), 1, batch=8)
    assert counts.waits == WAITS["none"]
