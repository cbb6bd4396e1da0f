"""Numbers that are not finite: the step and the first bad tensor are named, the weights kept."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from games import LATENT, SHAPE, bits, networks, pictures, trainer

import minigan as mg
from minigan import nn
from minigan.errors import NonFiniteError
from minigan.gan import R1, Cure, Game, NonSaturating, Normal, Trainer
from minigan.optim import SGD

# NumPy and the doctor warn of what the trainer then reports; only the report is of interest here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning"),
]

UPDATES = [
    {"update": "alternating"},
    {"update": "alternating", "first": "generator"},
    {"update": "simultaneous"},
]


def spoilt(value=np.nan, at=(1, 2, 3, 0)):
    images = pictures(4)
    images[at] = value
    return images


@pytest.mark.parametrize("settings", UPDATES, ids=lambda s: "-".join(s.values()))
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_number_in_the_data_is_named_and_reaches_nothing(settings, norm, value):
    run = trainer(norm=norm, **settings)
    run.step(pictures(4))
    before = run.state()
    message = "step 2: the discriminator's loss is .*; the batch of real images is the first"
    with pytest.raises(NonFiniteError, match=message):
        run.step(spoilt(value))
    assert run.step_count == 1
    assert all(np.isfinite(a).all() for a in run.state().values())
    # Batch norm's statistics are kept too: a forward pass over the bad batch has moved them.
    moved = {n for n, a in run.state().items() if not np.array_equal(a, before[n])}
    legal = settings.get("first") == "generator"  # it has rightly moved before the bad batch came
    assert not {n for n in moved if not (legal and n.startswith("generator"))}
    run.step(pictures(4))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_bad_one_of_several_batches_is_found(bad):
    run = trainer(discriminator_steps=3)
    run.step(*[pictures(4)] * 3)  # the first batch of a run is looked at for its range too
    batches = [pictures(4)] * 3
    batches[bad] = spoilt()
    with pytest.raises(NonFiniteError, match="the batch of real images is the first"):
        run.step(*batches)


@pytest.mark.parametrize("settings", UPDATES, ids=lambda s: "-".join(s.values()))
@pytest.mark.parametrize(
    "owner, name", [("generator", "2.weight"), ("discriminator", "3.bias"), ("generator", "0.bias")]
)
def test_a_bad_parameter_is_named(settings, owner, name):
    run = trainer(**settings)
    parameter = getattr(run.game, owner).named_state()[name]
    value = parameter.numpy()
    value.flat[0] = np.nan
    parameter.assign(value)
    before = bits(run.state())
    with pytest.raises(
        NonFiniteError, match=rf"step 1: .*the parameter {owner}\.{name} is the first"
    ):
        run.step(pictures(4))
    assert bits(run.state()) == before


class Overflowing(nn.Module):
    def forward(self, x):
        return x * 1e38 * 1e38


@pytest.mark.parametrize("settings", UPDATES, ids=lambda s: "-".join(s.values()))
@pytest.mark.parametrize("owner", ["generator", "discriminator"])
def test_a_layer_that_overflows_is_named(settings, owner):
    generator, discriminator = networks()
    if owner == "generator":
        generator = nn.Sequential(*generator.layers[:1], Overflowing(), *generator.layers[1:])
    else:
        discriminator = nn.Sequential(*discriminator.layers[:3], Overflowing(), nn.Dense(1))
    game = Game(generator, discriminator, latent=Normal(LATENT), image_range=(-1, 1))
    run = Trainer(game, **settings)
    before = bits(run.state())
    where = {"generator": r"generator\.1", "discriminator": r"discriminator\.3"}[owner]
    with pytest.raises(NonFiniteError, match=rf"step 1: .*{where} \(Overflowing\) is the first"):
        run.step(pictures(4))
    assert bits(run.state()) == before


def test_a_layer_that_overflows_on_an_earlier_batch_is_found():
    class OnWhite(nn.Module):
        def forward(self, x):
            return mg.relu(x - 0.99) * 1e38 * 1e38 + x

    discriminator = nn.Sequential(OnWhite(), *networks()[1].layers)
    run = Trainer(Game(networks()[0], discriminator, latent=Normal(LATENT)), discriminator_steps=2)
    white, grey = np.ones((2, *SHAPE), np.float32), pictures(2) / 2
    white[0] = -1  # the whole range, or it would be warned of
    with pytest.raises(NonFiniteError, match=r"discriminator\.0 \(OnWhite\) is the first"):
        run.step(white, grey)


def test_a_gradient_that_overflows_is_named_before_it_is_used():
    # Forward every number is finite; only the way back multiplies by 10⁷⁶.
    steep = mg.primitive(lambda x: x * 1.0, lambda g: g * 1e38 * 1e38, name="steep")

    class Steep(nn.Module):
        def forward(self, x):
            return steep(x)

    _, discriminator = networks()
    discriminator = nn.Sequential(*discriminator.layers[:3], Steep(), nn.Dense(1))
    run = Trainer(Game(networks()[0], discriminator, latent=Normal(LATENT)))
    before = bits(run.state())
    message = r"step 1: the gradient of discriminator\.1\.weight is not finite"
    with pytest.raises(NonFiniteError, match=message):
        run.step(pictures(4))
    assert bits(run.state()) == before


@pytest.mark.parametrize("settings", UPDATES, ids=lambda s: "-".join(s.values()))
@pytest.mark.parametrize("rate", [1e6, 1e30, 1e40])
def test_an_exploding_learning_rate_ends_the_run_with_the_step_and_a_name(settings, rate):
    run = trainer(loss="least_squares", optimizers=SGD(rate), **settings)
    with pytest.raises(NonFiniteError, match="step .* is the first tensor|gradient of") as caught:
        run.fit(pictures(), 50, 8)
    assert f"step {run.step_count + 1}: " in str(caught.value)


class Applied(nn.Module):
    """A function of tensors as a layer."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(mg.as_tensor(x))


