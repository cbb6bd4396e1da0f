"""Inside the networks: gradients by differences, ways through noise, directions of a linear map."""

from __future__ import annotations

import numpy as np
import pytest
from games import LATENT, networks, pictures
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minigan import nn
from minigan.errors import NonFiniteError
from minigan.gan import Codes, Game, Heads, Labels, Normal, Uniform, inside
from minigan.gan.sampling import sample
from minigan.random import Stream


def rng(seed=0):
    return np.random.default_rng(seed)


def convolutional(dtype="float64"):
    """A generator and a discriminator with a convolution of each kind, batch norm and dropout."""
    generator = nn.Sequential(
        nn.Dense(8, dtype=dtype),
        nn.BatchNorm(dtype=dtype),
        nn.Reshape(2, 2, 2),
        nn.Conv2DTranspose(3, 3, 2, "same", dtype=dtype),
        nn.LeakyReLU(0.2),
        nn.Conv2D(1, 3, 1, "same", dtype=dtype),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2D(3, 3, 1, "same", dtype=dtype),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Dense(2, dtype=dtype),
    )
    Game(generator, discriminator, latent=Normal(LATENT)).build(0)
    return generator, discriminator


class Told(nn.Module):
    """Its noise times a matrix of the class."""

    def __init__(self, weight):
        self.weight = nn.Parameter(weight)

    def forward(self, z, labels):
        return nn.Reshape(2, 3, 1)((z[:, :, None] * self.weight[labels]).sum(axis=1))


# Saliency


def test_saliency_is_the_slope_of_the_score():
    discriminator = convolutional()[1]
    images, step = rng().normal(size=(3, 4, 4, 1)), 1e-6
    scores, found = inside.saliency(discriminator, images)
    np.testing.assert_allclose(scores, discriminator.eval()(images).numpy(), rtol=1e-12)
    for place in np.ndindex(images.shape):
        nudge = np.zeros_like(images)
        nudge[place] = step
        ends = [discriminator(images + sign * nudge).numpy()[place[0]].sum() for sign in (1, -1)]
        assert abs((ends[0] - ends[1]) / (2 * step) - found[place]) < 1e-8


def test_saliency_of_a_game_and_of_heads():
    bodies = networks(dtype="float64")
    heads = Heads(nn.Flatten(), nn.Dense(1, dtype="float64"))
    game = Game(bodies[0], heads, latent=Normal(LATENT))
    game.build(0)
    scores, found = inside.saliency(game.judge, pictures(2).astype(np.float64))
    assert scores.shape == (2, 1)
    weight = heads.logits.weight.numpy().reshape(4, 4, 1)
    np.testing.assert_allclose(found, np.stack([weight, weight]), rtol=1e-12)


