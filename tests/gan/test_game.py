"""Who plays: ranges, shapes, building, conditions."""

from __future__ import annotations

import numpy as np
import pytest
from games import LATENT, SHAPE, bits, networks, pictures

import minigan as mg
from minigan import nn
from minigan.gan import Batch, Draw, Game, Normal, Output, Trainer


@pytest.mark.parametrize(
    "last, expected",
    [
        (nn.Tanh(), (-1.0, 1.0)),
        (nn.Sigmoid(), (0.0, 1.0)),
        (nn.Sequential(nn.Dense(2), nn.Sequential(nn.Sigmoid())), (0.0, 1.0)),
        (nn.Dense(2), None),
        (nn.Sequential(), None),
    ],
    ids=["tanh", "sigmoid", "nested", "dense", "empty"],
)
def test_the_range_follows_from_the_last_layer(last, expected):
    assert Game(nn.Sequential(nn.Dense(2), last), nn.Dense(1)).image_range == expected


def test_a_range_that_is_given_wins():
    assert Game(nn.Sequential(nn.Tanh()), nn.Dense(1), image_range=(0, 9)).image_range == (0, 9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_build_makes_both_networks_of_any_dtype(dtype):
    game = Game(*networks(dtype=dtype), latent=Normal(LATENT))
    game.build(seed=0)
    assert game.image_shape() == SHAPE
    assert game.generator[0].weight.shape == (LATENT, 6)
    assert game.discriminator[1].weight.shape == (16, 5)
    assert game.discriminator[1].weight.dtype == dtype


def built(seed, first=None):
    game = Game(*networks(), latent=Normal(LATENT))
    if first == "discriminator":
        game.discriminator.build((None, *SHAPE), seed=seed, prefix="discriminator")
    game.build(seed)
    return bits({**game.generator.state_dict(), "D": game.discriminator[1].weight.numpy()})


def test_first_weights_depend_on_the_seed_alone():
    assert built(1) == built(1) == built(1, "discriminator")
    differ = [name for name, array in built(1).items() if array != built(2)[name]]
    assert differ == ["0.weight", "2.weight", "D"]  # biases start at zero


def test_two_layers_of_one_shape_start_differently():
    game = Game(
        nn.Sequential(nn.Dense(4), nn.Dense(4)), nn.Sequential(nn.Dense(4)), latent=Normal(4)
    )
    game.build(0)
    first, second, third = game.generator[0], game.generator[1], game.discriminator[0]
    assert not (first.weight == second.weight).any()
    assert not (first.weight == third.weight).any()


def test_build_keeps_what_is_already_built():
    generator, discriminator = networks()
    generator.build((None, LATENT), seed=5)
    before = bits(generator.state_dict())
    Game(generator, discriminator, latent=Normal(LATENT)).build(seed=0)
    assert bits(generator.state_dict()) == before


def test_a_plain_tensor_stands_for_logits_and_a_record_stays():
    class Rich(nn.Module):
        def forward(self, x):
            return Output(mg.sum(x, axis=1, keepdims=True), features=x)

    x = mg.Tensor(np.ones((2, 3), np.float32))
    assert isinstance(Game(nn.Tanh(), nn.Dense(1)).judge(x), Output)
    assert Game(nn.Tanh(), Rich()).judge(x).features is x


class Conditional(nn.Module):
    """A network told the class as a row of numbers."""

    def __init__(self, *layers):
        self.layers = nn.Sequential(*layers)

    def forward(self, x, condition):
        x = mg.as_tensor(x)
        return self.layers(mg.concatenate([x.reshape(x.shape[0], -1), condition], axis=1))


def conditional_trainer(**settings):
    generator = Conditional(nn.Dense(8), nn.ReLU(), nn.Dense(16), nn.Reshape(*SHAPE), nn.Tanh())
    discriminator = Conditional(nn.Dense(8), nn.LeakyReLU(0.2), nn.Dense(1))
    generator.build((None, LATENT), (None, 2), seed=0)
    discriminator.build((None, *SHAPE), (None, 2), seed=0)
    game = Game(generator, discriminator, latent=Normal(LATENT), image_range=(-1, 1))
    return Trainer(game, **settings)


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_both_players_see_the_condition(update):
    images = pictures(8)
    one_hot = np.eye(2, dtype=np.float32)[[0, 1] * 4]
    states = {}
    for name, condition in {"a": one_hot, "b": one_hot[::-1].copy()}.items():
        run = conditional_trainer(update=update)
        run.step(Batch(images, None, condition))
        states[name] = run.state()
    for network in ("generator", "discriminator"):
        name = f"{network}.layers.0.weight"
        assert not np.array_equal(states["a"][name], states["b"][name])


def test_samples_follow_their_own_condition_and_no_other():
    run = conditional_trainer()
    one_hot = np.eye(2, dtype=np.float32)
    first = run.sample(3, seed=1, condition=one_hot[[0, 1, 0]])
    second = run.sample(3, seed=1, condition=one_hot[[0, 0, 0]])
    assert first[0].tobytes() == second[0].tobytes()
    assert first[2].tobytes() == second[2].tobytes()
    assert not np.array_equal(first[1], second[1])


def test_generate_hands_noise_and_condition_to_a_twin_if_asked():
    class Joined(nn.Module):
        def forward(self, *inputs):
            return mg.concatenate(inputs, axis=1)

    game = Game(nn.Tanh(), nn.Dense(1))
    noise, condition = np.ones((2, 3)), np.zeros((2, 1))
    assert game.generate(Draw(noise), Joined()).shape == (2, 3)
    assert game.generate(Draw(noise, condition), Joined()).shape == (2, 4)


class Scored(nn.Module):
    """A discriminator that says more than logits, of each sample on its own."""

    per_sample = True

    def __init__(self):
        self.inner = nn.Sequential(nn.Flatten(), nn.Dense(2))

    def forward(self, x):
        y = self.inner(x)
        return Output(y[:, :1], features=[y, y * 2], class_logits=y[:, 1:])


@pytest.mark.parametrize(
    ("network", "passes"),
    [
        (nn.Sequential(nn.Flatten(), nn.Dense(2)), 1),
        (nn.Sequential(nn.Flatten(), nn.Dense(2), nn.BatchNorm()), 2),
        (Scored(), 1),
    ],
)
def test_both_are_judged_in_one_pass_where_no_sample_sees_another(network, passes):
    network.build((None, 2, 2, 1), seed=0)
    game = Game(nn.Tanh(), network)
    real, fake = np.random.default_rng(0).normal(size=(2, 3, 2, 2, 1)).astype("float32")
    count, forward = [], network.forward
    network.forward = lambda x: count.append(len(x)) or forward(x)
    found = game.judge_each((mg.Tensor(real).data, None), (mg.Tensor(fake[:2]), None))
    assert count == ([5] if passes == 1 else [3, 2])
    for got, images in zip(found, (real, fake[:2]), strict=True):
        expected = game.judge(images)
        assert np.allclose(got.logits.numpy(), expected.logits.numpy(), atol=1e-6)
        if expected.features is not None:
            for a, b in zip(got.features, expected.features, strict=True):
                assert np.allclose(a.numpy(), b.numpy(), atol=1e-6)
            assert np.allclose(got.class_logits.numpy(), expected.class_logits.numpy(), atol=1e-6)
        else:
            assert got.features is None


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"latent": 16}, r"latent: got 16, wanted .* such as Normal\(16\)"),
        ({"conditioning": 10}, r"conditioning: got 10, wanted .* such as Labels\(10\)"),
        ({"loss": ["hinge"]}, r"loss: got \['hinge'\], wanted one of minimax"),
        ({"image_range": 1.0}, r"image_range: got 1.0, wanted \(low, high\)"),
        ({"image_range": (0, 1, 2)}, r"image_range: got \(0, 1, 2\), wanted \(low, high\)"),
        ({"image_range": (0, np.inf)}, r"image_range: got \(0, inf\), wanted \(low, high\)"),
    ],
)
def test_what_a_game_is_not_made_of_is_named(settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        Game(*networks(), **settings)


@pytest.mark.parametrize("which", [0, 1])
def test_players_are_modules(which):
    players = list(networks())
    players[which] = np.tanh
    name = ("generator", "discriminator")[which]
    with pytest.raises(TypeError, match=f"{name}: got .*ufunc 'tanh'.*, wanted a Module"):
        Trainer(Game(*players, latent=Normal(3), image_range=(-1, 1)))
