"""The optimisers against PyTorch's: the same weights after steps along the same gradients."""

from __future__ import annotations

import pytest

from minigan.nn import Parameter
from minigan.optim import SGD, Adam, RMSprop
from minigan.testing.strategies import values

pytestmark = pytest.mark.reference

STEPS = 12
MOMENTUM = {"lr": 0.1, "momentum": 0.8}

OURS_AND_THEIRS = {
    "SGD": (SGD(0.1), "SGD", {"lr": 0.1}),
    "SGD-decay": (SGD(0.1, weight_decay=0.2), "SGD", {"lr": 0.1, "weight_decay": 0.2}),
    "SGD-momentum": (SGD(**MOMENTUM), "SGD", MOMENTUM),
    "SGD-Nesterov": (
        SGD(**MOMENTUM, nesterov=True, weight_decay=0.1),
        "SGD",
        {**MOMENTUM, "nesterov": True, "weight_decay": 0.1},
    ),
    "RMSprop": (
        RMSprop(0.01, rho=0.8, eps=0.01),
        "RMSprop",
        {"lr": 0.01, "alpha": 0.8, "eps": 0.01},
    ),
    "RMSprop-momentum": (
        RMSprop(0.01, rho=0.8, eps=1e-7, momentum=0.7),
        "RMSprop",
        {"lr": 0.01, "alpha": 0.8, "eps": 1e-7, "momentum": 0.7},
    ),
    "Adam": (Adam(0.01), "Adam", {"lr": 0.01}),
    "Adam-GAN": (
        Adam(0.01, beta1=0.5, beta2=0.9, eps=0.1),
        "Adam",
        {"lr": 0.01, "betas": (0.5, 0.9), "eps": 0.1},
    ),
    "AMSGrad": (
        Adam(0.01, beta1=0.7, beta2=0.9, amsgrad=True),
        "Adam",
        {"lr": 0.01, "betas": (0.7, 0.9), "amsgrad": True},
    ),
    "AdamW": (
        Adam(0.01, beta2=0.9, weight_decay=0.3),
        "AdamW",
        {"lr": 0.01, "betas": (0.9, 0.9), "weight_decay": 0.3},
    ),
}


@pytest.mark.parametrize("name", OURS_AND_THEIRS)
def test_the_path_is_pytorchs(name, torch):
    from reference.agreement import same

    ours, their_class, settings = OURS_AND_THEIRS[name]
    starts = [values(1, (3, 4)), values(2, (5,)), values(3, ())]
    weights = [Parameter(a, dtype="float64") for a in starts]
    twins = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in starts]
    optimizer = ours.unbound().bind(weights)
    other = getattr(torch.optim, their_class)(twins, **settings)
    for step in range(STEPS):
        gradients = [values(10 * step + i, a.shape) * (1 + step % 3) for i, a in enumerate(starts)]
        optimizer.step(gradients)
        for twin, gradient in zip(twins, gradients, strict=True):
            twin.grad = torch.tensor(gradient)
        other.step()
        for i, (weight, twin) in enumerate(zip(weights, twins, strict=True)):
            same(f"weight {i} after step {step + 1}", weight.numpy(), twin.numpy(force=True))