def test_saliency_of_a_probability_is_that_of_its_logit():
    logits = convolutional()[1]
    layers = list(logits)
    images = 100 * rng().normal(size=(2, 4, 4, 1))  # so far out that probabilities don't move
    for probabilities in (
        nn.Sequential(*layers, nn.Sigmoid()),
        nn.Sequential(logits, nn.Sigmoid()),
        nn.Sequential(nn.Sequential(*layers, nn.Sigmoid())),
    ):
        found = inside.saliency(probabilities, images)
        for got, wanted in zip(found, inside.saliency(logits, images), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_looking_changes_nothing():
    generator, discriminator = convolutional()
    for network in (generator, discriminator):
        network.train()
    before = generator.state_dict()
    inside.activations(generator, rng().normal(size=(4, LATENT)))
    inside.metric(generator, rng().normal(size=(2, LATENT)))
    inside.saliency(discriminator, rng().normal(size=(2, 4, 4, 1)))
    assert generator.training and discriminator.training
    for name, array in generator.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# Activations and images


def test_activations_are_the_convolutions_results_in_their_order():
    generator, discriminator = convolutional()
    z = rng().normal(size=(2, LATENT))
    (first, maps), (second, image) = inside.activations(generator, z)
    assert (first, second) == (generator[3], generator[5])
    assert (maps.shape, image.shape) == ((2, 4, 4, 3), (2, 4, 4, 1))
    np.testing.assert_array_equal(np.tanh(image), inside.generate(generator, z))
    dense = inside.activations(discriminator, np.tanh(image), kinds=(nn.Dense,))
    assert [result.shape for _, result in dense] == [(2, 2)]


def test_generate_makes_what_sample_makes():
    generator = convolutional("float32")[0]
    noise = np.concatenate([inside.noise_of(generator, Normal(LATENT), 64, seed=3)] * 2)[:70]
    made = inside.generate(generator, noise)
    np.testing.assert_allclose(made[:64], sample(generator, Normal(LATENT), 64, 3), atol=1e-6)
    np.testing.assert_allclose(made[64:], made[:6], atol=1e-6)


# Ways through the noise


@examples(30)
@given(seed=st.integers(0, 999), size=st.integers(2, 50), count=st.integers(2, 9))
def test_spherical_interpolation_keeps_norms_and_goes_at_an_even_pace(seed, size, count):
    start, end = rng(seed).normal(size=(2, 4, size))
    way = inside.interpolate(Normal(size), start, end, count)
    assert way.shape == (count, 4, size)
    np.testing.assert_allclose(way[0], start, atol=1e-9)
    np.testing.assert_allclose(way[-1], end, atol=1e-9)
    norms = np.linalg.norm(way, axis=-1)
    np.testing.assert_allclose(norms, np.linspace(norms[0], norms[-1], count), rtol=1e-9)
    units = way / norms[..., None]
    turns = np.arccos(np.clip((units[1:] * units[:-1]).sum(-1), -1, 1))
    np.testing.assert_allclose(turns, np.broadcast_to(turns[:1], turns.shape), atol=1e-6)


@examples(20)
@given(seed=st.integers(0, 999), count=st.integers(2, 9))
def test_uniform_noise_goes_straight(seed, count):
    start, end = rng(seed).uniform(2, 5, (2, 6)).astype(np.float32)
    way = inside.interpolate(Uniform(6, 2, 5), start, end, count)
    assert way.dtype == np.float32
    np.testing.assert_array_equal(way[[0, -1]], [start, end])
    paces = np.diff(way, axis=0)
    np.testing.assert_allclose(paces, np.stack([paces[0]] * (count - 1)), atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 0.5, -1.0, 0.0])
def test_vectors_on_one_line_are_joined_straight(factor):
    start = rng().normal(size=5)
    way = inside.slerp(start, factor * start, np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(way[1], (0.75 + 0.25 * factor) * start, atol=1e-12)


def test_codes_go_straight_beside_their_noise():
    latent = Codes(4, (3,), 2)
    start, end = rng().normal(size=(2, latent.size))
    way = inside.interpolate(latent, start, end, 3)
    np.testing.assert_allclose(way[:, 4:], np.linspace(start[4:], end[4:], 3), atol=1e-12)
    np.testing.assert_allclose(way[:, :4], inside.interpolate(Normal(4), start[:4], end[:4], 3))


@pytest.mark.parametrize(
    "latent, low, high",
    [
        (Normal(3), [-2.5] * 3, [2.5] * 3),
        (Uniform(3, 1, 4), [1.0] * 3, [4.0] * 3),
        (Codes(1, (), 1), [-2.5, -1], [2.5, 1]),
    ],
)
def test_a_walk_along_an_axis_replaces_one_number(latent, low, high):
    noise = rng().uniform(0.1, 0.9, latent.size) + (1 if isinstance(latent, Uniform) else 0)
    walks = inside.traverse(latent, noise, np.eye(latent.size), 5)
    assert walks.shape == (latent.size, 5, latent.size)
    for k in range(latent.size):
        np.testing.assert_allclose(walks[k, :, k], np.linspace(low[k], high[k], 5))
        np.testing.assert_allclose(np.delete(walks[k], k, 1), np.delete([noise] * 5, k, 1))


def test_a_walk_along_any_direction_leaves_the_rest_alone_and_its_range_never():
    noise, way = rng().normal(size=6), np.linalg.qr(rng(1).normal(size=(6, 6)))[0][:2]
    walks = inside.traverse(Normal(6), noise, way, 4)
    for v, walk in zip(way, walks, strict=True):
        np.testing.assert_allclose(walk @ v, np.linspace(-2.5, 2.5, 4))
        np.testing.assert_allclose(walk - (walk @ v)[:, None] * v, [noise - noise @ v * v] * 4)
    assert np.abs(inside.traverse(Uniform(6), np.clip(noise, -1, 1), way, 4)).max() <= 1


def test_a_walk_through_codes_keeps_every_class():
    latent = Codes(2, (3, 4), 2)
    noise, ways = latent.draw(1, Stream(0, "noise"))[0], np.eye(latent.size)
    walks = inside.traverse(latent, noise, ways[[0, 1, 9, 10]], 5)
    np.testing.assert_array_equal(walks[..., 2:9], np.broadcast_to(noise[2:9], (4, 5, 7)))
    np.testing.assert_allclose(walks[2, :, 9], np.linspace(-1, 1, 5))
    for way in (ways[2], ways[8], (ways[0] + ways[5]) / np.sqrt(2)):
        with pytest.raises(ValueError, match="through a one-hot code"):
            inside.traverse(latent, noise, way[None], 5)


# Directions


def test_the_directions_of_a_linear_generator_are_its_singular_vectors():
    generator = nn.Sequential(nn.Dense(6, dtype="float64"), nn.Reshape(2, 3, 1))
    generator.build((None, 20), seed=0)
    generator[0].weight.assign(weight := rng().normal(size=(20, 6)))
    found = inside.jacobian(generator, rng().normal(size=20))
    np.testing.assert_allclose(found.reshape(6, 20), weight.T, rtol=1e-12)
    change, rows = inside.directions(inside.metric(generator, rng().normal(size=(3, 20))))
    _, values, right = np.linalg.svd(weight.T)
    np.testing.assert_allclose(change[:6], values, rtol=1e-9)
    np.testing.assert_allclose(change[6:], 0, atol=1e-6)
    np.testing.assert_allclose(rows @ rows.T, np.eye(20), atol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(rows[:6] * right[:6], axis=1)), 1, rtol=1e-9)
    assert (np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1) > 0).all()


