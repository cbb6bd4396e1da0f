"""The losses against PyTorch's, with their gradients by both batches' outputs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minigan.gan.losses import LOSSES
from minigan.gan.records import Output
from minigan.testing.strategies import seeds, values

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def expected(torch):
    """For every loss, PyTorch's discriminator(real, fake) and generator(real, fake)."""
    F = torch.nn.functional

    def against(loss, target, **settings):
        return lambda x: loss(x, torch.full_like(x, target), **settings)

    logits, square = F.binary_cross_entropy_with_logits, F.mse_loss
    hinge = against(F.hinge_embedding_loss, -1)  # max(0, 1 − x)

    def p(x, target):  # as binary_cross_entropy's second gradient is off by 1e-12 / p
        return logits(torch.logit(x), target)

    def entropy(real, fake):
        return against(logits, 1)(real) + against(logits, 0)(fake)

    def average(real, fake):
        return against(logits, 1)(real - fake.mean()) + against(logits, 0)(fake - real.mean())

    return {
        "minimax": (entropy, lambda real, fake: -against(logits, 0)(fake)),
        "non_saturating": (entropy, lambda real, fake: against(logits, 1)(fake)),
        "least_squares": (
            lambda real, fake: (against(square, 1)(real) + against(square, 0)(fake)) / 2,
            lambda real, fake: against(square, 1)(fake) / 2,
        ),
        "hinge": (
            lambda real, fake: hinge(real) + hinge(-fake),
            lambda real, fake: -fake.mean(),
        ),
        "wasserstein": (
            lambda real, fake: fake.mean() - real.mean(),
            lambda real, fake: -fake.mean(),
        ),
        "relativistic_paired": (
            lambda real, fake: against(logits, 1)(real - fake),
            lambda real, fake: against(logits, 1)(fake - real),
        ),
        "relativistic_average": (average, lambda real, fake: average(fake, real)),
        "binary_cross_entropy": (
            lambda real, fake: against(p, 1)(real) + against(p, 0)(fake),
            lambda real, fake: against(p, 1)(fake),
        ),
    }


def test_every_loss_is_compared(expected):
    assert expected.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_derivatives_are_pytorchs(name, agree, expected):
    kind = "unit" if name == "binary_cross_entropy" else "any"
    loss, (discriminator, generator) = LOSSES[name], expected[name]

    @examples(60)
    @given(seeds(), st.integers(1, 6), st.integers(1, 6))
    def check(seed, n_real, n_fake):
        if name == "relativistic_paired":  # a fake beside each real image
            n_fake = n_real
        real, fake = values(seed, (n_real, 1), kind), values(seed + 1, (n_fake, 1), kind)
        if kind == "unit":
            real, fake = (real + 1) / 2, (fake + 1) / 2
        agree(lambda r, f: loss.discriminator(Output(r), Output(f)), discriminator, [real, fake])
        agree(lambda r, f: loss.generator(Output(r), Output(f)), generator, [real, fake])

    check()
