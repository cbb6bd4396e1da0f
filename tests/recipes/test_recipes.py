"""The recipes: the networks as they are published, settings that all do something."""

from __future__ import annotations

import devices
import numpy as np
import pytest

from minigan.data import from_arrays
from minigan.gan import BinaryCrossEntropy, NonSaturating, Normal, Uniform
from minigan.optim import Adam, RMSprop
from minigan.recipes import RECIPES, upsampling

SHAPES = {
    "digits": (8, 8, 1),
    "mlp-mnist": (28, 28, 1),
    "dcgan-mnist": (28, 28, 1),
    "dcgan-color": (28, 28, 3),
    "upsampling": (28, 28, 3),
    "dcgan64": (64, 64, 3),
    "wgan": (28, 28, 1),
    "wgan-gp": (28, 28, 1),
    "sn-gan": (28, 28, 1),
    "mapping": (28, 28, 1),
    "conditional": (28, 28, 1),
    "projection": (28, 28, 1),
    "ac-gan": (28, 28, 1),
    "infogan": (28, 28, 1),
    "semi-supervised": (28, 28, 1),
}


def make(name, shape=None, seed=0, **changes):
    recipe = RECIPES[name]
    return recipe.make_trainer(
        {**recipe.SETTINGS, **changes}, shape or SHAPES[name], seed, devices.default()
    )


def layers(network):
    """The layers' classes, with what tells them apart."""
    parts = []
    for _, module in network.named_modules():
        args, kwargs = module._arguments
        if not any(True for _, m in module.children() if not hasattr(m, "assign")):
            settings = [str(a) for a in args] + [f"{k}={v}" for k, v in kwargs.items()]
            parts.append(" ".join([type(module).__name__, *settings]))
    return parts


def count(network):
    return sum(p.size for p in network.parameters())


def test_every_recipe_is_tested():
    assert RECIPES.keys() == SHAPES.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is(name):
    recipe = RECIPES[name]
    assert recipe.__doc__.startswith(f"{name}: ")
    assert {"steps", "batch"} <= recipe.SETTINGS.keys()
    assert recipe.make_trainer.__doc__ and recipe.load_data.__doc__


# The networks, counted by hand


def dcgan_generator(channels):
    def block(layer):
        return [layer, "BatchNorm", "LeakyReLU 0.3"]

    return [
        *block("Dense 12544 use_bias=False"),
        "Reshape 7 7 256",
        *block("Conv2DTranspose 128 5 1 same use_bias=False"),
        *block("Conv2DTranspose 64 5 2 same use_bias=False"),
        f"Conv2DTranspose {channels} 5 2 same use_bias=False",
        "Tanh",
    ]


DCGAN_DISCRIMINATOR = [
    "Conv2D 64 5 2 same",
    "LeakyReLU 0.3",
    "Dropout 0.3",
    "Conv2D 128 5 2 same",
    "LeakyReLU 0.3",
    "Dropout 0.3",
    "Flatten",
    "Dense 1",
]


def dcgan_counts(channels):
    generator = [
        100 * 12544,
        2 * 12544,
        5 * 5 * 128 * 256,
        2 * 128,
        5 * 5 * 64 * 128,
        2 * 64,
        5 * 5 * channels * 64,
    ]
    discriminator = [5 * 5 * channels * 64 + 64, 5 * 5 * 64 * 128 + 128, 7 * 7 * 128 + 1]
    return sum(generator), sum(discriminator)


def test_s1_is_the_dcgan_of_28_grey_pixels():
    run = make("dcgan-mnist")
    game = run.game
    assert layers(game.generator) == dcgan_generator(1)
    assert layers(game.discriminator) == DCGAN_DISCRIMINATOR
    assert (count(game.generator), count(game.discriminator)) == dcgan_counts(1)
    assert (count(game.generator), count(game.discriminator)) == (2_305_472, 212_865)
    assert isinstance(game.loss, NonSaturating) and game.latent == Normal(100)
    assert run.update == "alternating" and run.discriminator_steps == 1
    for player in run.players:
        assert (type(player), player.beta1) == (Adam, 0.0)
        rates = [player.schedule(step) for step in (0, 1999, 2000, 2599, 2600, 9999)]
        assert rates == pytest.approx([4e-4, 4e-4, 1.2e-4, 1.2e-4, 3.6e-5, 3.6e-5])
    assert RECIPES["dcgan-mnist"].SETTINGS["batch"] == 128


