"""Tensors on a GPU: what they give to the processor, and what they take from it."""

from __future__ import annotations

import copy

import games
import numpy as np
import pytest

import minigan as mg
from minigan import nn, ops
from minigan.errors import DeviceError, StaleTensorError
from minigan.gan import inside

VALUES = np.array([[1.5, -2.0, 0.25], [3.0, 0.5, -1.0]])


@pytest.fixture
def x(cupy):
    return mg.Tensor(VALUES, requires_grad=True, device="cuda")


def test_a_tensor_shows_its_values(x):
    assert repr(x).endswith("dtype=float64, device=cuda:0, requires_grad)") and "1.5" in repr(x)
    assert x[0, 0].item() == float(x[0, 0]) == 1.5 and f"{x[1, 0]:.1f}" == "3.0"
    assert bool(x[1, 1]) and len(x) == 2 and [row.shape for row in x] == [(3,), (3,)]
    assert type(x.numpy()) is np.ndarray and x.numpy().tolist() == VALUES.tolist()
    assert mg.backend.device_of(x.data) == "cuda:0"
    with mg.no_grad():
        assert np.asarray(x).tolist() == VALUES.tolist()


def test_numpys_functions_and_operators_track(x):
    y = (np.tanh(x) * 2 + 1 / np.exp(x) - np.float64(3)).sum()
    (g,) = mg.grad(y, x)
    wanted = 2 * (1 - np.tanh(VALUES) ** 2) - np.exp(-VALUES)
    assert y.device == g.device == "cuda:0"
    np.testing.assert_allclose(g.numpy(), wanted, 1e-12)


def test_comparisons_give_masks_there(x):
    mask = x > 0
    assert mg.backend.device_of(mask) == "cuda:0"
    assert x[mask].numpy().tolist() == VALUES[VALUES > 0].tolist()
    assert ops.where(mask, x, 0.0).numpy().tolist() == np.where(VALUES > 0, VALUES, 0).tolist()


def test_what_is_compared_is_on_one_device(x):
    wanted = (VALUES > 1).tolist()
    for one in (1, np.float64(1), np.array(1.0)):
        assert (x > one).tolist() == ops.less(one, x).tolist() == wanted
    for left, right in ((x, VALUES), (VALUES, x), (x, [1.0, 2.0, 3.0])):
        with pytest.raises(DeviceError, match="got arrays on cpu and on cuda:0"):
            ops.greater(left, right)


def test_a_view_of_a_parameter_is_copied_as_a_constant(x):
    parameter = mg.Tensor(VALUES, device="cuda")
    y = (x * parameter.data).sum()
    parameter.assign(2 * VALUES)
    assert mg.grad(y, x)[0].numpy().tolist() == VALUES.tolist()


def test_indices_may_be_numpys(x):
    rows = np.array([1, 0, 1])
    (g,) = mg.grad(x[rows].sum(), x)
    assert x[rows].numpy().tolist() == VALUES[rows].tolist()
    assert g.numpy().tolist() == [[1] * 3, [2] * 3]
    assert ops.embedding(x, [1, 1]).numpy().tolist() == VALUES[[1, 1]].tolist()
    with pytest.raises(IndexError, match="got values from 0 to 2, wanted 0 to 1"):
        ops.embedding(x, [0, 2])
    with pytest.raises(IndexError, match="index -3 is out of bounds for axis 0 with size 2"):
        ops.take(x, [0, -3], 0)


@pytest.mark.parametrize("value", [VALUES + 1, (VALUES + 1).tolist(), mg.Tensor(VALUES + 1)])
def test_a_leaf_is_written_from_the_cpu(x, value):
    array = x._array
    x.assign(value)
    assert x._array is array and x.numpy().tolist() == (VALUES + 1).tolist()


def test_a_leaf_on_the_cpu_is_written_from_the_gpu(x):
    here = mg.Tensor(np.zeros((2, 3)))
    here.assign(x)
    assert here.device == "cpu" and here.numpy().tolist() == VALUES.tolist()


