"""Residual blocks, maxout, and the exports that wait."""

import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.testing.values import values


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)


# Residual


def test_the_shortcut_is_the_input_unless_there_is_one():
    x = values(0, (2, 3))
    close(nn.Residual(nn.Tanh())(x).numpy(), np.tanh(x) + x)
    close(nn.Residual(nn.Tanh(), nn.Sigmoid())(x).numpy(), np.tanh(x) + 1 / (1 + np.exp(-x)))


def up_block(filters):
    """A block of SN-GAN's generator."""
    return nn.Residual(
        nn.Sequential(
            nn.BatchNorm(), nn.ReLU(), nn.UpSampling2D(), nn.Conv2D(filters, 3, padding="same"),
            nn.BatchNorm(), nn.ReLU(), nn.Conv2D(filters, 3, padding="same"),
        ),
        nn.Sequential(nn.UpSampling2D(), nn.Conv2D(filters, 1)),
    )  # fmt: skip


def down_block(filters):
    """A block of its discriminator."""

    def conv(taps):
        return nn.SpectralNorm(nn.Conv2D(filters, taps, padding="same"))

    return nn.Residual(
        nn.Sequential(nn.ReLU(), conv(3), nn.ReLU(), conv(3), nn.AveragePooling2D()),
        nn.Sequential(conv(1), nn.AveragePooling2D()),
    )


def test_a_residual_sn_gan_is_a_sequential_of_blocks_and_trains():
    generator = nn.Sequential(
        nn.Dense(2 * 2 * 6), nn.Reshape(2, 2, 6), up_block(5), up_block(4),
        nn.BatchNorm(), nn.ReLU(), nn.Conv2D(1, 3, padding="same"), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        down_block(4), down_block(5), nn.ReLU(), nn.GlobalAveragePooling2D(),
        nn.SpectralNorm(nn.Dense(1)),
    )  # fmt: skip
    assert critic.is_per_sample and not generator.is_per_sample
    run = mg.gan.Trainer(mg.gan.Game(generator, critic, "hinge", mg.gan.Normal(4)), seed=0)
    before = critic.state_dict()
    run.fit(values(0, (8, 8, 8, 1), "unit").astype("f4"), steps=2, batch=4)
    assert run.game.generator(np.zeros((3, 4), "f4")).shape == (3, 8, 8, 1)
    moved = {n for n, now in critic.state_dict().items() if not np.array_equal(before[n], now)}
    assert moved >= {name for name in before if name.endswith("weight")} | {"0.branch.1.u"}


def test_ways_of_different_shape_are_refused_with_both():
    with pytest.raises(ValueError, match=r"branch gives \(1, 4\) and the shortcut \(1, 3\)"):
        nn.Residual(nn.Dense(4)).build((None, 3))


@pytest.mark.parametrize(
    ("ways", "name"), [((None,), "branch"), ((nn.ReLU(), np.tanh), "shortcut")]
)
def test_anything_but_modules_is_refused_by_name(ways, name):
    with pytest.raises(TypeError, match=f"{name}: got"):
        nn.Residual(*ways)


# Maxout


def test_each_unit_is_the_largest_of_its_pieces():
    module = nn.Maxout(2, 3, dtype="float64").build((None, 4), seed=0)
    module.dense.bias.assign(values(1, (6,)))
    x, w, b = values(0, (5, 4)), module.dense.weight.numpy(), module.dense.bias.numpy()
    expected = [
        [
            max(sum(x[n, a] * w[a, 3 * i + j] for a in range(4)) + b[3 * i + j] for j in range(3))
            for i in range(2)
        ]
        for n in range(5)
    ]
    close(module(x).numpy(), expected)


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0)])
def test_units_and_pieces_are_at_least_one(arguments):
    with pytest.raises(
        ValueError, match="(units|pieces): got 0, wanted a whole number of at least 1"
    ):
        nn.Maxout(*arguments)


# Pixel normalisation


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3, 4)])
def test_every_position_has_a_mean_square_of_one(shape):
    x = 3 * values(0, shape)
    y = nn.PixelNorm(eps=0.05)(x).numpy()
    for index in np.ndindex(shape[:-1]):
        square = sum(float(v) ** 2 for v in x[index]) / shape[-1]
        close(y[index], x[index] / np.sqrt(square + 0.05))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [0.0, 300.0])
def test_nothing_and_much_are_normalised_in_any_dtype(dtype, size):
    x = mg.Tensor(np.full((2, 4), size), requires_grad=True, dtype=dtype)
    y = nn.PixelNorm()(x)
    (g,) = mg.grad(y.sum(), [x])
    assert y.dtype == g.dtype == dtype and np.isfinite(g.numpy()).all()
    np.testing.assert_allclose(y.numpy(), float(size > 0), atol=1e-3)


def test_pixel_norms_eps_is_positive():
    with pytest.raises(ValueError, match="eps: got 0"):
        nn.PixelNorm(eps=0)


# Exports that wait


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()


def test_layers_that_wait_are_imported_when_asked_for():
    program = (
        "import sys, minigan.nn as nn\n"
        "later = {f'minigan.nn.{file}' for file in nn._LATER.values()}\n"
        "print(len(later & set(sys.modules)))\n"
        "nn.Maxout\n"
        "print(*sorted(later & set(sys.modules)))\n"
        "print(len(nn.LAYERS), len(later - set(sys.modules)))\n"
    )
    first, file, count, left = run(program)
    assert (first, file, int(count), left) == ("0", "minigan.nn.blocks", len(nn.LAYERS), "0")


def test_names_are_listed_before_they_are_imported_and_others_are_refused():
    assert set(nn._LATER) <= set(nn.__all__) <= set(dir(nn))
    for name, file in nn._LATER.items():
        assert getattr(nn, name).__module__ == f"minigan.nn.{file}"
    with pytest.raises(AttributeError, match="'minigan.nn' has no attribute 'Maxin'"):
        _ = nn.Maxin


def test_a_file_is_loaded_in_a_process_that_has_imported_none_of_them(tmp_path):
    model = nn.Sequential(nn.Maxout(2), nn.SpectralNorm(nn.Dense(1))).build((None, 3), seed=0)
    nn.save(model, tmp_path / "m.npz")
    program = f"from minigan import nn; print(nn.load({str(tmp_path / 'm.npz')!r})[1].u.shape)"
    assert run(program) == ["(1,)"]