def test_s1_can_be_played_as_in_the_tutorial():
    run = make("dcgan-mnist", update="simultaneous", lr=1e-4, beta1=0.9, falls=1.0)
    assert run.update == "simultaneous"
    for player in run.players:
        assert {player.schedule(step) for step in range(0, 4000, 50)} == {1e-4}
        assert player.beta1 == 0.9
    with pytest.raises(ValueError, match="falls: got -1"):
        make("dcgan-mnist", falls=-1.0)
    with pytest.raises(ValueError, match="update: got 'both'"):
        make("dcgan-mnist", update="both")


def test_s2_is_the_same_in_colour_with_rmsprop():
    run = make("dcgan-color")
    game = run.game
    assert layers(game.generator) == dcgan_generator(3)
    assert layers(game.discriminator) == DCGAN_DISCRIMINATOR
    assert (count(game.generator), count(game.discriminator)) == dcgan_counts(3)
    assert run.update == "alternating"
    for player in run.players:
        assert (type(player), player.lr, player.rho) == (RMSprop, 2e-4, 0.5)
    assert RECIPES["dcgan-color"].SETTINGS["batch"] == 128


def upsampling_generator(base, doublings):
    enlarge = ["UpSampling2D 2", "Conv2D 128 3 1 same", "LeakyReLU 0.2", "BatchNorm decay=0.8"]
    return [
        f"Dense {base * base * 128}",
        "LeakyReLU 0.2",
        "BatchNorm decay=0.8",
        f"Reshape {base} {base} 128",
        *enlarge * doublings,
        "Conv2D 3 3 1 same",
        "Tanh",
    ]


UPSAMPLING_DISCRIMINATOR = [
    "Conv2D 64 3 1 same",
    "LeakyReLU 0.2",
    *[
        part
        for filters in (128, 256, 512)
        for part in (f"Conv2D {filters} 3 1 same", "BatchNorm decay=0.8", "LeakyReLU 0.2")
    ],
    "GlobalAveragePooling2D",
    "Dense 1",
    "Sigmoid",
]


def test_s3_enlarges_by_repeating_pixels():
    run = make("upsampling")
    game = run.game
    assert layers(game.generator) == upsampling_generator(7, 2)
    assert layers(game.discriminator) == UPSAMPLING_DISCRIMINATOR
    dense, convolution = 100 * 6272 + 6272, 3 * 3 * 128 * 128 + 128
    assert count(game.generator) == (
        dense + 2 * 6272 + 2 * (convolution + 2 * 128) + 3 * 3 * 128 * 3 + 3
    )
    sides = [(3, 64), (64, 128), (128, 256), (256, 512)]
    convolutions = sum(3 * 3 * a * b + b for a, b in sides)
    assert count(game.discriminator) == convolutions + 2 * (128 + 256 + 512) + 512 + 1
    assert game.loss == BinaryCrossEntropy(mean_of_terms=True)
    assert game.latent == Uniform(100, -1.0, 1.0)
    assert run.update == "alternating"
    for player in run.players:
        assert (type(player), player.lr, player.beta1) == (Adam, 2e-4, 0.5)


@pytest.mark.parametrize("size, base, doublings", [(28, 7, 2), (64, 8, 3), (256, 8, 5)])
def test_s3_makes_the_size_that_its_discriminator_takes(size, base, doublings):
    assert upsampling.base_and_doublings(size) == (base, doublings)
    generator, discriminator = upsampling.networks(size, 3)
    assert layers(generator) == upsampling_generator(base, doublings)
    if size < 256:  # at 256 the trial pass through the discriminator takes gigabytes
        game = make("upsampling", (size, size, 3)).game
        assert game.image_shape() == (size, size, 3)
        assert game.discriminator._shapes == ((None, size, size, 3),)


