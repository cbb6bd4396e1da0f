"""Layers that look at the batch, or at a batch of reference, against loops over samples."""

import math

import numpy as np
import pytest
import references

import minigan as mg
from minigan import nn
from minigan.testing.values import values


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)


# Minibatch discrimination


def test_each_sample_is_told_how_near_the_others_are():
    module = nn.MinibatchDiscrimination(2, 3, dtype="float64").build((None, 4), seed=0)
    x, T = values(0, (5, 4)), module.T.numpy()
    assert T.shape == (4, 2, 3)
    M = [[[sum(x[i, a] * T[a, b, c] for a in range(4)) for c in range(3)] for b in range(2)]
         for i in range(5)]  # fmt: skip
    expected = [
        [
            sum(math.exp(-sum(abs(M[i][b][c] - M[j][b][c]) for c in range(3))) for j in range(5))
            for b in range(2)
        ]
        for i in range(5)
    ]
    close(module(x).numpy(), np.hstack([x, expected]))


def test_samples_that_are_the_same_are_as_near_as_can_be():
    module = nn.MinibatchDiscrimination(3, 2, dtype="float64")
    x = mg.Tensor(np.repeat(values(0, (1, 4)), 6, 0), requires_grad=True)
    y = module(x)
    assert np.array_equal(y.numpy()[:, 4:], np.full((6, 3), 6.0))
    (g,) = mg.grad(y[:, 4:].sum(), [x])
    assert not g.numpy().any()


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0)])
def test_kernels_and_dims_are_at_least_one(arguments):
    with pytest.raises(
        ValueError, match="(kernels|dims): got 0, wanted a whole number of at least 1"
    ):
        nn.MinibatchDiscrimination(*arguments)


def test_maps_are_no_features():
    with pytest.raises(ValueError, match=r"wanted features \(N, A\)"):
        nn.MinibatchDiscrimination(2, 2).build((None, 4, 4, 1))


# Minibatch standard deviation


@pytest.mark.parametrize(("group", "size"), [(3, 3), (2, 2), (None, 6), (6, 6), (9, 6), (1, 1)])
@pytest.mark.parametrize("rest", [(4,), (2, 3, 2)])
def test_each_group_gets_the_mean_of_its_standard_deviations(group, size, rest):
    x = values(0, (6, *rest))
    y = nn.MinibatchStdDev(group)(x).numpy()
    assert y.shape == (*x.shape[:-1], x.shape[-1] + 1)
    assert np.array_equal(y[..., :-1], x)
    for start in range(0, 6, size):
        part, deviations = x[start : start + size], []
        for index in np.ndindex(*rest):
            column = [float(v) for v in part[(slice(None), *index)]]
            centre = math.fsum(column) / size
            deviations.append(math.sqrt(math.fsum((v - centre) ** 2 for v in column) / size))
        close(y[start : start + size, ..., -1], math.fsum(deviations) / len(deviations))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_batch_without_variety_has_the_deviation_and_the_gradient_zero(dtype):
    x = mg.Tensor(np.ones((4, 2, 2, 3)), requires_grad=True, dtype=dtype)
    y = nn.MinibatchStdDev()(x)
    (g,) = mg.grad(y[..., -1].sum(), [x])
    assert not y.numpy()[..., -1].any() and not g.numpy().any()


def test_a_batch_that_makes_no_groups_is_refused():
    with pytest.raises(ValueError, match="a batch of 6 makes no groups of 4; group=None"):
        nn.MinibatchStdDev()(np.ones((6, 3)))
    with pytest.raises(ValueError, match="group: got 0"):
        nn.MinibatchStdDev(0)


# Virtual batch normalisation


@pytest.mark.parametrize("rest", [(), (3,), (2, 2)])
def test_a_sample_is_normalised_with_the_reference_and_itself(rest):
    norm = nn.VirtualBatchNorm(eps=0.05, dtype="float64")
    module = nn.VirtualBatch(norm, 4).build((None, *rest, 3), seed=0)
    norm.gamma.assign(values(1, (3,)))
    norm.beta.assign(values(2, (3,)))
    x, reference = 2 * values(0, (5, *rest, 3)) + 1, module.reference.numpy()
    axes = tuple(range(x.ndim - 1))
    expected = [
        references.normalize(np.concatenate([reference, x[i : i + 1]]), axes, 0.05)[-1]
        for i in range(5)
    ]
    close(module(x).numpy(), np.array(expected) * norm.gamma.numpy() + norm.beta.numpy())