def rooted(x):
    """x, by way of a root that has no slope at 0."""
    return x + mg.sqrt(x * 0)


@dataclass(frozen=True)
class Term(Cure):
    """Adds a function of the scores of real images to D's loss, or of fakes' to G's."""

    function: Callable
    player: str

    def discriminator(self, turn):
        return self.function(turn.real.logits) if self.player == "discriminator" else None

    def generator(self, turn):
        return self.function(turn.fake.logits) if self.player == "generator" else None


FIRST = "is the first to make such a number of finite ones"


@pytest.mark.parametrize("settings", UPDATES, ids=lambda s: "-".join(s.values()))
@pytest.mark.parametrize("owner", ["generator", "discriminator"])
@pytest.mark.parametrize(
    "function, name",
    [
        (lambda x: mg.log(x - 99), "log"),
        (lambda x: mg.exp(x * 0 + 1e3) * 0 + x, "exp"),
        (lambda x: x / (x * 0), "divide"),
        (rooted, "the backward pass of sqrt"),
    ],
    ids=["log", "exp", "divide", "sqrt"],
)
def test_the_operation_is_named_in_a_layer(settings, owner, function, name):
    players = dict(zip(("generator", "discriminator"), networks(), strict=True))
    first, *rest = players[owner].layers
    players[owner] = nn.Sequential(first, Applied(function), *rest)
    run = Trainer(Game(**players, latent=Normal(LATENT), image_range=(-1, 1)), **settings)
    before = bits(run.state())
    with pytest.raises(NonFiniteError, match=rf"step 1: .*; {name} {FIRST}$"):
        run.step(pictures(4))
    assert bits(run.state()) == before


@pytest.mark.parametrize("settings", UPDATES, ids=lambda s: "-".join(s.values()))
@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize(
    "function, name",
    [
        (lambda x: mg.log(x * 0 - 1).mean(), "log"),
        (lambda x: rooted(x).mean(), "the backward pass of sqrt"),
    ],
    ids=["log", "sqrt"],
)
def test_the_operation_is_named_in_a_term_of_a_cure(settings, player, function, name):
    game = Game(*networks(norm=True), latent=Normal(LATENT), cures=[Term(function, player)])
    run = Trainer(game, optimizers=SGD(0.1), average=0.9, **settings)
    before = bits(run.state())
    with pytest.raises(NonFiniteError, match=rf"the .*{player}.*; {name} {FIRST}$"):
        run.step(pictures(4))
    assert bits(run.state()) == before


