"""The update against a second implementation in plain NumPy and DiracGAN's known orbits."""

from __future__ import annotations

import numpy as np
import pytest
from games import LATENT, SHAPE, pictures, trainer

import minigan as mg
from benchmarks.quality import dirac
from minigan import nn
from minigan.errors import GradientError
from minigan.gan import (
    Game,
    NonSaturating,
    Normal,
    Trainer,
)
from minigan.nn import Parameter
from minigan.optim import SGD, Adam
from minigan.random import Stream

# Large rates on small weights show a mistake soonest; the doctor objects to them.
pytestmark = pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")


@pytest.mark.parametrize("setting", dirac.RADII)
def test_dirac_gan_ends_at_its_known_radius(setting):
    least, most = dirac.bounds(dirac.RADII[setting])
    assert least <= dirac.radius(*setting) <= most


# A second implementation: two perceptrons, gradients by hand, plain gradient steps.


def sigma(s):
    return 1 / (1 + np.exp(-s))


def leaky(a):
    return np.where(a > 0, a, 0.2 * a)


class ByHand:
    """z → W₁, leaky, W₂, tanh against x → V₁, leaky, V₂, with the non-saturating loss."""

    def __init__(self, state, rates, seed=0):
        self.g = [state[f"generator.{name}"].copy() for name in GENERATOR]
        self.d = [state[f"discriminator.{name}"].copy() for name in DISCRIMINATOR]
        self.rates, self.seed, self.step_count = rates, seed, 0

    def begin(self):
        self.stream = Stream(self.seed, "latent", self.step_count)
        self.step_count += 1

    def generate(self, count):
        w1, b1, w2, b2 = self.g
        z = self.stream.normal((count, LATENT)).astype(np.float64)
        a = z @ w1 + b1
        x = np.tanh(leaky(a) @ w2 + b2)
        return z, a, x

    def judge(self, x):
        v1, c1, v2, c2 = self.d
        a = x @ v1 + c1
        return a, leaky(a) @ v2 + c2

    def discriminator_gradient(self, real, fake):
        v2 = self.d[2]
        total = [np.zeros_like(p) for p in self.d]
        for x, sign in ((real, -1), (fake, 1)):  # the slope of softplus(±s) is ±σ(±s)
            a, s = self.judge(x)
            ds = sign * sigma(sign * s) / len(x)
            da = ds @ v2.T * np.where(a > 0, 1, 0.2)
            for sum_, part in zip(
                total, (x.T @ da, da.sum(0), leaky(a).T @ ds, ds.sum(0)), strict=True
            ):
                sum_ += part
        return total

    def generator_gradient(self, drawn):
        z, a, x = drawn
        judged, s = self.judge(x)
        ds = -sigma(-s) / len(x)
        dx = (ds @ self.d[2].T * np.where(judged > 0, 1, 0.2)) @ self.d[0].T
        dy = dx * (1 - x**2)
        da = dy @ self.g[2].T * np.where(a > 0, 1, 0.2)
        return [z.T @ da, da.sum(0), leaky(a).T @ dy, dy.sum(0)]

    def move(self, player, gradient):
        weights, rate = (self.g, self.rates[0]) if player == "g" else (self.d, self.rates[1])
        for weight, slope in zip(weights, gradient, strict=True):
            weight -= rate * slope

    def alternating(self, batches, first):
        def discriminator():
            for x in batches:
                fake = self.generate(len(x))[2]
                self.move("d", self.discriminator_gradient(x, fake))

        def generator():
            self.move("g", self.generator_gradient(self.generate(len(batches[-1]))))

        self.begin()
        for turn in (discriminator, generator)[:: 1 if first == "discriminator" else -1]:
            turn()

    def simultaneous(self, batches, first):
        self.begin()
        for x in batches[:-1]:
            self.move("d", self.discriminator_gradient(x, self.generate(len(x))[2]))
        x = batches[-1]
        drawn = self.generate(len(x))
        slopes = self.generator_gradient(drawn), self.discriminator_gradient(x, drawn[2])
        self.move("g", slopes[0])
        self.move("d", slopes[1])


GENERATOR = ("0.weight", "0.bias", "2.weight", "2.bias")
DISCRIMINATOR = ("1.weight", "1.bias", "3.weight", "3.bias")