def test_the_jacobian_is_what_small_steps_do():
    generator, z, step = convolutional()[0].eval(), rng().normal(size=LATENT), 1e-6
    found = inside.jacobian(generator, z)
    ends = [inside.generate(generator, z + sign * step * np.eye(LATENT)) for sign in (1, -1)]
    measured = np.moveaxis((ends[0] - ends[1]) / (2 * step), 0, -1)
    np.testing.assert_allclose(found, measured, atol=1e-8)
    flat = found.reshape(-1, LATENT)
    np.testing.assert_allclose(inside.metric(generator, z[None]), flat.T @ flat, rtol=1e-12)


def test_conditions_reach_the_generator_row_by_row():
    weight = rng().normal(size=(3, 4, 6))
    told, noise = Told(weight), rng().normal(size=(70, 4))
    labels = Labels(3).chosen(None, 70)
    made = inside.generate(told, noise, labels)
    wanted = np.einsum("nk,nkp->np", noise, weight[labels])
    np.testing.assert_allclose(made.reshape(70, 6), wanted, rtol=1e-9)
    wanted = np.mean([w @ w.T for w in weight], axis=0)
    np.testing.assert_allclose(inside.metric(told, noise[:3], labels[:3]), wanted, rtol=1e-9)


# Singular values


def test_singular_values_are_those_of_filters_as_columns():
    generator, discriminator = convolutional()
    found = inside.singular_values(generator)
    assert list(found) == ["0.weight", "3.weight", "5.weight"]  # neither biases nor batch norm
    dense, up, convolution = (generator[i].weight.numpy() for i in (0, 3, 5))
    columns = {
        "0.weight": dense,
        "3.weight": np.stack([up[:, :, k].ravel() for k in range(3)], axis=1),
        "5.weight": convolution.reshape(-1, 1),
    }
    for name, matrix in columns.items():
        largest = np.sqrt(np.linalg.eigvalsh(matrix.T @ matrix)[-1])
        np.testing.assert_allclose(found[name], largest, rtol=1e-9)
    generator[0].weight.assign(np.full_like(dense, np.inf))
    with pytest.raises(NonFiniteError, match=r"0\.weight is not finite"):
        inside.singular_values(generator)