def test_a_stale_array_is_noticed(x):
    y = (x * x).sum()
    x.assign(VALUES)
    with pytest.raises(StaleTensorError):
        mg.grad(y, x)


def test_gradients_have_arrays_of_their_own(x):
    a, b = mg.grad((x + x.reshape(3, 2).reshape(2, 3)).sum() + x.T.sum(), [x, x])
    assert a._array is not b._array and a._array.base is None
    x.sum().backward()
    x.sum().backward()
    assert x.grad.numpy().tolist() == [[2] * 3] * 2


def test_copies_stay_there(x):
    twin = copy.deepcopy(x)
    twin.assign(0.0 * VALUES)
    assert twin.device == "cuda:0" and x.numpy().tolist() == VALUES.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_stay_what_they_are(cupy, dtype):
    x = mg.Tensor(VALUES, dtype=dtype, requires_grad=True, device="cuda")
    for function in (
        lambda x: x * 0.5 + np.float64(1) - np.array(2),
        lambda x: ops.leaky_relu(ops.relu(x), 0.2) ** 2,
        lambda x: ops.sigmoid(ops.clip(x, -1, 1)),
        lambda x: ops.softmax(x) + ops.logsumexp(x) * ops.norm(x),
        lambda x: ops.normalize(x, -1) / x.max() + x.mean(),
        lambda x: ops.batch_norm(x, x[0], x[1]),
    ):
        y = function(x)
        (g,) = mg.grad(y.sum(), x)
        assert y.dtype == g.dtype == dtype and y.device == g.device == "cuda:0"


def test_large_arrays_are_worked_on_whole(cupy):
    """Beyond the sizes at which the CPU cuts arrays into blocks, in buffers, by several threads."""
    values = np.random.default_rng(0).normal(size=(40, 24, 24, 8))

    def gradients(device):
        x = mg.Tensor(values, requires_grad=True, device=device)
        w = mg.Tensor(np.ones((3, 3, 8, 4)) / 72, requires_grad=True, device=device)
        scale = mg.Tensor(np.arange(1.0, 5), requires_grad=True, device=device)
        with mg.Buffers().in_use():
            y = ops.leaky_relu(ops.batch_norm(ops.conv2d(x, w, 2, "same"), scale, scale), 0.2)
            y = ops.dropout(y, 0.5, mg.random.Stream(3))
            return [g.numpy() for g in mg.grad((y * y).mean(), [x, w, scale])]

    for here, there in zip(gradients("cpu"), gradients("cuda"), strict=True):
        assert np.linalg.norm(there - here) <= 1e-10 * np.linalg.norm(here)


def test_what_a_generator_on_a_gpu_has_learnt_can_be_looked_at(cupy):
    noise = np.random.default_rng(0).normal(size=(2, games.LATENT))
    found = []
    for device in ("cpu", "cuda"):
        game = games.trainer(dtype="float64", device=device).game
        images = mg.backend.to_device(games.pictures(3).astype("float64"), device)
        found.append(
            [
                inside.generate(game.generator, noise),
                inside.metric(game.generator, noise),
                *inside.saliency(game.judge, images),
                list(inside.singular_values(game.discriminator).values()),
                inside.activations(game.discriminator, images, kinds=(nn.Dense,))[0][1],
            ]
        )
    for here, there in zip(*found, strict=True):
        np.testing.assert_allclose(there, here, 1e-9)


def test_a_network_of_layers_that_were_moved_is_built_there(cupy):
    parts = [nn.Dense(3), nn.Dense(2)]
    nn.Sequential(*parts).build((None, 4), seed=0).to("cuda")
    assert nn.Sequential(*parts).summary((None, 4))
    ones = mg.Tensor(np.ones((2, 4), "float32"), device="cuda")
    assert nn.Sequential(*parts)(ones).device == "cuda:0"
