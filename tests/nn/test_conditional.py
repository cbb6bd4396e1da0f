"""Layers that take labels, and how labels reach them."""

import numpy as np
import pytest
import references

from minigan import nn
from minigan.testing.values import values

LABELS = np.array([2, 0, 2, 1])
F64 = {"dtype": "float64"}


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)


def made(module, shape, seed=0):
    """Built, with random parameters."""
    module.build((None, *shape), (None,), seed=seed)
    for i, parameter in enumerate(module.parameters()):
        parameter.assign(values(i, parameter.shape))
    return module


# Conditional batch normalisation


@pytest.mark.parametrize("rest", [(3,), (2, 2, 3)])
def test_each_sample_has_its_labels_gamma_and_beta(rest):
    module = made(nn.ConditionalBatchNorm(3, eps=0.05, **F64), rest)
    x = 3 * values(0, (4, *rest)) + 5
    normal = references.normalize(x, tuple(range(x.ndim - 1)), 0.05)
    gamma, beta = module.gamma.weight.numpy(), module.beta.weight.numpy()
    expected = [n * gamma[y] + beta[y] for n, y in zip(normal, LABELS, strict=True)]
    close(module(x, LABELS).numpy(), expected)


@pytest.mark.parametrize("training", [True, False])
def test_it_begins_as_batch_norm_and_keeps_the_same_statistics(training):
    ours, plain = nn.ConditionalBatchNorm(3, decay=0.7, **F64), nn.BatchNorm(decay=0.7, **F64)
    for seed in range(3):
        x = 2 * values(seed, (4, 2, 2, 3)) + 1
        with nn.training(training):
            close(ours(x, LABELS).numpy(), plain(x).numpy())
    close(ours.norm.running_mean.numpy(), plain.running_mean.numpy())
    close(ours.norm.running_var.numpy(), plain.running_var.numpy())
    state = {"gamma.weight", "beta.weight", "norm.running_mean", "norm.running_var"}
    assert set(ours.named_state()) == state


def test_batch_norm_without_gamma_and_beta_is_the_normalised_x():
    norm = nn.BatchNorm(eps=0.05, affine=False, **F64)
    x = 3 * values(0, (5, 3)) + 5
    close(norm(x).numpy(), references.normalize(x, (0,), 0.05))
    assert norm.parameters() == []
    mean, var = norm.running_mean.numpy(), norm.running_var.numpy()
    close(norm.eval()(x).numpy(), (x - mean) / np.sqrt(var + 0.05))


# Labels as channels


def test_one_hot_labels_are_more_channels():
    x = values(0, (4, 2))
    y = nn.LabelConcat(3)(x, LABELS).numpy()
    expected = [[*x[i], *(float(LABELS[i] == k) for k in range(3))] for i in range(4)]
    assert np.array_equal(y, expected)


def test_maps_get_them_at_each_position():
    x = values(0, (4, 2, 3, 2)).astype("f4")
    y = nn.LabelConcat(3)(x, LABELS).numpy()
    assert y.shape == (4, 2, 3, 5) and y.dtype == np.float32
    for i, p, q in np.ndindex(4, 2, 3):
        assert np.array_equal(y[i, p, q], [*x[i, p, q], *np.eye(3)[LABELS[i]]])


def test_an_embedding_takes_the_place_of_one_hot():
    module = made(nn.LabelConcat(3, embedding=2, **F64), (4,))
    x, table = values(0, (4, 4)), module.embedding.weight.numpy()
    assert table.shape == (3, 2)
    close(module(x, LABELS).numpy(), np.hstack([x, table[LABELS]]))


# The projection


@pytest.mark.parametrize("spectral", [False, True])
def test_the_projection_is_its_formula(spectral):
    module, phi = made(nn.Projection(3, spectral, **F64), (5,)), values(0, (4, 5))
    logits = module(phi, LABELS).numpy()
    state, layer = module.state_dict(), ".layer" if spectral else ""
    V, w, b = (
        state[name]
        for name in (f"embedding{layer}.weight", f"psi{layer}.weight", f"psi{layer}.bias")
    )
    if spectral:
        V = V / (state["embedding.v"] @ V @ state["embedding.u"])
        w = w / (state["psi.v"] @ w @ state["psi.u"])
    expected = [
        [
            sum(V[y, d] * phi[i, d] for d in range(5))
            + sum(w[d, 0] * phi[i, d] for d in range(5))
            + b[0]
        ]
        for i, y in enumerate(LABELS)
    ]
    close(logits, expected)