@pytest.mark.parametrize("moves", [1, 3])
@pytest.mark.parametrize(
    "update, first",
    [
        ("alternating", "discriminator"),
        ("alternating", "generator"),
        ("simultaneous", "discriminator"),
    ],
)
def test_steps_are_those_of_a_second_implementation(update, first, moves):
    rates = (0.7, 0.3)  # two learning rates, large enough that a step matters to the next
    pair = (SGD(rates[0]), SGD(rates[1]))
    run = trainer(
        dtype="float64", optimizers=pair, update=update, first=first, discriminator_steps=moves
    )
    start = run.state()
    hand = ByHand(start, rates)
    data = np.random.default_rng(1).uniform(-1, 1, (3, moves, 5, *SHAPE))
    for batches in data:
        run.step(*batches)
        getattr(hand, update)([x.reshape(5, -1) for x in batches], first)
    state = run.state()
    for name, expected in zip(
        [f"generator.{n}" for n in GENERATOR] + [f"discriminator.{n}" for n in DISCRIMINATOR],
        hand.g + hand.d,
        strict=True,
    ):
        assert state[name].dtype == np.float64
        assert np.abs(state[name] - expected).max() < 1e-10
        assert np.abs(state[name] - start[name]).max() > 1e-3


def test_the_report_is_of_the_losses_scores_and_gradients_before_each_move():
    clipping = SGD(0.1, clip_norm=1e-3)
    run = trainer(dtype="float64", update="simultaneous", optimizers=clipping)
    hand = ByHand(run.state(), (0, 0))
    x = pictures(5).astype(np.float64)
    report = run.step(x)
    hand.begin()
    drawn = hand.generate(5)
    fake = hand.judge(drawn[2])[1]
    real = hand.judge(x.reshape(5, -1))[1]
    slopes = hand.discriminator_gradient(x.reshape(5, -1), drawn[2]), hand.generator_gradient(drawn)
    assert report.step == 1
    for got, expected in [
        (report.discriminator_loss, np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()),
        (report.generator_loss, np.log1p(np.exp(-fake)).mean()),
        (report.real_score, sigma(real).mean()),
        (report.fake_score, sigma(fake).mean()),
        (report.discriminator_gradient, np.sqrt(sum(np.sum(g**2) for g in slopes[0]))),
        (report.generator_gradient, np.sqrt(sum(np.sum(g**2) for g in slopes[1]))),
    ]:
        assert abs(got - expected) < 1e-12


# Turns


class Recording(SGD):
    """Writes down, at each of its steps, which network's weights changed."""

    def __init__(self, log):
        super().__init__(0.1)
        self.log = log

    def step(self, gradients=None):
        before = self.log["networks"]()
        super().step(gradients)
        after = self.log["networks"]()
        self.log["moves"].append([name for name in before if before[name] != after[name]])


@pytest.mark.parametrize(
    "settings, order",
    [
        ({}, "dg"),
        ({"first": "generator"}, "gd"),
        ({"discriminator_steps": 2}, "ddg"),
        ({"first": "generator", "discriminator_steps": 2}, "gdd"),
        ({"update": "simultaneous"}, "gd"),
        ({"update": "simultaneous", "discriminator_steps": 2}, "dgd"),
    ],
)
def test_each_move_changes_the_moving_players_weights_only(settings, order):
    log = {"moves": []}
    run = trainer(norm=True, optimizers=Recording(log), **settings)
    game = run.game
    log["networks"] = lambda: {
        "g": b"".join(p.numpy().tobytes() for p in game.generator.parameters()),
        "d": b"".join(p.numpy().tobytes() for p in game.discriminator.parameters()),
    }
    run.step(*[pictures(4)] * order.count("d"))
    assert log["moves"] == [[player] for player in order]


def counted_product(asked, name):
    """x·W that writes down every time W's gradient is computed."""

    def weight_gradient(g, x):
        asked.append(name)
        return mg.matmul(mg.transpose(x), g)

    return mg.primitive(
        lambda x, w: x @ w, [lambda g, w: mg.matmul(g, mg.transpose(w)), weight_gradient]
    )


class Counted(nn.Module):
    def __init__(self, inputs, outputs, asked, name):
        self.weight = Parameter(np.random.default_rng(0).normal(size=(inputs, outputs)))
        self.product = counted_product(asked, name)

    def forward(self, x):
        return self.product(x, self.weight)


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
@pytest.mark.parametrize("first", ["discriminator", "generator"])
@pytest.mark.parametrize("moves", [1, 2])
def test_no_gradient_is_computed_that_no_player_uses(update, first, moves):
    # The generator's turn passes through the discriminator, but not into its weights, and the
    # discriminator's turn not into the generator: one gradient a judged batch, one a made one.
    asked = []
    game = Game(
        nn.Sequential(Counted(2, 4, asked, "generator"), nn.Reshape(2, 2, 1), nn.Tanh()),
        nn.Sequential(nn.Flatten(), Counted(4, 1, asked, "discriminator")),
        latent=Normal(2),
    )
    run = Trainer(game, optimizers=SGD(0.1), update=update, first=first, discriminator_steps=moves)
    run.step(*[np.full((3, 2, 2, 1), -0.5)] * moves)
    assert asked.count("generator") == 1
    assert asked.count("discriminator") == 2 * moves