def test_the_references_own_samples_are_normalised_by_theirs():
    norm = nn.VirtualBatchNorm(eps=0.05, dtype="float64")
    module = nn.VirtualBatch(norm, 4).build((None, 3), seed=0)
    seen = []
    with nn.watch(lambda m, y: seen.append(y.numpy()) if m is norm else None):
        module(values(0, (2, 3)))
    close(seen[0][:4], references.normalize(module.reference.numpy(), (0,), 0.05))


def test_the_reference_goes_through_the_network_with_its_present_weights():
    dense, norm = (
        nn.Dense(3, use_bias=False, dtype="float64"),
        nn.VirtualBatchNorm(dtype="float64"),
    )
    module = nn.VirtualBatch(nn.Sequential(dense, norm), 8).build((None, 4), seed=0)
    x = values(0, (3, 4))
    before = module(x).numpy()
    dense.weight.assign(1000 * dense.weight.numpy())
    np.testing.assert_allclose(module(x).numpy(), before, rtol=0.02)  # but for eps


def test_no_sample_depends_on_its_batch_in_training():
    network = nn.Sequential(nn.Dense(3, dtype="float64"), nn.VirtualBatchNorm(dtype="float64"))
    module = nn.VirtualBatch(network, 4).build((None, 2), seed=0)
    assert module.is_per_sample and module.in_training
    x = values(0, (3, 2))
    close(module(x).numpy(), np.concatenate([module(x[i : i + 1]).numpy() for i in range(3)]))


def test_the_reference_is_drawn_from_the_seed_kept_and_can_be_given():
    def made(seed):
        return nn.VirtualBatch(nn.VirtualBatchNorm(), 16).build((None, 3), seed=seed)

    a, b, c = (made(seed).reference.numpy() for seed in (0, 0, 1))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert abs(a).max() > 1 and a.shape == (16, 3)
    module = made(0)
    assert list(module.named_parameters()) == ["network.gamma", "network.beta"]
    module.reference.assign(np.arange(48).reshape(16, 3))
    copied = made(5)
    copied.load_state_dict(module.state_dict())
    x = np.ones((2, 3), "f4")
    assert np.array_equal(copied(x).numpy(), module(x).numpy())


def test_the_reference_has_all_classes_by_turns_where_the_network_takes_labels():
    network = nn.Sequential(
        nn.LabelConcat(3), nn.Dense(4, dtype="float64"), nn.VirtualBatchNorm(dtype="float64")
    )
    module = nn.VirtualBatch(network, 7, classes=3).build((None, 2), (None,), seed=0)
    x, labels = values(0, (5, 2)), np.array([2, 2, 0, 1, 2])
    told = np.eye(3)[[0, 1, 2, 0, 1, 2, 0, *labels]]
    both = np.hstack([np.concatenate([module.reference.numpy(), x]), told])
    dense, norm = network[1], network[2]
    y = both @ dense.weight.numpy() + dense.bias.numpy()
    expected = [
        references.normalize(np.concatenate([y[:7], y[7 + i : 8 + i]]), (0,), norm.eps)[-1]
        for i in range(5)
    ]
    close(module(x, labels).numpy(), np.array(expected))


def test_a_reference_without_classes_takes_no_labels():
    network = nn.Sequential(nn.LabelConcat(3), nn.VirtualBatchNorm())
    with pytest.raises(ValueError, match=r"got labels, .* pass VirtualBatch\(network, classes=…\)"):
        nn.VirtualBatch(network).build((None, 2), (None,))
    with pytest.raises(ValueError, match="classes: got 0"):
        nn.VirtualBatch(network, classes=0)


def test_a_network_without_a_reference_is_refused_with_what_to_do():
    with pytest.raises(RuntimeError, match=r"put its network in nn.VirtualBatch\(network\)"):
        nn.Sequential(nn.VirtualBatchNorm()).build((None, 3))
    module = nn.VirtualBatch(nn.VirtualBatchNorm(), 2).build((None, 3))
    with pytest.raises(RuntimeError, match="no reference batch"):  # its end ends the reference
        module.network(np.ones((2, 3), "f4"))
    with pytest.raises(ValueError, match="size: got 1"):
        nn.VirtualBatch(nn.ReLU(), 1)