@pytest.mark.parametrize("size", [30, 7, 8, 1, 36])
def test_s3_refuses_a_size_that_no_doubling_makes(size):
    with pytest.raises(ValueError, match=f"size: {size} is not 4 to 8 pixels doubled"):
        make("upsampling", (size, size, 3))


def test_s4_is_two_layers_against_two():
    run = make("mlp-mnist")
    game = run.game
    assert layers(game.generator) == [
        "Dense 128",
        "ReLU",
        "Dense 784",
        "Reshape 28 28 1",
        "Sigmoid",
    ]
    assert layers(game.discriminator) == ["Flatten", "Dense 128", "ReLU", "Dense 1", "Sigmoid"]
    assert count(game.generator) == 100 * 128 + 128 + 128 * 784 + 784
    assert count(game.discriminator) == 784 * 128 + 128 + 128 + 1
    assert game.loss == BinaryCrossEntropy() and game.latent == Normal(100)
    assert game.image_range == (0.0, 1.0)
    for player in run.players:
        assert (type(player), player.lr) == (Adam, 2e-4)
    assert RECIPES["mlp-mnist"].SETTINGS["batch"] == 100


def test_c4_is_the_dcgan_of_64_pixels_as_published():
    game = make("dcgan64", width=1.0).game
    ups = [100 * 16 * 1024, *(25 * a * b for a, b in ((1024, 512), (512, 256), (256, 128)))]
    downs = [25 * a * b for a, b in ((3, 128), (128, 256), (256, 512), (512, 1024))]
    norms = 2 * 16 * 1024, 2 * (512 + 256 + 128), 2 * (256 + 512 + 1024)
    assert count(game.generator) == sum(ups) + norms[0] + norms[1] + 25 * 128 * 3 + 3
    assert count(game.discriminator) == sum(downs) + 128 + norms[2] + 4 * 4 * 1024 + 1
    for network in (game.generator, game.discriminator):
        for name, p in network.named_parameters().items():
            if name.endswith("weight") and p.size > 10_000:
                assert abs(p.numpy().std() - 0.02) < 0.001


def test_sn_gan_has_spectral_norm_around_every_weight_of_the_discriminator():
    game = make("sn-gan").game
    weights = [name for name in game.discriminator.named_parameters() if "weight" in name]
    assert len(weights) == 11 and all("layer.weight" in name for name in weights)
    assert "SpectralNorm" not in repr(game.generator)


def test_mapping_has_dcgans_networks_after_and_before_dense_layers():
    game = make("mapping", width=1).game
    made, judged = (
        [layer for layer in layers(network) if layer.startswith(("Dense", "Conv"))]
        for network in (game.generator, game.discriminator)
    )
    assert made == [
        *["Dense 1024 use_bias=False"] * 2,
        "Dense 12544 use_bias=False",
        "Conv2DTranspose 128 5 2 same use_bias=False",
        "Conv2DTranspose 1 5 2 same",
    ]
    convolutions = ["Conv2D 64 5 2 same", "Conv2D 128 5 2 same", "Conv2D 128 3 1 same"]
    assert judged == [*convolutions, "Dense 1024", "Dense 1", "Dense 128", "Dense 50"]
    assert [type(cure).__name__ for cure in game.cures] == ["R1", "Information"]


def test_a_hundred_labels_are_a_tenth_of_what_semi_supervised_learning_sees(tmp_path):
    path = saved(fake_pictures((28, 28, 1), 900), tmp_path)
    images = RECIPES["semi-supervised"].load_data({"labels": 20, "classes": 10}, path)
    known = images.labels >= 0
    assert len(images) == 1000 and known.sum() == 100
    assert len(np.unique(images.pixels[known].reshape(100, -1), axis=0)) == 20
    assert np.bincount(images.labels[known]).tolist() == [10] * 10
    assert (images.labels[:900] == -1).all()
    assert ": 900 without labels, 20 of them again with theirs, repeated to 100>" in repr(images)
    with pytest.raises(ValueError, match="labels: got 5, wanted at least 10"):
        RECIPES["semi-supervised"].load_data({"labels": 5, "classes": 10}, path)
    with pytest.raises(ValueError, match=r"classes: got 2, but .* labels are \[0, 1, 2,"):
        RECIPES["semi-supervised"].load_data({"labels": 20, "classes": 2}, path)


