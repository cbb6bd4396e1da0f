"""Every layer against PyTorch's module with the same weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minigan import nn
from minigan.testing.strategies import seeds, values

pytestmark = pytest.mark.reference

WITHOUT = {
    "Dropout": "draws its mask from another generator; the function is compared under one mask",
    **dict.fromkeys(nn._LATER, "PyTorch has none such; the loops of tests/nn are its reference"),
    "PixelNorm": "the same, as PyTorch's RMSNorm is not in its older versions",
    "Sequential": "holds layers; the critic of test_torch_critic is one",
}


@pytest.fixture(scope="module")
def pairs(torch):
    from reference.layers import PAIRS

    return PAIRS


def test_every_layer_is_compared(pairs):
    assert pairs.keys() | WITHOUT.keys() == nn.LAYERS.keys()


@pytest.mark.parametrize("name", sorted(nn.LAYERS.keys() - WITHOUT.keys()))
def test_layers_and_their_derivatives_are_pytorchs(name, agree, pairs):
    found = []

    @examples(60)
    @given(pairs[name])
    def check(pair):
        found.append(agree(pair.call_ours, pair.call_theirs, pair.arrays).largest())

    check()
    assert any(each["gradients"] > 0 for each in found)


@examples(30)
@given(seeds(), st.integers(2, 5), st.integers(1, 4), st.floats(0.1, 0.95))
def test_batch_norms_running_statistics_but_for_pytorchs_unbiased_variance(
    agree, torch, seed, count, channels, decay
):
    """With n samples PyTorch moves its variance towards n/(n − 1) times the batch's."""
    ours = nn.BatchNorm(decay=decay, eps=0.01).build((None, channels), seed=0).to("float64")
    theirs = torch.nn.BatchNorm1d(channels, eps=0.01, momentum=1 - decay).double()
    for step in range(3):
        batch = 3 + 2 * values(seed + step, (count, channels))
        ours(batch)
        theirs(torch.tensor(batch))
    mean, biased = ours.running_mean.numpy(), ours.running_var.numpy()
    np.testing.assert_allclose(mean, theirs.running_mean.numpy(), rtol=1e-9)
    rest = decay**3  # of the ones that both start from
    unbiased = rest + (biased - rest) * count / (count - 1)
    np.testing.assert_allclose(unbiased, theirs.running_var.numpy(), rtol=1e-9)

    ours.eval()
    inputs = [values(seed + i, (count, channels)) for i in (3, 4, 5)]
    settings = {"training": False, "eps": 0.01}

    def evaluated(x, gamma, beta):
        ours.gamma, ours.beta = gamma[0], beta[0]
        return ours(x)

    def expected(x, gamma, beta):
        running = torch.tensor(mean), torch.tensor(biased)
        return torch.nn.functional.batch_norm(x, *running, gamma[0], beta[0], **settings)

    agree(evaluated, expected, inputs)
