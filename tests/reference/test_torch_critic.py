"""A whole WGAN-GP critic against PyTorch's: the gradients of a penalty on gradients.

The critic's loss is E s(fake) − E s(real) + 10·E(‖∇s(x̂)‖ − 1)² with x̂ between real and fake
samples (Gulrajani et al., 2017, eq. 3), so its gradients go twice through every layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

import minigan as mg
from minigan import nn
from minigan.optim import Adam
from minigan.testing.strategies import seeds, values

pytestmark = pytest.mark.reference

PENALTY = 10.0


@dataclass(frozen=True)
class Setting:
    """The critic's sizes and settings, and the seed of its weights and of its data."""

    batch: int
    size: tuple[int, int]
    channels: int
    filters: tuple[int, int]
    taps: int
    stride: int
    slope: float
    eps: float
    seed: int

    def critic(self) -> nn.Sequential:
        """Two convolutions and a dense layer, each normalised and bent, and a score."""
        layers: list[nn.Module] = []
        for n in self.filters:
            layers += [nn.Conv2D(n, self.taps, self.stride, "same"), *self._normalized()]
        layers += [nn.Flatten(), nn.Dense(6), *self._normalized(), nn.Dense(1, use_bias=False)]
        critic = nn.Sequential(*layers).build((None, *self.size, self.channels), seed=0)
        for i, parameter in enumerate(critic.to("float64").named_parameters().values()):
            parameter.assign(0.7 * values(self.seed + i, parameter.shape))
        return critic

    def _normalized(self) -> list[nn.Module]:
        return [nn.LayerNorm(eps=self.eps), nn.LeakyReLU(self.slope)]

    def data(self) -> list[np.ndarray]:
        """Real and fake samples, and the place of x̂ between them."""
        shape = (self.batch, *self.size, self.channels)
        place = np.random.default_rng(self.seed).uniform(size=(self.batch, 1, 1, 1))
        return [values(self.seed + 50, shape), values(self.seed + 51, shape), place]


SETTINGS = st.builds(
    Setting,
    batch=st.integers(1, 4),
    size=st.tuples(st.integers(3, 7), st.integers(3, 7)),
    channels=st.integers(1, 3),
    filters=st.tuples(st.integers(3, 5), st.integers(3, 5)),
    taps=st.integers(2, 4),
    stride=st.integers(1, 2),
    slope=st.floats(0.05, 0.4),
    eps=st.sampled_from([1e-5, 1e-3, 0.1]),
    seed=seeds(),
)


def our_loss(critic: nn.Module, real: Any, fake: Any, place: Any) -> mg.Tensor:
    between = mg.Tensor(place * real + (1 - place) * fake, requires_grad=True)
    (slope,) = mg.grad(critic(between).sum(), [between], create_graph=True)
    norms = mg.sqrt((slope**2).sum((1, 2, 3)))
    return critic(fake).mean() - critic(real).mean() + PENALTY * ((norms - 1) ** 2).mean()


@pytest.fixture(scope="module")
def their_loss(torch, adapters):
    def score(setting: Setting, weights: list[Any], x: Any) -> Any:
        w = iter(weights)

        def bent(x: Any) -> Any:
            normal = adapters["layer_norm"](x, next(w), next(w), setting.eps)
            return torch.nn.functional.leaky_relu(normal, setting.slope)

        stride = (setting.stride, setting.stride)
        for _ in setting.filters:
            x = bent(adapters["conv2d"](x, next(w), stride, "same", (1, 1), 1) + next(w))
        return bent(x.flatten(1) @ next(w) + next(w)) @ next(w)

    def loss(setting: Setting, weights: list[Any], *data: np.ndarray) -> Any:
        real, fake, place = map(torch.tensor, data)
        between = (place * real + (1 - place) * fake).requires_grad_()
        total = score(setting, weights, between).sum()
        (slope,) = torch.autograd.grad(total, [between], create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        distance = score(setting, weights, fake).mean() - score(setting, weights, real).mean()
        return distance + PENALTY * penalty

    return loss


def copies(torch: Any, critic: nn.Module) -> list[Any]:
    """PyTorch's tensors of the critic's weights."""
    weights = critic.named_parameters().values()
    return [torch.tensor(p.numpy(), requires_grad=True) for p in weights]


@examples(60)
@given(SETTINGS)
def test_the_loss_and_its_gradients_by_every_weight_are_pytorchs(torch, their_loss, setting):
    from reference.agreement import same

    critic = setting.critic()
    weights = copies(torch, critic)
    ours = our_loss(critic, *setting.data())
    theirs = their_loss(setting, weights, *setting.data())
    same("the loss", ours.numpy(), theirs.numpy(force=True))
    parameters = critic.named_parameters()
    found = mg.grad(ours, list(parameters.values()))
    wanted = torch.autograd.grad(theirs, weights)
    for name, a, b in zip(parameters, found, wanted, strict=True):
        same(f"the gradient of {name}", a.numpy(), b.numpy())


def test_ten_steps_of_training_end_at_the_same_weights(torch, their_loss):
    from reference.agreement import same

    setting = Setting(4, (6, 5), 2, (4, 5), 3, 2, 0.2, 1e-3, seed=8)
    critic = setting.critic()
    weights = copies(torch, critic)
    parameters = critic.named_parameters()
    optimizer = Adam(1e-2, beta1=0.5, beta2=0.9).bind(parameters)
    other = torch.optim.Adam(weights, 1e-2, (0.5, 0.9))
    for _ in range(10):
        optimizer.step(mg.grad(our_loss(critic, *setting.data()), list(parameters.values())))
        other.zero_grad()
        their_loss(setting, weights, *setting.data()).backward()
        other.step()
    for (name, parameter), weight in zip(parameters.items(), weights, strict=True):
        same(name, parameter.numpy(), weight.numpy(force=True))