def test_the_operation_is_named_in_a_gradient_of_a_gradient():
    judge = nn.Sequential(Applied(rooted), *networks()[1].layers)
    run = Trainer(Game(networks()[0], judge, latent=Normal(LATENT), cures=[R1(1.0)]))
    with pytest.raises(NonFiniteError, match=rf"loss is nan.*; the backward pass of sqrt {FIRST}$"):
        run.step(pictures(4))


def test_of_bad_data_no_operation_is_named_and_the_callers_profiler_goes_on():
    def profiler(*event):
        pass

    run = trainer()
    sys.setprofile(profiler)
    try:
        with pytest.raises(NonFiniteError, match="the first tensor that is not finite$"):
            run.step(spoilt())
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("where", [3, 5], ids=["a layer", "the scores"])
def test_looking_for_it_warns_of_nothing(where):
    layers = networks()[1].layers
    judge = nn.Sequential(*layers[:where], Overflowing(), *layers[where:])
    run = Trainer(Game(networks()[0], judge, latent=Normal(LATENT)))  # building it does overflow
    with warnings.catch_warnings(), pytest.raises(NonFiniteError):
        warnings.simplefilter("error", RuntimeWarning)
        run.step(pictures(4))


def test_diagnosing_moves_no_statistics():
    # The search runs both networks again in training mode, batch norm included.
    generator, discriminator = networks(norm=True)
    discriminator = nn.Sequential(*discriminator.layers, Overflowing())
    run = Trainer(Game(generator, discriminator, latent=Normal(LATENT)))
    before = bits(run.state())
    with pytest.raises(NonFiniteError):
        run.step(pictures(4))
    assert bits(run.state()) == before


def test_the_last_good_file_survives(tmp_path):
    # A rate that overflows puts infinite weights into the run, but not into its file.
    path = tmp_path / "state.npz"

    def explosive():
        return trainer(loss="least_squares", optimizers=(SGD(1e40), SGD(0.1)), first="generator")

    run = explosive()
    run.save(path)
    with pytest.raises(NonFiniteError):
        run.fit(pictures(), 50, 8, callbacks=[lambda report: run.save(path)])
    again = explosive()
    again.load(path)
    assert all(np.isfinite(a).all() for a in again.state().values())


def test_data_with_nan_in_an_array_is_refused_before_training():
    run = trainer()
    images = np.zeros((8, *SHAPE), np.float32)
    images[3, 0, 1, 0] = np.nan
    with pytest.raises(ValueError, match=r"nan at index \(3, 0, 1, 0\)"):
        run.fit(images, 1, 4)


class NoGenerator(NonSaturating):
    """A loss whose second mover's part is never a number."""

    def generator(self, real, fake):
        return super().generator(real, fake) * float("nan")


@pytest.mark.parametrize("norm", [False, True])
def test_a_step_whose_second_mover_fails_leaves_everything_as_it_was(norm):
    run = trainer(norm=norm, loss=NoGenerator(), average=0.9)
    before = run.state()
    with pytest.raises(NonFiniteError, match="step 1: the generator's loss is nan"):
        run.step(pictures(8))
    assert bits(run.state()) == bits(before)


def test_a_gradient_too_large_to_square_is_told_before_the_moments_overflow():
    run = trainer(loss=NonSaturating())
    weight = run.game.discriminator.named_parameters()["1.weight"]
    weight.assign(np.full(weight.shape, 1e25, np.float32))
    with pytest.raises(NonFiniteError, match="step 1"):
        run.step(pictures(8))
    assert all(np.isfinite(a).all() for a in run.state().values())


def test_a_step_that_goes_well_the_second_time_leaves_no_trace():
    class Once(Cure):
        bad = True

        def generator(self, turn):
            bad, Once.bad = Once.bad, False
            return turn.fake.logits.mean() * (np.nan if bad else 1.0)

    run = Trainer(Game(*networks(norm=True), latent=Normal(LATENT), cures=[Once()]), average=0.9)
    before = bits(run.state())
    with pytest.raises(NonFiniteError, match="generator's loss is nan"):
        run.step(pictures(8))
    assert bits(run.state()) == before