# How labels get there


def test_sequential_gives_labels_to_those_that_take_them():
    norm, concat = nn.ConditionalBatchNorm(3), nn.LabelConcat(3)
    inner = nn.Sequential(nn.Tanh(), norm)
    model = nn.Sequential(concat, nn.Dense(4), inner, nn.Projection(3))
    model.build((None, 2), (None,), seed=0)
    x = values(0, (4, 2)).astype("f4")
    y = model(x, LABELS)
    by_hand = model[3](norm(np.tanh(model[1](concat(x, LABELS))), LABELS), LABELS)
    assert np.array_equal(y.numpy(), by_hand.numpy())
    assert not np.array_equal(model(x, LABELS[::-1]).numpy(), y.numpy())


def test_who_takes_a_condition():
    def residual(*layers):
        return nn.Residual(nn.Sequential(*layers))

    assert nn.LabelConcat(2).takes_condition
    assert not nn.Sequential(nn.Dense(2), residual(nn.Tanh())).takes_condition
    assert nn.Sequential(nn.Dense(2), residual(nn.ConditionalBatchNorm(2))).takes_condition
    assert nn.Residual(nn.Tanh(), nn.ConditionalBatchNorm(2)).takes_condition


def test_a_layer_of_ones_own_takes_a_condition_if_it_says_so():
    class Shift(nn.Module):
        takes_condition = True

        def forward(self, x, condition):
            return x + condition

    x = np.ones((2, 3))
    y = nn.Sequential(nn.Tanh(), Shift())(x, 2 * x)  # any condition, as it is called
    close(y.numpy(), np.tanh(1) + 2 * x)


def test_networks_with_labels_go_through_files(tmp_path):
    model = nn.Sequential(
        nn.LabelConcat(3, 2), nn.Residual(nn.Sequential(nn.Dense(4), nn.ConditionalBatchNorm(3)))
    ).build((None, 2), (None,), seed=0)
    nn.save(model, tmp_path / "model.npz")
    loaded = nn.load(tmp_path / "model.npz")
    x = values(0, (4, 2)).astype("f4")
    assert np.array_equal(loaded(x, LABELS).numpy(), model.eval()(x, LABELS).numpy())
    assert "ConditionalBatchNorm" in repr(loaded) and "(None, 4)" in loaded.summary()


def test_labels_that_no_layer_takes_and_those_that_are_missing_are_refused():
    x = np.ones((2, 3), "f4")
    with pytest.raises(TypeError, match=r"Sequential: got 2 input\(s\), wanted x alone"):
        nn.Sequential(nn.Dense(2))(x, [0, 1])
    with pytest.raises(TypeError, match=r"Sequential: got 1 input\(s\), wanted \(x, labels\)"):
        nn.Sequential(nn.LabelConcat(2))(x)


@pytest.mark.parametrize(
    "layer", [nn.LabelConcat(3), nn.LabelConcat(3, 2), nn.ConditionalBatchNorm(3), nn.Projection(3)]
)
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 1, 2], ValueError, r"labels of shape \(3,\), wanted \(4,\)"),
        (np.zeros((4, 1), int), ValueError, r"labels of shape \(4, 1\), wanted \(4,\)"),
        ([0, 1, 2, 3], IndexError, "values from 0 to 3, wanted 0 to 2"),
        ([0, 1, -1, 0], IndexError, "values from -1 to 1"),
        ([0.0, 1.0, 2.0, 0.0], TypeError, "dtype float64, wanted integers"),
    ],
)
def test_labels_that_are_none_are_refused(layer, labels, error, message):
    layer.build((None, 2), (None,), seed=0) if not layer._created else layer
    with pytest.raises(error, match=message):
        layer(np.ones((4, 2), "f4"), labels)


@pytest.mark.parametrize("layer", [nn.LabelConcat, nn.ConditionalBatchNorm, nn.Projection])
def test_there_is_at_least_one_class(layer):
    with pytest.raises(ValueError, match="classes: got 0, wanted a whole number of at least 1"):
        layer(0)