@pytest.mark.parametrize("name", ["conditional", "projection", "ac-gan", "semi-supervised"])
@pytest.mark.parametrize("classes", [-1, 0, 1])
def test_recipes_with_labels_want_two_classes_at_least(name, classes, tmp_path):
    recipe, path = RECIPES[name], saved(fake_pictures((28, 28, 1)), tmp_path)
    with pytest.raises(
        ValueError, match=f"classes: got {classes}, wanted a whole number of at least 2"
    ):
        images = recipe.load_data({**recipe.SETTINGS, "classes": classes}, path)
        make(name, images.shape, classes=classes)


# Running


def fake_pictures(shape, count=10, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, *shape)).astype(np.uint8)
    return from_arrays(pixels, np.arange(count) % 10)


def saved(images, folder):
    """The path of a file that holds them."""
    np.savez(folder / "pictures.npz", images=images.pixels, labels=images.labels)
    return str(folder / "pictures.npz")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains(name):
    run = make(name)
    report = run.fit(fake_pictures(SHAPES[name]), 2, batch=2)
    assert report.step == 2
    for number in (report.discriminator_loss, report.generator_loss):
        assert np.isfinite(number)
    low, high = run.image_range
    images = run.sample(2)
    assert images.shape == (2, *SHAPES[name])
    assert low <= images.min() < images.max() <= high


# Settings. Where they are used: by the command (steps, batch), by load_data or by make_trainer.


class Noting(dict):
    """A dict that remembers which keys were asked for."""

    def __init__(self, *args):
        super().__init__(*args)
        self.asked = {"steps", "batch"}

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_is_read(name, tmp_path):
    recipe = RECIPES[name]
    settings = Noting(recipe.SETTINGS)
    images = recipe.load_data(settings, saved(fake_pictures(SHAPES[name]), tmp_path))
    recipe.make_trainer(settings, images.shape, 0, devices.default())
    assert settings.asked == recipe.SETTINGS.keys()


OTHERS = {
    "lr": 0.01,
    "last_lr": 1e-4,
    "beta1": 0.9,
    "rho": 0.99,
    "update": "simultaneous",
    "hidden": 16,
    "pieces": 3,
    "attention": True,
    "latent": 5,
    "width": 8,
    "dropout": 0.1,
    "average": 0.05,  # of the first steps only one this small differs from the ramp
    "loss": "minimax",
    "clip": 0.003,
    "penalty": 1.0,
    "critic_steps": 2,
    "discriminator_lr": 0.01,
    "generator_lr": 0.01,
    "labels": False,
    "noise": "uniform",
    "continuous": 2.0,
    "codes": 10,
    "classes": 12,
}
FACTOR = 0.3  # of a width that is a factor, not a number of channels


@pytest.mark.filterwarnings("ignore::minigan.errors.HealthWarning")  # of a rate that is too high
@pytest.mark.parametrize(
    "name, key",
    [
        (name, key)
        for name, recipe in RECIPES.items()
        for key in recipe.SETTINGS
        if key not in ("steps", "batch", "size", "fit")  # those shape the data, see above
        if (name, key) != ("semi-supervised", "labels")  # that too
        if key != "falls"  # after the first 2,000 steps
    ],
)
def test_every_setting_of_a_trainer_changes_the_run(name, key):
    recipe = RECIPES[name]
    other = FACTOR if key == "width" and name != "digits" else OTHERS[key]
    assert recipe.SETTINGS[key] != other
    states = []
    for changes in ({}, {key: other}):
        run = make(name, **changes)
        run.fit(fake_pictures(SHAPES[name]), 2, batch=2)
        states.append(run.state())
    first, second = states
    assert first.keys() == second.keys() or key in ("labels", "attention", "pieces")
    assert first.keys() != second.keys() or any(
        first[n].shape != second[n].shape or not np.array_equal(first[n], second[n])
        for n in first
        if not n.endswith(".lr")
    )