@pytest.mark.parametrize("given", [0, 1, 3])
def test_a_step_wants_a_batch_for_each_move(given):
    run = trainer(discriminator_steps=2)
    with pytest.raises(ValueError, match=f"step: got {given} batches, wanted 2"):
        run.step(*[pictures(4)] * given)
    assert run.step_count == 0


def test_a_pair_of_optimisers_is_generators_then_discriminators():
    run = trainer(optimizers=(SGD(0.0), SGD(0.1)))
    before = run.state()
    run.step(pictures(4))
    changed = {n.split(".")[0] for n, a in run.state().items() if not np.array_equal(a, before[n])}
    assert changed == {"discriminator", "discriminator_optimizer", "generator_optimizer", "count"}


def test_one_optimiser_for_both_is_two_with_the_same_settings():
    alone, pair = trainer(optimizers=Adam(0.01)), trainer(optimizers=(Adam(0.01), Adam(0.01)))
    for run in (alone, pair):
        run.fit(pictures(), 3, batch=4)
    assert all(np.array_equal(a, pair.state()[name]) for name, a in alone.state().items())


def test_an_optimiser_that_was_given_stays_as_it_was():
    adam = Adam(0.01)
    trainer(optimizers=adam).fit(pictures(), 2, batch=4)
    assert not adam.parameters
    assert int(adam.state["steps"]) == 0
    assert set(adam.state) == {"lr", "steps"}


def test_the_default_is_the_dcgan_papers_adam():
    default, spelt = trainer(), trainer(optimizers=Adam(2e-4, beta1=0.5))
    for run in (default, spelt):
        run.fit(pictures(), 3, batch=4)
    assert all(np.array_equal(a, spelt.state()[name]) for name, a in default.state().items())


def test_label_smoothing_and_noise_are_off_by_default():
    # With one discriminator for all, the loss at D = ½ is exactly 2·ln 2.
    run = trainer()
    for name in ("3.weight", "3.bias"):
        parameter = run.game.discriminator.named_state()[name]
        parameter.assign(np.zeros(parameter.shape))
    report = run.step(pictures(4))
    assert abs(report.discriminator_loss - 2 * np.log(2)) < 1e-6


class Relativistic(NonSaturating):
    """The generator's loss looks at the real batch too; notes what it was given."""

    paired = True

    def __init__(self):
        self.given = []

    def generator(self, real, fake):
        self.given.append((len(real.logits), len(fake.logits)))
        return mg.softplus(real.logits.mean() - fake.logits).mean()


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_a_paired_loss_sees_the_last_real_batch(update):
    loss = Relativistic()
    run = trainer(loss=loss, update=update, discriminator_steps=2, doctor=False)
    run.step(pictures(3), pictures(5))
    assert loss.given == [(5, 5)]


# The moving average


def test_the_average_is_that_of_the_weights_and_makes_the_samples():
    decay = 0.6
    run = trainer(norm=True, dtype="float64", average=decay, optimizers=SGD(0.5))
    weights = run.game.generator.state_dict()
    average = {name: array.copy() for name, array in weights.items()}
    for t in range(12):  # until (1 + t)/(10 + t) is above the decay
        run.step(pictures(4, seed=t))
        held = min(decay, (1 + t) / (10 + t))
        for name, new in run.game.generator.state_dict().items():
            average[name] = held * average[name] + (1 - held) * new
    state = run.state()
    for name, expected in average.items():
        assert np.abs(state[f"average.{name}"] - expected).max() < 1e-10
    last = run.sample(3)
    run.game.generator.load_state_dict(average)
    averaged = mg.gan.sample(run.game.generator, run.game.latent, 3)
    assert np.abs(averaged - last).max() < 1e-10
    run.game.generator.load_state_dict(weights)
    assert np.array_equal(run.sample(3), last)  # it is not the live weights that make samples


def test_the_average_changes_no_bit_of_training():
    with_average, without = trainer(average=0.9), trainer()
    for run in (with_average, without):
        run.fit(pictures(), 4, batch=4)
    averaged = with_average.state()
    assert all(np.array_equal(a, averaged[name]) for name, a in without.state().items())


def test_a_parameter_that_is_frozen_too_late_is_named():
    run = trainer()
    run.step(pictures(4))
    run.game.discriminator.named_parameters()["1.bias"].requires_grad = False
    with pytest.raises(GradientError, match=r"discriminator\.1\.bias is not tracked any more"):
        run.step(pictures(4))