@pytest.mark.parametrize("name", RECIPES)
def test_data_of_ones_own_comes_in_the_recipes_shape(name, tmp_path):
    recipe = RECIPES[name]
    path = saved(fake_pictures((40, 32, 3)), tmp_path)
    images = recipe.load_data(dict(recipe.SETTINGS), path)
    assert images.shape == SHAPES[name]
    assert len(images) == (20 if name == "semi-supervised" else 10)


@pytest.mark.parametrize("fit, expected", [("crop", {90}), ("resize", {10, 90, 170})])
def test_fit_and_size_shape_the_photographs(tmp_path, fit, expected):
    # Three vertical bands, of which a centred crop to a square shows the middle one.
    pixels = np.repeat(np.array([10, 90, 170], np.uint8), 64)[None, None, :, None]
    np.save(tmp_path / "bands.npy", np.broadcast_to(pixels, (2, 64, 192, 3)))
    recipe = RECIPES["upsampling"]
    settings = {**recipe.SETTINGS, "size": 64, "fit": fit}
    images = recipe.load_data(settings, str(tmp_path / "bands.npy"))
    assert images.shape == (64, 64, 3)
    assert set(images.pixels[:, :, [2, 32, 61]].ravel().tolist()) == expected


@pytest.mark.parametrize("name", ["dcgan-color", "upsampling", "dcgan64"])
def test_a_recipe_for_photographs_asks_for_some(name):
    with pytest.raises(ValueError, match="name a folder with --data"):
        RECIPES[name].load_data(dict(RECIPES[name].SETTINGS), None)


def test_digits_are_in_the_package_and_some_are_held_out():
    recipe = RECIPES["digits"]
    images = recipe.load_data(dict(recipe.SETTINGS), None)
    assert images.shape == (8, 8, 1)
    assert len(images) == 1797 - recipe.HELD_OUT == 1437


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_with_data_of_its_own_holds_some_out(name, data_folder):
    recipe = RECIPES[name]
    if name in ("dcgan-color", "upsampling", "dcgan64"):
        assert not hasattr(recipe, "held_out")
        return
    images, others = recipe.load_data(dict(recipe.SETTINGS), None), recipe.held_out()
    assert (others.shape, len(others)) == (images.shape, 360 if name == "digits" else 10_000)
    known = {one.tobytes() for one in images.pixels}
    assert not any(one.tobytes() in known for one in others.pixels)


@pytest.mark.parametrize("name", ["dcgan-mnist", "mlp-mnist"])
def test_mnist_is_found(name, data_folder):
    recipe = RECIPES[name]
    images = recipe.load_data(dict(recipe.SETTINGS), str(data_folder / "mnist"))
    assert images.shape == (28, 28, 1) and len(images) == 60_000


@pytest.mark.parametrize("name", ["digits", "mlp-mnist"])
def test_a_recipe_is_a_function_of_its_seed(name):
    def state(seed):
        run = make(name, seed=seed)
        run.fit(fake_pictures(SHAPES[name]), 2, batch=2)
        return {n: a.tobytes() for n, a in run.state().items()}

    assert state(3) == state(3) != state(4)


def test_the_upsampling_discriminator_can_tell_batches_apart():
    """Batch norm right before the pooling made its mean the same on every batch."""
    _, discriminator = upsampling.networks(28, 3)
    discriminator.build((None, 28, 28, 3), seed=0).train()
    rng = np.random.default_rng(0)
    dark, noisy = np.full((2, 28, 28, 3), -0.9), rng.uniform(-1, 1, (2, 28, 28, 3))
    dark[:, 8:20, 8:20] = 0.9
    means = [discriminator(x.astype(np.float32)).numpy().mean() for x in (dark, noisy)]
    assert abs(means[0] - means[1]) > 1e-3
